// SPDX-License-Identifier: MIT
import Foundation

/// Small robust statistics over plain arrays; values that are not finite must be filtered out before.
enum Statistics {
    static func mean(_ values: some Collection<Double>) -> Double? {
        values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }

    /// The value below which a share of the sorted values lies, interpolated.
    static func quantile(_ values: [Double], _ share: Double) -> Double? {
        guard !values.isEmpty else { return nil }
        // A sample of every n-th value is exact enough where there are very many.
        let sorted = (values.count > 100_000 ? thinned(values, to: 50_000) : values).sorted()
        let place = max(0, min(1, share)) * Double(sorted.count - 1)
        let low = Int(place), high = min(low + 1, sorted.count - 1)
        return sorted[low] + (sorted[high] - sorted[low]) * (place - Double(low))
    }

    static func median(_ values: [Double]) -> Double? { quantile(values, 0.5) }

    /// Standard deviation estimated from the median absolute deviation, which outliers do not move.
    static func robustDeviation(_ values: [Double]) -> Double? {
        guard let middle = median(values) else { return nil }
        return median(values.map { abs($0 - middle) }).map { $0 * 1.4826 }
    }

    static func deviation(_ values: [Double]) -> Double? {
        guard values.count > 1, let average = mean(values) else { return nil }
        return (values.reduce(0) { $0 + ($1 - average) * ($1 - average) } / Double(values.count - 1)).squareRoot()
    }

    /// Noise of a series around its own trend: from differences of neighbours, so that a slope does not count.
    static func noise(_ values: [Double]) -> Double? {
        guard values.count > 3 else { return nil }
        return robustDeviation(zip(values, values.dropFirst()).map { $1 - $0 }).map { $0 / 2.0.squareRoot() }
    }

    /// Slope and its standard error by least squares.
    static func slope(_ x: [Double], _ y: [Double]) -> (slope: Double, error: Double)? {
        guard x.count == y.count, x.count > 2, let mx = mean(x), let my = mean(y) else { return nil }
        let sxx = x.reduce(0) { $0 + ($1 - mx) * ($1 - mx) }
        guard sxx > 0 else { return nil }
        let slope = zip(x, y).reduce(0) { $0 + ($1.0 - mx) * ($1.1 - my) } / sxx
        let rest = zip(x, y).reduce(0) { sum, point in
            let error = point.1 - my - slope * (point.0 - mx)
            return sum + error * error
        }
        return (slope, (rest / Double(x.count - 2) / sxx).squareRoot())
    }

    /// Every n-th element so that at most `limit` remain; the last one stays.
    static func thinned<T>(_ values: [T], to limit: Int) -> [T] {
        guard values.count > limit, limit > 1 else { return values }
        let stride = Double(values.count - 1) / Double(limit - 1)
        return (0..<limit).map { values[Int((Double($0) * stride).rounded())] }
    }
}
