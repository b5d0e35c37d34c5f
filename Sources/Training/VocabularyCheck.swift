// SPDX-License-Identifier: MIT
import Corpus
import RunLog

/// How many ids a run's data may use, without reading all of it.
///
/// Evaluation reads the same first blocks each time and trusts them, so those are looked at here. Training batches are looked at by the
/// loader, each before its step. So a start takes no longer for 100 GB of tokens than for 1 GB.
package enum VocabularyCheck {
    /// Tokens of a split that are looked at when nothing says how many ids there are: half a gigabyte of uint16.
    package static let mostTokens = 1 << 28
    private static let piece = 1 << 22

    /// - Throws: `CorpusError` when evaluation would meet an id that the data's description does not have, `TrainingError` when the
    ///   number of ids cannot be told.
    package static func ids(of dataset: TokenDataset, _ config: RunConfig, mostTokens: Int = mostTokens) throws -> Int {
        let splits = [dataset.train] + (dataset.val.map { [$0] } ?? [])
        let evaluated = 0..<evaluatedTokens(config)
        if let size = dataset.statedVocabularySize {
            for split in splits { try split.validate(vocabularySize: size, in: evaluated) }
            return size
        }
        if config.vocabSize > 0 {
            // The number of ids is given; what evaluation reads must agree with it.
            return (splits.compactMap { $0.largestID(in: evaluated) }.max()).map { Int($0) + 1 } ?? 1
        }
        let largest = splits.map { Int(largestID(of: $0, mostTokens: mostTokens)) }.max() ?? 0
        // Without a description, ids up to GPT-2's end-of-text are taken as GPT-2's.
        if largest > 40_000, largest < 50_257 { return 50_257 }
        guard splits.allSatisfy({ $0.count <= mostTokens }) else {
            throw TrainingError(
                "'\(dataset.folder)' has \(dataset.train.count) tokens and neither a dataset.json nor a meta.pkl that says how many ids "
                    + "there are; among \(mostTokens) of them the largest is \(largest). Give the number with --vocab-size N",
                isUsage: true)
        }
        return largest + 1
    }

    /// Tokens from the start of a split that evaluation reads, targets included.
    private static func evaluatedTokens(_ config: RunConfig) -> Int {
        let (tokens, overflow) = Trainer.evaluationBlocks(config).multipliedReportingOverflow(by: config.blockSize)
        return overflow ? .max : tokens &+ 1 > 0 ? tokens + 1 : .max
    }

    /// The largest id of all tokens, or of evenly spaced pieces of a split that has more than `mostTokens`.
    private static func largestID(of split: TokenSplit, mostTokens: Int) -> UInt32 {
        guard split.count > mostTokens else { return split.largestID(in: 0..<split.count) ?? 0 }
        let size = min(piece, mostTokens), pieces = max(1, mostTokens / size)
        // Spread over the split so that the last piece ends with it.
        let last = split.count - size
        return (0..<pieces).compactMap { index in
            let start = pieces == 1 ? 0 : Int(Double(last) * Double(index) / Double(pieces - 1))
            return split.largestID(in: start..<min(split.count, start + size))
        }.max() ?? 0
    }
}
