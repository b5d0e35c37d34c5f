// SPDX-License-Identifier: MIT
import Compute

/// Measures what the backend's matrix product reaches at best on this machine, now.
public enum MatmulCeiling {
    /// Rows, columns and depth: large enough to be bound by arithmetic, small enough to take a moment. A device that is done with
    /// the first in less than a millisecond is measured with the next.
    private static let sizes = [1536, 4096, 8192]

    /// Seconds after which it is known whether a size is too small.
    private static let glance = 0.01

    /// - Parameters:
    ///   - backend: what is measured
    ///   - dtype: of the factors
    ///   - seconds: how long to measure.
    /// - Returns: FLOP/s of the fastest of several products; nil when there is no memory for them.
    public static func measure(_ backend: any Backend, dtype: DType, seconds: Double = 0.3) -> Double? {
        var best: Double?
        for n in sizes {
            guard let product = MatmulCalibration(backend, dtype: dtype, size: n) else { break }
            let first = product.measure(seconds: glance).best, isTooSmall = 2 * Double(n * n * n) / first < 1e-3
            // The next size says more; a start should not spend its time on this one.
            best = max(best ?? 0, isTooSmall && n != sizes.last ? first : max(first, product.measure(seconds: seconds).best))
            if !isTooSmall { break }
        }
        return best
    }
}

/// A square matrix product that is kept ready, to measure again and again what the machine gives at that moment.
public final class MatmulCalibration {
    private let backend: any Backend
    private let tensors: [Tensor]
    private let flops: Double

    /// - Parameters:
    ///   - backend: what is measured
    ///   - dtype: of all three matrices
    ///   - n: rows, columns and depth
    /// - Returns: nil when there is no memory.
    public init?(_ backend: any Backend, dtype: DType, size n: Int) {
        self.backend = backend
        flops = 2 * Double(n) * Double(n) * Double(n)
        var plan = ArenaPlan()
        let slots = [plan.reserve(dtype, [n, n]), plan.reserve(dtype, [n, n]), plan.reserve(dtype, [n, n])]
        guard let memory = try? backend.allocate(byteCount: plan.byteCount) else { return nil }
        tensors = slots.map { $0.tensor(in: memory) }
        product()
    }

    private func product() {
        backend.matmulForward(out: tensors[0], x: tensors[1], weight: tensors[2], bias: nil, epilogue: .none)
        backend.synchronize()
    }

    /// - Parameter seconds: how long to measure
    /// - Returns: FLOP/s of the fastest product and of all together.
    public func measure(seconds: Double) -> (best: Double, mean: Double) {
        let clock = ContinuousClock()
        var best = Double.infinity, spent = 0.0, count = 0.0
        while spent < seconds {
            let taken = max(clock.measure { product() }.seconds, 1e-6)
            best = min(best, taken)
            spent += taken
            count += 1
        }
        return (flops / best, count * flops / spent)
    }
}
