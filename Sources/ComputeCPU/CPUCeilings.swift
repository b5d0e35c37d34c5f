// SPDX-License-Identifier: MIT
import CKernels
import Compute

extension CPUBackend: CeilingMeasuring {
    /// Memory that is read: several times any last-level cache that two threads share.
    private static let readBytes = 512 << 20

    /// The fastest of three measurements each: other programs can only take away.
    public func measureCeilings(dtype: DType, seconds: Double) -> DeviceCeilings {
        let each = max(seconds / 3, 0.01)
        func best(_ measure: () -> Double) -> Double? {
            let value = (0..<3).map { _ in measure() }.max() ?? 0
            return value > 0 ? value : nil
        }
        // Without bfloat16 instructions products of bfloat16 run as float32.
        let pairs = dtype == .bfloat16 ? best { apus_ceiling_bf16(pool, isa, each) } : nil
        var ceilings = DeviceCeilings(registerFlops: pairs ?? best { apus_ceiling_fma(pool, isa, each) })
        if let memory = try? allocate(byteCount: Self.readBytes) {
            let all = Tensor(memory: memory, offset: 0, dtype: .float32, shape: [Self.readBytes / 4])
            // Pages never written are all one page of zeros, which caches hold.
            fillZero(all)
            ceilings.readBytesPerSecond = best { apus_ceiling_read(pool, isa, all.pointer, Self.readBytes, each) }
        }
        return ceilings
    }
}
