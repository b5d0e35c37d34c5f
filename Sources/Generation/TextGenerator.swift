// SPDX-License-Identifier: MIT
import Compute
import Modeling

/// Continues prompts token by token, past the block size by sliding.
public final class TextGenerator {
    private let decoder: GPTDecoder
    private let sampler: Sampler
    /// Ids that may be chosen: below the tokenizer's size, so that padding rows never are.
    private let choices: Int
    /// Generation ends after this id.
    private let stopToken: Int32?

    /// - Parameters:
    ///   - decoder: its batch is the number of texts made side by side
    ///   - sampling: temperature, what is chosen among, seed
    ///   - vocabularySize: ids that the tokenizer has; the model may have more rows
    ///   - stopToken: such as end-of-text; it is delivered and ends its text; nil: only the number of tokens ends a text
    public init(_ decoder: GPTDecoder, sampling: SamplingOptions, vocabularySize: Int, stopToken: Int32? = nil) {
        self.decoder = decoder
        sampler = Sampler(sampling)
        choices = min(vocabularySize, decoder.weights.config.vocabSize)
        self.stopToken = stopToken
    }

    /// Makes up to `maxNewTokens` tokens after a prompt, in every sequence of the decoder's batch.
    ///
    /// When the context is full the window moves on by a quarter of it, and the model reads the newer three quarters again:
    /// nanoGPT moves by one token and reads everything again each time, which costs a thousand times more at length 1024.
    /// - Parameters:
    ///   - prompt: at least one id; of a longer one the model sees the end
    ///   - maxNewTokens: of each sequence
    ///   - firstSample: numbers the texts; each has random numbers of its own
    ///   - stop: asked before every token
    ///   - deliver: gets each new token with the index of its sequence
    public func generate(
        prompt: [Int32], maxNewTokens: Int, firstSample: Int = 0, stop: () -> Bool = { false },
        deliver: (_ sequence: Int, _ token: Int32) throws -> Void
    ) throws {
        guard !prompt.isEmpty, maxNewTokens > 0 else { return }
        if let device = decoder.backend as? any DecodingBackend {
            return try DeviceGeneration(decoder, device, sampler.options, choices: choices, stopToken: stopToken).generate(
                prompt: prompt, maxNewTokens: maxNewTokens, firstSample: firstSample, stop: stop, deliver: deliver)
        }
        let batch = decoder.batch, capacity = decoder.capacity
        var texts = [[Int32]](repeating: prompt, count: batch)
        var finished = [Bool](repeating: false, count: batch)
        decoder.reset()
        var fresh = min(prompt.count, capacity)
        for _ in 0..<maxNewTokens {
            if stop() || finished.allSatisfy({ $0 }) { return }
            if decoder.length + fresh > capacity {
                decoder.reset()
                fresh = Self.kept(of: capacity)
            }
            let choose = { self.chooseAll($0, firstSample: firstSample, position: texts[0].count) }
            // The prompt is the same for all texts; it is read once.
            let next =
                texts[0].count == prompt.count
                ? try decoder.start(prompt.suffix(fresh), choose)
                : try decoder.extend(texts.flatMap { $0.suffix(fresh) }, count: fresh, choose)
            for b in 0..<batch {
                texts[b].append(next[b])
                if finished[b] { continue }
                try deliver(b, next[b])
                if next[b] == stopToken { finished[b] = true }
            }
            fresh = 1
        }
    }

    /// The next token of each text, from logits [B, V]: all have `position` tokens.
    private func chooseAll(_ logits: UnsafeBufferPointer<Float>, firstSample: Int, position: Int) -> [Int32] {
        let (sampler, choices, stride) = (sampler, choices, decoder.weights.config.vocabSize)
        return [Int32](unsafeUninitializedCapacity: decoder.batch) { chosen, filled in
            // SAFETY: every number writes its own element, and all have run when `forEach` returns.
            nonisolated(unsafe) let (chosen, logits) = (chosen, logits)
            decoder.backend.forEach(decoder.batch) { b in
                let row = UnsafeBufferPointer(rebasing: logits[(b * stride)...].prefix(choices))
                chosen[b] = Int32(sampler.choose(row, sample: firstSample + b, position: position))
            }
            filled = decoder.batch
        }
    }

    /// Tokens that are read again when the window moves on.
    static func kept(of capacity: Int) -> Int { max(1, capacity - capacity / 4) }
}
