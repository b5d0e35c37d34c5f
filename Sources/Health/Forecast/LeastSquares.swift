// SPDX-License-Identifier: MIT
import Foundation

/// Levenberg-Marquardt for a handful of parameters, derivatives by differences.
enum LeastSquares {
    /// - Parameter residuals: already divided by their standard deviations, so that the covariance is (J'J)^-1.
    /// - Returns: nil when the normal equations are singular or nothing is finite.
    static func fit(start: [Double], residuals: ([Double]) -> [Double]) -> (parameters: [Double], covariance: [[Double]])? {
        var p = start
        var r = residuals(p)
        var cost = r.reduce(0) { $0 + $1 * $1 }
        guard cost.isFinite else { return nil }
        var damping = 1e-3
        for _ in 0..<100 {
            let (jj, jr) = normal(p, r, residuals)
            var moved = false
            while damping < 1e10 {
                var damped = jj
                for index in p.indices { damped[index][index] *= 1 + damping }
                if let delta = solve(damped, jr) {
                    let candidate = zip(p, delta).map { $0 - $1 }
                    let next = residuals(candidate)
                    let nextCost = next.reduce(0) { $0 + $1 * $1 }
                    if nextCost.isFinite, nextCost < cost {
                        let gained = cost - nextCost
                        (p, r, cost) = (candidate, next, nextCost)
                        damping = max(damping / 5, 1e-9)
                        moved = gained > 1e-9 * (1 + cost)
                        break
                    }
                }
                damping *= 4
            }
            if !moved { break }
        }
        let (jj, _) = normal(p, r, residuals)
        var covariance: [[Double]] = []
        for index in p.indices {
            var unit = [Double](repeating: 0, count: p.count)
            unit[index] = 1
            guard let column = solve(jj, unit) else { return nil }
            covariance.append(column)
        }
        return (p, covariance)
    }

    private static func normal(
        _ p: [Double], _ r: [Double], _ residuals: ([Double]) -> [Double]
    ) -> (jj: [[Double]], jr: [Double]) {
        let columns = p.indices.map { index -> [Double] in
            var moved = p
            let h = 1e-6 * max(1, abs(p[index]))
            moved[index] += h
            return zip(residuals(moved), r).map { ($0 - $1) / h }
        }
        let jj = columns.map { a in columns.map { b in zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } } }
        let jr = columns.map { a in zip(a, r).reduce(0) { $0 + $1.0 * $1.1 } }
        return (jj, jr)
    }

    /// Gaussian elimination with pivoting; nil when singular.
    static func solve(_ matrix: [[Double]], _ right: [Double]) -> [Double]? {
        var m = matrix, b = right
        let n = b.count
        for k in 0..<n {
            guard let pivot = (k..<n).max(by: { abs(m[$0][k]) < abs(m[$1][k]) }), abs(m[pivot][k]) > 1e-14 else { return nil }
            m.swapAt(k, pivot)
            b.swapAt(k, pivot)
            for row in k + 1..<max(n, k + 1) {
                let factor = m[row][k] / m[k][k]
                for column in k..<n { m[row][column] -= factor * m[k][column] }
                b[row] -= factor * b[k]
            }
        }
        for k in stride(from: n - 1, through: 0, by: -1) {
            for column in k + 1..<max(n, k + 1) { b[k] -= m[k][column] * b[column] }
            b[k] /= m[k][k]
        }
        return b.allSatisfy(\.isFinite) ? b : nil
    }
}
