// SPDX-License-Identifier: MIT
import CKernels
import Compute
import Testing

@Suite struct DropoutTests {
    static func philox(_ counter: [UInt32], _ key: [UInt32]) -> [UInt32] {
        var out = [UInt32](repeating: 0, count: 4)
        apus_philox4x32(&out, counter, key)
        return out
    }

    /// The definition of `Dropout`, element by element.
    static func kept(_ probability: Double, seed: UInt64, site: UInt32, sample: UInt64, element: Int) -> Bool {
        let counter = [UInt32(element / 4), site, UInt32(truncatingIfNeeded: sample), UInt32(sample >> 32)]
        let words = philox(counter, [UInt32(truncatingIfNeeded: seed), UInt32(seed >> 32)])
        return Double(words[element % 4]) >= probability * 0x1p32
    }

    /// Known answers of Random123's kat_vectors for philox4x32-10.
    @Test func philoxKnownAnswers() {
        #expect(Self.philox([0, 0, 0, 0], [0, 0]) == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
        let ones = UInt32.max
        #expect(Self.philox([ones, ones, ones, ones], [ones, ones]) == [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
        let pi = Self.philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0])
        #expect(pi == [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
    }

    @Test(arguments: Engine.all, [DType.float32, .bfloat16]) func matchesTheDefinition(_ engine: Engine, _ dtype: DType) throws {
        let lab = try engine.lab()
        for (samples, rows, c) in [(1, 1, 1), (2, 3, 5), (3, 7, 33), (2, 17, 100)] {
            for p in [0.0, 0.1, 0.5, 0.999] {
                var numbers = Numbers(c)
                let x = numbers.uniform(samples * rows * c, dtype), tensor = try lab.tensor(x, [samples * rows, c], dtype)
                let first = 5_000_000_000.0  // beyond 32 bits
                let dropout = Dropout(
                    probability: p, seed: 0xfeed_0000_0007, site: 9, state: try lab.state([.sampleIndex: first]))
                lab.backend.dropout(tensor, rowsPerSample: rows, dropout)
                let expected = x.enumerated().map { index, value -> Double in
                    let sample = UInt64(first) + UInt64(index / (rows * c)), element = index % (rows * c)
                    guard p == 0 || Self.kept(p, seed: dropout.seed, site: 9, sample: sample, element: element) else { return 0 }
                    let scaled = Float(value) * (p == 0 ? 1 : Float(1 / (1 - p)))
                    return Double(dtype == .bfloat16 ? BFloat16.float(BFloat16.bits(scaled)) : scaled)
                }
                #expect(lab.values(tensor) == expected)
            }
        }
    }

    /// Four samples at once, and as two micro-batches of two.
    @Test(arguments: Engine.eachISA) func maskDoesNotDependOnTheMicroBatch(_ engine: Engine) throws {
        let lab = try engine.lab(), (rows, c) = (9, 35)
        func mask(_ samples: Int, first: Int) throws -> [Double] {
            let x = try lab.tensor([Double](repeating: 1, count: samples * rows * c), [samples * rows, c])
            let state = try lab.state([.sampleIndex: Double(first)])
            lab.backend.dropout(x, rowsPerSample: rows, Dropout(probability: 0.3, seed: 42, site: 1, state: state))
            return lab.values(x)
        }
        #expect(try mask(4, first: 10) == mask(2, first: 10) + mask(2, first: 12))
        let all = try mask(4, first: 10)
        // 1260 draws of probability 0.3: 5 standard deviations are 81.
        #expect(abs(all.filter { $0 == 0 }.count - 378) < 81)
    }
}
