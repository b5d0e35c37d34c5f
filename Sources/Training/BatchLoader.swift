// SPDX-License-Identifier: MIT
import Compute
import Corpus
import Modeling

/// Brings micro-batches from the token files to the model and refuses ids that the model does not have.
final class BatchLoader {
    private let samples: TokenSamples
    private let model: GPT
    private var tokens: [Int32]
    private var targets: [Int32]

    init(_ samples: TokenSamples, model: GPT) {
        self.samples = samples
        self.model = model
        tokens = [Int32](repeating: 0, count: model.sizes.rows)
        targets = tokens
    }

    /// Loads the samples `first ..< first + B` of the run's order.
    ///
    /// - Returns: how long reading them took; a device that is behind may hold up the rest.
    /// - Throws: `TrainingError` naming an id outside the vocabulary; the model keeps its last batch.
    func load(first: Int) throws -> Duration {
        let start = ContinuousClock.now
        var read = Duration.zero
        let length = model.sizes.length
        try tokens.withUnsafeMutableBufferPointer { tokens in
            try targets.withUnsafeMutableBufferPointer { targets in
                guard let tokenBase = tokens.baseAddress, let targetBase = targets.baseAddress else { return }
                for b in 0..<model.sizes.batch {
                    samples.fill(sample: first + b, tokens: tokenBase + b * length, targets: targetBase + b * length)
                }
                // A file that was changed since it was prepared must not make the kernels read outside their tables.
                let vocabulary = Int32(clamping: model.config.vocabSize)
                for i in 0..<tokens.count
                where tokens[i] >= vocabulary || targets[i] >= vocabulary || tokens[i] < 0 || targets[i] < 0 {
                    throw TrainingError(
                        "token id \(max(tokens[i], targets[i])) in '\(samples.split.files.first?.path ?? "")' is not below vocab_size "
                            + "\(vocabulary): the data was made with another tokenizer or is damaged; prepare it again")
                }
                read = ContinuousClock.now - start
                model.load(tokens: UnsafeBufferPointer(tokens), targets: UnsafeBufferPointer(targets))
            }
        }
        return read
    }
}
