// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import ComputeCPU
import Foundation
import Generation
import Modeling
import TestKit
import Testing

@Suite struct GenerationTests {
    /// nanoGPT's final model of the golden run.
    private func goldenWeights(_ backend: any Backend, _ dtype: DType = .float32) throws -> GPTWeights {
        let config = try GPTConfig(nLayer: 2, nHead: 4, nEmbd: 64, blockSize: 64, vocabSize: 500)
        let weights = try GPTWeights(config, dtype: dtype, on: backend)
        try weights.load(from: try SafetensorsFile(path: Places.fixture("nanogpt-tiny-nobias/final.safetensors")))
        return weights
    }

    private var prompt: [Int32] {
        get throws {
            let data = try Data(contentsOf: URL(fileURLWithPath: Places.fixture("nanogpt-tiny-nobias/golden.json")))
            let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            return try #require(object["decode_prompt"] as? [Int]).map { Int32($0) }
        }
    }

    private func goldenLogits() throws -> [Float] {
        let file = try SafetensorsFile(path: Places.fixture("nanogpt-tiny-nobias/decode_logits.safetensors"))
        let bytes = try file.bytes("decode_logits")
        return (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }

    /// Logits after every prefix, through the cache token by token and as one piece.
    @Test(arguments: KernelChoice.available) func decodeLogitsOfNanoGPT(kernels: KernelChoice) throws {
        let backend = try CPUBackend(threads: 2, isa: kernels)
        let weights = try goldenWeights(backend)
        let expected = try goldenLogits(), prompt = try prompt
        let decoder = try GPTDecoder(weights: weights)
        for (i, token) in prompt.enumerated() {
            let row = Array(expected[i * 500..<(i + 1) * 500])
            let logits = try decoder.extend([token], count: 1) { Array($0) }
            #expect(relativeError(logits, row) < 1e-4, "prefix \(i + 1)")
        }
        for split in [1, 7, 39] {
            decoder.reset()
            try decoder.extend(Array(prompt.prefix(split)), count: split) { _ in }
            let rest = prompt.count - split
            let logits = try decoder.extend(Array(prompt.suffix(rest)), count: rest) { Array($0) }
            #expect(relativeError(logits, Array(expected.suffix(500))) < 1e-4, "split at \(split)")
        }
    }

    @Test func batchedDecodingIsTheSame() throws {
        let backend = try CPUBackend(threads: 2)
        let weights = try goldenWeights(backend)
        let prompt = try prompt
        let other = prompt.map { ($0 * 3 + 1) % 500 }
        let pair = try GPTDecoder(weights: weights, batch: 2)
        let together = try pair.extend(prompt + other, count: prompt.count) { Array($0) }
        for (b, tokens) in [prompt, other].enumerated() {
            let alone = try GPTDecoder(weights: weights).extend(tokens, count: tokens.count) { Array($0) }
            #expect(relativeError(Array(together[b * 500..<(b + 1) * 500]), alone) < 1e-5)
        }
    }

    /// One prompt read once for all sequences, then tokens that differ: every sequence is what it would be alone, to the bit.
    @Test(arguments: KernelChoice.available) func sharedPromptIsTheSame(kernels: KernelChoice) throws {
        let backend = try CPUBackend(threads: 2, isa: kernels)
        let weights = try goldenWeights(backend, .bfloat16)
        let prompt = try prompt
        let many = try GPTDecoder(weights: weights, batch: 5), alone = try GPTDecoder(weights: weights)
        let first = try alone.start(prompt) { Array($0) }
        #expect(try many.start(prompt) { Array($0) } == [[Float]](repeating: first, count: 5).flatMap { $0 })
        let next: [Int32] = [3, 99, 7, 499, 0]
        let together = try many.extend(next, count: 1) { Array($0) }
        for (b, token) in next.enumerated() {
            alone.reset()
            _ = try alone.start(prompt) { $0.count }
            let row = try alone.extend([token], count: 1) { Array($0) }
            #expect(Array(together[b * 500..<(b + 1) * 500]) == row, "sequence \(b)")
        }
        #expect(
            GPTDecoder.byteCount(weights.config, dtype: .bfloat16, batch: 5)
                > 5 * 2 * weights.config.nLayer * weights.config.blockSize * weights.config.nEmbd * 2)
    }

    /// A text has its own random numbers: it is the same whether it is made alone or beside others.
    @Test func textsDoNotDependOnTheirNeighbours() throws {
        let weights = try goldenWeights(try CPUBackend(threads: 2), .bfloat16)
        let prompt = try prompt
        func texts(_ batch: Int, first: Int) throws -> [[Int32]] {
            let generator = TextGenerator(
                try GPTDecoder(weights: weights, batch: batch), sampling: SamplingOptions(temperature: 1, seed: 5),
                vocabularySize: 500, stopToken: 17)
            var made = [[Int32]](repeating: [], count: batch)
            try generator.generate(prompt: prompt, maxNewTokens: 100, firstSample: first) { made[$0].append($1) }
            return made
        }
        let together = try texts(4, first: 0)
        for k in 0..<4 { #expect(try texts(1, first: k) == [together[k]]) }
        #expect(Set(together).count == 4)
    }

    /// Greedy text through the cache is the greedy text of the full forward pass, also past the block size.
    @Test func greedyTextEqualsTheFullForwardPass() throws {
        let backend = try CPUBackend(threads: 2)
        let weights = try goldenWeights(backend)
        let start = Array(try prompt.prefix(8))
        let decoder = try GPTDecoder(weights: weights)
        let generator = TextGenerator(decoder, sampling: SamplingOptions(temperature: 0), vocabularySize: 500)
        var made: [Int32] = []
        try generator.generate(prompt: start, maxNewTokens: 150) { _, token in made.append(token) }
        #expect(made.count == 150)
        // The same, each token from a forward pass over the window that the generator documents.
        var text = start, window = start.count
        for _ in 0..<150 {
            if window > 64 { window = 48 }
            let context = Array(text.suffix(window))
            let model = try GPT(weights: weights, batch: 1, length: window, training: false)
            context.withUnsafeBufferPointer { model.load(tokens: $0, targets: $0) }
            let out = Tensor(
                memory: try backend.allocate(byteCount: window * 500 * 4), offset: 0, dtype: .float32, shape: [window, 500])
            model.logits(into: out)
            var logits = [Float](repeating: 0, count: window * 500)
            logits.withUnsafeMutableBytes { backend.read(out, into: $0) }
            let last = logits.suffix(500)
            text.append(Int32(try #require(last.indices.max { last[$0] < last[$1] }) - last.startIndex))
            window += 1
        }
        #expect(made == Array(text.dropFirst(start.count)))
    }

    @Test func samplesFollowTheSeedAndNotTheBatch() throws {
        let backend = try CPUBackend(threads: 1)
        let weights = try goldenWeights(backend)
        func texts(batch: Int, seed: UInt64, first: Int) throws -> [[Int32]] {
            let generator = TextGenerator(
                try GPTDecoder(weights: weights, batch: batch), sampling: SamplingOptions(temperature: 1, topK: 0, seed: seed),
                vocabularySize: 500)
            var made = [[Int32]](repeating: [], count: batch)
            try generator.generate(prompt: [1, 2, 3], maxNewTokens: 20, firstSample: first) { made[$0].append($1) }
            return made
        }
        let pair = try texts(batch: 2, seed: 5, first: 0)
        #expect(try texts(batch: 1, seed: 5, first: 0)[0] == pair[0])
        #expect(try texts(batch: 1, seed: 5, first: 1)[0] == pair[1])
        #expect(pair[0] != pair[1])
        #expect(try texts(batch: 1, seed: 6, first: 0)[0] != pair[0])
    }
}

@Suite struct SamplerTests {
    /// What top-k keeps is what sorting all logits keeps, ties and logits that are no numbers included.
    @Test(arguments: [1, 2, 3, 7, 20, 99, 100, 101]) func topKKeepsTheLargest(k: Int) throws {
        var random = SystemRandomNumberGenerator()
        for round in 0..<60 {
            // Few different values, so that many are equal.
            var logits = (0..<100).map { _ in Float(Int.random(in: 0..<(round < 30 ? 12 : 100_000), using: &random)) }
            for _ in 0..<(round % 3) * 20 {
                logits[Int.random(in: 0..<100, using: &random)] =
                    [Float.nan, .infinity, -.infinity][Int.random(in: 0..<3, using: &random)]
            }
            let sorted = logits.filter(\.isFinite).sorted(by: >)
            let least = k < sorted.count ? sorted[k - 1] : sorted.last ?? 0
            var seen: Set<Int> = []
            logits.withUnsafeBufferPointer { buffer in
                // Hot enough that every candidate comes up sooner or later.
                let sampler = Sampler(SamplingOptions(temperature: 1e6, topK: k, seed: UInt64(round)))
                for position in 0..<300 { seen.insert(sampler.choose(buffer, sample: 0, position: position)) }
            }
            #expect(seen.allSatisfy { logits[$0] >= least && logits[$0] < .infinity }, "k \(k)")
            if k == 1 { #expect(seen == [try #require(logits.firstIndex(of: sorted[0]))]) }
            if k > 1, k <= 7 {
                let kept = Set(logits.indices.filter { logits[$0] >= least && logits[$0] < .infinity })
                #expect(seen == kept || kept.count > 20, "k \(k): \(seen.count) of \(kept.count)")
            }
        }
    }

    /// The same among 5,000 logits (79 blocks of 64, the last not whole), where few blocks are looked into: all of the k largest come
    /// up, those equal to the k-th too, and no other.
    @Test(arguments: [2, 5, 70, 77, 78, 79, 150]) func topKOfManyKeepsTheLargest(k: Int) {
        var state: UInt32 = 9
        var logits = (0..<5000).map { _ in
            state = state &* 1_664_525 &+ 1_013_904_223
            return Float(state >> 16) / 64
        }
        for index in stride(from: 0, to: 5000, by: 7) { logits[index] = [Float.nan, .infinity, -.infinity][index % 3] }
        // A block without a finite logit, and ties of the k-th in the first block and the last.
        for index in 640..<704 { logits[index] = .nan }
        let least = logits.filter(\.isFinite).sorted(by: >)[k - 1]
        for index in [1, 4999] { logits[index] = least }
        let wanted = logits.filter(\.isFinite).sorted(by: >)[k - 1]
        let kept = Set(logits.indices.filter { logits[$0] >= wanted && logits[$0] < .infinity })
        let sampler = Sampler(SamplingOptions(temperature: 1e6, topK: k, seed: 3))
        var seen: Set<Int> = []
        logits.withUnsafeBufferPointer { buffer in
            for position in 0..<4000 { seen.insert(sampler.choose(buffer, sample: 0, position: position)) }
        }
        #expect(seen == kept)
    }

    private func share(_ logits: [Float], _ options: SamplingOptions, draws: Int = 20_000) -> [Double] {
        var counts = [Double](repeating: 0, count: logits.count)
        let sampler = Sampler(options)
        logits.withUnsafeBufferPointer { for i in 0..<draws { counts[sampler.choose($0, sample: i, position: i / 7)] += 1 } }
        return counts.map { $0 / Double(draws) }
    }

    private let logits: [Float] = [log(0.5), log(0.3), log(0.15), log(0.05)]

    @Test func drawsHaveTheModelsProbabilities() {
        for (found, wanted) in zip(share(logits, SamplingOptions(temperature: 1, topK: 0)), [0.5, 0.3, 0.15, 0.05]) {
            // Three standard deviations of 20,000 draws are at most 0.011.
            #expect(abs(found - wanted) < 0.011)
        }
    }

    @Test func topKAndTopPCutTheTail() {
        let two = share(logits, SamplingOptions(temperature: 1, topK: 2))
        #expect(two[2] == 0 && two[3] == 0 && abs(two[0] - 0.625) < 0.011)
        // 0.5 + 0.3 reaches 0.7 with the second token, which stays in.
        let nucleus = share(logits, SamplingOptions(temperature: 1, topK: 0, topP: 0.7))
        #expect(nucleus[2] == 0 && nucleus[3] == 0 && abs(nucleus[0] - 0.625) < 0.011)
    }

    @Test func temperatureSharpens() {
        // p^2 / sum: 0.25, 0.09, 0.0225, 0.0025 over 0.365.
        #expect(abs(share(logits, SamplingOptions(temperature: 0.5, topK: 0))[0] - 0.685) < 0.011)
        #expect(share(logits, SamplingOptions(temperature: 0))[0] == 1)
    }

    @Test func brokenLogitsAreNeverChosen() {
        let sampler = Sampler(SamplingOptions(temperature: 1, topK: 0))
        [Float.nan, .infinity, -1, .nan].withUnsafeBufferPointer {
            for i in 0..<50 { #expect(sampler.choose($0, sample: i, position: 0) == 2) }
        }
        [Float.nan].withUnsafeBufferPointer { #expect(sampler.choose($0, sample: 0, position: 0) == 0) }
    }

    @Test func optionsThatMakeNoSenseAreNamed() {
        #expect(SamplingOptions(temperature: -1).problem?.contains("temperature") == true)
        #expect(SamplingOptions(topK: -1).problem?.contains("top-k") == true)
        #expect(SamplingOptions(topP: 0).problem?.contains("top-p") == true)
        #expect(SamplingOptions().problem == nil)
    }
}
