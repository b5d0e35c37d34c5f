// SPDX-License-Identifier: MIT
import Compute

/// Measures what the backend's matrix product reaches at best on this machine, now.
public enum MatmulCeiling {
    /// Rows, columns and depth: large enough to be bound by arithmetic, small enough to take a moment.
    private static let size = 1536

    /// - Parameters:
    ///   - backend: what is measured
    ///   - dtype: of the factors
    ///   - seconds: how long to measure.
    /// - Returns: FLOP/s of the fastest of several products; nil when there is no memory for them.
    public static func measure(_ backend: any Backend, dtype: DType, seconds: Double = 0.3) -> Double? {
        let n = size
        var plan = ArenaPlan()
        let slots = [plan.reserve(dtype, [n, n]), plan.reserve(dtype, [n, n]), plan.reserve(dtype, [n, n])]
        guard let memory = try? backend.allocate(byteCount: plan.byteCount) else { return nil }
        let tensors = slots.map { $0.tensor(in: memory) }
        let clock = ContinuousClock()
        let product = { backend.matmulForward(out: tensors[0], x: tensors[1], weight: tensors[2], bias: nil, epilogue: .none) }
        product()
        backend.synchronize()
        var best = Double.infinity, spent = 0.0
        while spent < seconds {
            let time = clock.measure {
                product()
                backend.synchronize()
            }
            let taken = time.seconds
            best = min(best, taken)
            spent += max(taken, 1e-6)
        }
        return 2 * Double(n) * Double(n) * Double(n) / best
    }
}
