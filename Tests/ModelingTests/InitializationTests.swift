// SPDX-License-Identifier: MIT
import Compute
import ComputeCPU
import Foundation
import Modeling
import Testing

/// Starting weights are what seed, parameter and element say, however many cores make them.
@Suite struct InitializationTests {
    /// A matrix that several cores share, its last part not full.
    @Test func valuesFollowFromTheirIndex() throws {
        let config = try GPTConfig(nLayer: 1, nHead: 1, nEmbd: 33, blockSize: 8, vocabSize: 6001)
        let backend = try CPUBackend(threads: 1, isa: .portable)
        let weights = try GPTWeights(config, dtype: .float32, on: backend)
        weights.initialize(seed: 42)
        let index = try #require(config.parameters.firstIndex { $0.name == "transformer.wte.weight" })
        guard case .normal(let std) = config.parameters[index].initialization else {
            Issue.record("wte is not normal")
            return
        }
        var found = [Float](repeating: 0, count: 6001 * 33)
        let tensor = weights.masters.tensors[index]
        found.withUnsafeMutableBytes { backend.read(tensor, into: $0) }
        let expected = found.indices.map { element -> Float in
            let words = Philox.words(key: 42, counter: (UInt32(element / 4), 0, UInt32(index), 0x696e_6974))
            let (first, second) = element % 4 < 2 ? (words.0, words.1) : (words.2, words.3)
            let radius = (-2 * log((Double(first) + 0.5) * 0x1p-32)).squareRoot()
            let angle = 2 * Double.pi * (Double(second) + 0.5) * 0x1p-32
            return Float(radius * (element % 2 == 0 ? cos(angle) : sin(angle))) * Float(std)
        }
        #expect(found == expected)
    }
}
