// SPDX-License-Identifier: MIT
import Compute
import ComputeCPU
import ComputeCUDA
import FakeCUDA
import TestKit
import Testing

extension OnFakeCard {
    /// Every operation against the portable CPU kernels, on the emulated kernels, in both orders of threads and whether work
    /// runs at once or as late as it may.
    @Suite struct ParityTests {
        @Test(arguments: Case.all, [DType.float32, .bfloat16])
        func equalsTheCPU(_ test: Case, act: DType) throws {
            let reference = try test.run(Bench(try CPUBackend(threads: 1, isa: .portable)), act)
            for isReversed in [false, true] {
                FakeCard.insert {
                    $0.reverse = isReversed ? 1 : 0
                    $0.eager = isReversed ? 1 : 0
                    $0.memory_bytes = 128 << 20
                }
                do {
                    let backend = try FakeCard.backend()
                    let results = try test.run(Bench(backend), act)
                    #expect(results.count == reference.count)
                    let tolerance = act == .bfloat16 ? test.tolerance.bfloat16 : test.tolerance.float32
                    for (index, (result, expected)) in zip(results, reference).enumerated() {
                        let error = relativeError(result, expected)
                        #expect(error <= tolerance || result == expected, "result \(index), reversed \(isReversed): \(error)")
                    }
                }
                #expect(FakeCard.misuses == "")
                // Everything was given back.
                #expect(FakeCard.counts.live_handles == 0 && FakeCard.counts.allocated_bytes == 0)
            }
        }

        /// Without a fixed order of additions: the same tolerances.
        @Test(arguments: Case.attention, [DType.float32, .bfloat16])
        func isNearTheCPUWhenFast(_ test: Case, act: DType) throws {
            let reference = try test.run(Bench(try CPUBackend(threads: 1, isa: .portable)), act)
            FakeCard.insert { $0.reverse = 1 }
            let backend = try FakeCard.backend { $0.deterministic = false }
            #expect(backend.kernelName == "sm_89-fast")
            for (result, expected) in zip(try test.run(Bench(backend), act), reference) {
                let error = relativeError(result, expected)
                #expect(error <= (act == .bfloat16 ? test.tolerance.bfloat16 : test.tolerance.float32), "\(error)")
            }
            #expect(FakeCard.misuses == "")
        }

        @Test func namesTheCard() throws {
            FakeCard.insert()
            let backend = try FakeCard.backend()
            #expect(backend.deviceName == "NVIDIA GeForce RTX 4070" && backend.kernelName == "sm_89" && backend.threadCount == 1)
            #expect(backend.card.multiprocessors == 46 && backend.card.totalBytes == 96 << 20)
        }

        /// More than the page-locked memory holds goes through it in pieces, in order with what else the card does.
        @Test func largeCopiesAreWhole() throws {
            FakeCard.insert()
            let backend = try FakeCard.backend(), bench = Bench(backend), count = 7_000_001
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            let tensor = try bench.empty([count], .uint8), other = try bench.empty([count], .uint8)
            bytes.withUnsafeBytes { backend.write($0, to: tensor) }
            backend.convert(from: tensor, to: other)
            // The next write waits for its turn: the copy above still gets the first bytes.
            [UInt8](repeating: 0, count: count).withUnsafeBytes { backend.write($0, to: tensor) }
            #expect(try bench.raw(other, UInt8(0)) == bytes)
            #expect(try bench.raw(tensor, UInt8(0)).allSatisfy { $0 == 0 })
            #expect(FakeCard.misuses == "")
        }
    }
}
