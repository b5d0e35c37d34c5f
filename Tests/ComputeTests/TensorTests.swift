// SPDX-License-Identifier: MIT
import Compute
import Testing

@Suite struct TensorTests {
    /// Memory that is never read: these tests look at addresses only.
    private func memory(_ bytes: Int, at address: UInt = 4096, free: @escaping @Sendable (UInt, Int) -> Void = { _, _ in })
        -> DeviceMemory
    {
        DeviceMemory(address: address, byteCount: bytes, free: free)
    }

    @Test func sizesOfTypes() {
        #expect(DType.allCases.map(\.size) == [8, 4, 2, 2, 8, 4, 2, 1])
        #expect(DType(rawValue: "bfloat16") == .bfloat16 && DType(rawValue: "complex64") == nil)
    }

    @Test func viewsAndAddresses() {
        let tensor = Tensor(memory: memory(100), offset: 8, dtype: .bfloat16, shape: [2, 3, 4])
        #expect(tensor.count == 24 && tensor.byteCount == 48 && tensor.address == 4104)
        let view = tensor.view([5], start: 7)
        #expect(view.offset == 22 && view.count == 5 && view.dtype == .bfloat16)
        let scalar = Tensor(memory: memory(4), offset: 0, dtype: .float32, shape: [])
        #expect(scalar.count == 1)
    }

    @Test func memoryIsFreedOnce() {
        nonisolated(unsafe) var freed: [UInt] = []
        do {
            let block = memory(64, at: 8192) { address, _ in freed.append(address) }
            let tensors = [
                Tensor(memory: block, offset: 0, dtype: .uint8, shape: [64]),
                Tensor(memory: block, offset: 0, dtype: .uint8, shape: [1]),
            ]
            #expect(tensors.count == 2 && freed.isEmpty)
        }
        #expect(freed == [8192])
    }

    @Test func arenaPlacesDoNotOverlap() {
        var plan = ArenaPlan()
        let slots = [(DType.float32, [3, 5]), (.bfloat16, [1]), (.float64, [16]), (.uint8, [0]), (.float32, [64])]
            .map { plan.reserve($0.0, $0.1) }
        let block = memory(plan.byteCount)
        let tensors = slots.map { $0.tensor(in: block) }
        for (before, after) in zip(tensors, tensors.dropFirst()) {
            #expect(after.offset % ArenaPlan.alignment == 0 && before.offset + before.byteCount <= after.offset)
        }
        #expect(plan.byteCount == 4 * 256)
    }

    @Test func memoryErrorSaysWhatToDo() {
        let error = MemoryError(wanted: 12_340_000_000, available: 900_000, advice: "take a smaller batch_size")
        let sentence = "not enough memory: 12.34 GB are needed, 900.0 kB are available; take a smaller batch_size"
        #expect(error.description == sentence)
        #expect(
            MemoryError(wanted: 2_000_000, available: nil, advice: "x").description == "not enough memory: 2.0 MB are needed; x")
    }
}

@Suite struct BFloat16Tests {
    @Test func roundsToNearestEven() {
        func rounded(_ bits: UInt32) -> UInt16 { BFloat16.bits(Float(bitPattern: bits)) }
        #expect(rounded(0x3f80_0000) == 0x3f80)
        #expect(rounded(0x3f80_7fff) == 0x3f80)
        #expect(rounded(0x3f80_8000) == 0x3f80)  // a tie goes to the even neighbour, below
        #expect(rounded(0x3f81_8000) == 0x3f82)  // and above
        #expect(rounded(0x3f80_8001) == 0x3f81)
        #expect(rounded(0x7f7f_ffff) == 0x7f80)  // beyond the largest: infinity
        #expect(rounded(0xff80_0000) == 0xff80)
        #expect(rounded(0x8000_0000) == 0x8000)
    }

    @Test func everyValueGoesThereAndBack() {
        for bits in UInt16.min...UInt16.max {
            let value = BFloat16.float(bits)
            if value.isNaN {
                #expect(BFloat16.float(BFloat16.bits(value)).isNaN)
            } else {
                #expect(BFloat16.bits(value) == bits)
            }
        }
        // A NaN whose upper bits alone would be infinity.
        #expect(BFloat16.float(BFloat16.bits(Float(bitPattern: 0x7f80_0001))).isNaN)
    }
}

@Suite struct OperandTests {
    @Test func attentionScaleAndNames() {
        #expect(AttentionShape(batch: 1, queryLength: 2, keyLength: 3, heads: 4, headSize: 64).scale == 0.125)
        #expect(Activation(rawValue: "gelu_tanh") == .geluTanh && Activation(rawValue: "gelu") == .gelu)
        #expect(StepState.allCases.count <= StepState.count)
    }
}
