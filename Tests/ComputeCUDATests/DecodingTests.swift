// SPDX-License-Identifier: MIT
import Compute
import ComputeCPU
import ComputeCUDA
import FakeCUDA
import Generation
import TestKit
import Testing

extension OnFakeCard {
    /// A step of generation whose changing numbers lie on the card, recorded and launched again.
    @Suite struct DecodingTests {
        /// Sequences, heads, head size, tokens in the cache at first, capacity, vocabulary.
        private static let (b, nh, hs, before, capacity, v) = (2, 2, 16, 5, 12, 40)

        /// Keys and values of three new tokens go where the length says, queries see as many keys as it says, and the tokens are the
        /// sampler's; the third step launches the record of the second.
        @Test(arguments: [DType.float32, .bfloat16]) func recordedStepsAreTheCPUs(_ act: DType) throws {
            let (b, nh, hs, before, capacity, v) = (Self.b, Self.nh, Self.hs, Self.before, Self.capacity, Self.v), c = nh * hs
            FakeCard.insert()
            let backend = try FakeCard.backend(), card = Bench(backend), cpu = Bench(try CPUBackend(threads: 1, isa: .portable))
            var inputs = Inputs(3)
            let first = inputs.floats(b * capacity * c), fresh = inputs.floats(b * 3 * c), logits = inputs.floats(b * v)
            let options = SamplingOptions(temperature: 0.9, topK: 7, topP: 0.95, seed: 5)
            let choice = TokenChoice(temperature: 0.9, topK: 7, topP: 0.95, seed: 5, choices: v - 2)

            func view(_ tensor: Tensor, tokens: Int, from start: Int = 0) -> HeadView {
                HeadView(tensor, start: start, batchStride: tokens * c, tokenStride: c, headStride: hs)
            }
            let state = try card.words([Int32(before), 21, 4, 0, 0, 0, 0, 0])
            let new = try card.tensor(fresh, [b, 3, c], act), cache = try card.tensor(first, [b, capacity, c], act)
            let out = try card.empty([b, c], act), scores = try card.tensor(logits, [b, v])
            let tokens = try card.words([0, 0]), positions = try card.words([0, 0])
            let history = try card.words([Int32](repeating: -1, count: b * 4)).view([b, 4])
            let other = try cpu.tensor(fresh, [b, 3, c], act), otherCache = try cpu.tensor(first, [b, capacity, c], act)
            let expected = try cpu.empty([b, c], act)
            let work = RepeatedWork()
            for step in 0..<3 {
                let query = view(new, tokens: 3)
                backend.repeated(work) {
                    backend.copyHeads(
                        from: query, to: view(cache, tokens: capacity), batch: b, tokens: 1, heads: nh, headSize: hs, state: state
                    )
                    backend.attentionForward(
                        out: view(out, tokens: 1), q: query, k: view(cache, tokens: capacity), v: view(cache, tokens: capacity),
                        shape: AttentionShape(batch: b, queryLength: 1, keyLength: capacity, heads: nh, headSize: hs),
                        state: state)
                    backend.chooseTokens(tokens: tokens, history: history, logits: scores, choice: choice, state: state)
                    backend.advanceDecoding(state: state, positions: positions)
                }
                let length = before + step
                cpu.backend.copyHeads(
                    from: view(other, tokens: 3), to: view(otherCache, tokens: capacity, from: length * c), batch: b, tokens: 1,
                    heads: nh, headSize: hs)
                cpu.backend.attentionForward(
                    out: view(expected, tokens: 1), lse: nil, q: view(other, tokens: 3), k: view(otherCache, tokens: capacity),
                    v: view(otherCache, tokens: capacity),
                    shape: AttentionShape(batch: b, queryLength: 1, keyLength: length + 1, heads: nh, headSize: hs), dropout: nil)
                #expect(try card.values(cache) == cpu.values(otherCache))
                // One rounding of the result; float32: sums in another order.
                #expect(relativeError(try card.values(out), try cpu.values(expected)) < (act == .bfloat16 ? 0x1p-8 : 4e-6))
                #expect(try card.raw(state, Int32(0)).prefix(4) == [Int32(length) + 1, Int32(22 + step), 4, Int32(step) + 1])
                #expect(try card.raw(positions, Int32(0)) == [Int32(length) + 1, Int32(length) + 1])
                let sampled = (0..<b).map { text in
                    logits[(text * v)..<(text * v + v - 2)].withUnsafeBufferPointer {
                        Int32(Sampler(options).choose($0, sample: 4 + text, position: 21 + step))
                    }
                }
                #expect(try card.raw(tokens, Int32(0)) == sampled)
                let all = try card.raw(history, Int32(0))
                #expect([all[step], all[4 + step]] == sampled && all[step + 1] == -1)
            }
            #expect(FakeCard.misuses == "")
        }
    }
}
