// SPDX-License-Identifier: MIT
import Compute
import ComputeCPU
import ComputeCUDA
import FakeCUDA
import Generation
import Modeling
import TestKit
import Testing

extension OnFakeCard {
    /// Text that the card makes by itself, step by recorded step.
    @Suite struct GenerationTests {
        private static let config: GPTConfig = {
            guard let config = try? GPTConfig(nLayer: 2, nHead: 2, nEmbd: 32, blockSize: 16, vocabSize: 48) else {
                preconditionFailure("sizes that fit")
            }
            return config
        }()

        /// Every token with its text, in the order they were delivered.
        private func made(
            _ backend: any Backend, _ sampling: SamplingOptions, texts: Int, tokens: Int, dtype: DType = .float32,
            prompt: [Int32] = [1, 2, 3, 4, 5], stopToken: Int32? = nil, stopAfter: Int = .max
        ) throws -> [[Int32]] {
            let weights = try GPTWeights(Self.config, dtype: dtype, on: backend)
            weights.initialize(seed: 3)
            let generator = TextGenerator(
                try GPTDecoder(weights: weights, batch: texts), sampling: sampling, vocabularySize: 40, stopToken: stopToken)
            var made: [[Int32]] = []
            try generator.generate(
                prompt: prompt, maxNewTokens: tokens, firstSample: 7, stop: { made.count >= stopAfter },
                deliver: { made.append([Int32($0), $1]) })
            return made
        }

        private static let samplings = [
            SamplingOptions(temperature: 0, topK: 0, seed: 5), SamplingOptions(temperature: 0.9, topK: 7, seed: 6),
            SamplingOptions(temperature: 1.3, topK: 0, topP: 0.8, seed: 7), SamplingOptions(temperature: 1, topK: 0, seed: 8),
        ]

        /// The CPU's text, past the context's end, of one text and of several, with graphs, without, and when none can be recorded.
        @Test(arguments: [(0, 1), (1, 3), (2, 1), (3, 2)]) func textIsTheCPUs(sampling index: Int, texts: Int) throws {
            let sampling = Self.samplings[index]
            let expected = try made(try CPUBackend(threads: 1, isa: .portable), sampling, texts: texts, tokens: 24)
            for refuses in [false, true] {
                FakeCard.insert {
                    $0.memory_bytes = 128 << 20
                    ($0.refuse_capture, $0.eager) = refuses ? (1, 1) : (0, 0)
                }
                do {
                    let backend = try FakeCard.backend { $0.graphs = index != 0 || refuses }
                    #expect(try made(backend, sampling, texts: texts, tokens: 24) == expected)
                }
                #expect(FakeCard.misuses == "" && FakeCard.counts.live_handles == 0)
            }
        }

        /// A step is recorded once and launched from then on, whatever the windows; the host looks now and then.
        @Test func stepsAreLaunchedFromARecord() throws {
            FakeCard.insert { $0.memory_bytes = 128 << 20 }
            let backend = try FakeCard.backend()
            // A prompt of 5 in a context of 16: 12 choices, 11 of them by steps. Then the window moves on to 12 tokens: 5 choices, 4
            // steps; at 25 choices that is 12 + 2 x 5 + 3.
            _ = try made(backend, Self.samplings[1], texts: 2, tokens: 25)
            let steps = 11 + 2 * 4 + 2
            #expect(FakeCard.counts.graphs == 1 && FakeCard.counts.graph_launches == steps - 1)
            #expect(FakeCard.counts.starvations < 12, "the host waits once a window, or every 16 steps")
            #expect(FakeCard.misuses == "")
        }

        /// End tokens end their texts, a stop ends all, and bfloat16 repeats.
        @Test func endsAndStops() throws {
            let sampling = Self.samplings[3], cpu = try CPUBackend(threads: 1, isa: .portable)
            let whole = try made(cpu, sampling, texts: 3, tokens: 30)
            // A token that comes early in one of the texts.
            let end = try #require(whole.dropFirst(4).first)[1]
            let expected = try made(cpu, sampling, texts: 3, tokens: 30, stopToken: end)
            #expect(expected.count < whole.count)
            FakeCard.insert { $0.memory_bytes = 128 << 20 }
            let backend = try FakeCard.backend()
            #expect(try made(backend, sampling, texts: 3, tokens: 30, stopToken: end) == expected)
            #expect(try made(backend, sampling, texts: 3, tokens: 30, stopAfter: 10) == Array(whole.prefix(12)))
            #expect(try made(backend, sampling, texts: 1, tokens: 1).count == 1)
            let long = (0..<30).map { Int32($0) }, after = try made(cpu, sampling, texts: 2, tokens: 9, prompt: long)
            #expect(try made(backend, sampling, texts: 2, tokens: 9, prompt: long) == after)
            let half = try made(backend, sampling, texts: 2, tokens: 20, dtype: .bfloat16)
            #expect(try made(backend, sampling, texts: 2, tokens: 20, dtype: .bfloat16) == half && half.count == 40)
            #expect(FakeCard.misuses == "")
        }

        /// A card that is lost says so in one sentence, in the middle of a text.
        @Test func aLostCard() throws {
            FakeCard.insert {
                $0.memory_bytes = 128 << 20
                $0.lose_card = 900
            }
            let backend = try FakeCard.backend()
            let error = #expect(throws: CUDAError.self) { try made(backend, Self.samplings[1], texts: 1, tokens: 200) }
            #expect(error?.description.hasPrefix("the graphics card failed while it was to ") == true)
        }
    }
}
