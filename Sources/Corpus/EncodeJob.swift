// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage
import Tokenization

/// The pass over the sources that writes the token files and sums up for the manifest.
///
/// Now and then it flushes the files and journals where it is. Whatever was journalled last, going on from there gives
/// the bytes that an undisturbed run gives: batches come in the order of the sources, each says where reading goes on behind it,
/// and every sum is a sum over batches.
struct EncodeJob {
    let sources: SourceList
    let files: SourceFiles
    let options: PrepareOptions
    let extractor: DocumentExtractor
    let tokenizer: any Tokenizer
    let plan: SplitPlan
    let type: TokenType
    /// What the journal says besides the place; its place is where to go on.
    let journal: PrepareJournal
    var progress: (PrepareProgress) -> Void = { _ in }
    var isCancelled: () -> Bool = { false }

    /// Writes the token files.
    ///
    /// - Returns: the sums, and what the manifest says of the files.
    func run(into writer: DatasetWriter, folder: WorkFolder) throws -> (state: PrepareState, files: [DatasetManifest.File]) {
        let workers = try (0..<options.workers).map { _ in
            try EncodeWorker(
                tokenizer: tokenizer, extractor: extractor, rule: plan.rule, splitsInside: plan.splitsInside, type: type,
                largestOutput: options.largestOutput)
        }
        let reader = SourceReader(
            items: sources.items, options: options.reading, single: plan.single,
            part: PartSelection(options.part ?? .whole, items: sources.items), locate: { try files.path(of: $0) })
        var state = journal.state, duplicates = DuplicateCounter(), bytesRecorded = state.bytes
        try forEachIdentity(in: folder.identities, count: journal.identities) { duplicates.add($0) }
        duplicates.add(duplicates: state.duplicates, isFull: state.duplicatesAreFull)
        try OrderedPipeline(workers: workers).run { emit in
            try reader.forEachBatch(from: journal.position) { batch in
                if isCancelled() { throw CorpusError.interrupted }
                try emit(batch)
            }
        } consume: { batch in
            if isCancelled() { throw CorpusError.interrupted }
            try withExtendedLifetime(batch) {
                try writer.write(train: batch.train.bytes)
                try writer.write(val: batch.val.bytes)
            }
            try writer.remember(batch.identities.filter { duplicates.add($0) }.map { max($0, 1) })
            state.add(batch)
            state.duplicates = duplicates.duplicates
            state.duplicatesAreFull = duplicates.isFull
            if let after = batch.after, state.bytes - bytesRecorded >= options.checkpointBytes {
                bytesRecorded = state.bytes
                try folder.record(journal.moved(to: after, state: state, files: writer.synchronize()))
                files.release(before: after.item)
            }
            progress(
                PrepareProgress(
                    phase: "encoding", fraction: reader.fraction, documents: state.documents,
                    tokens: state.counts.tokens.train + state.counts.tokens.val, bytes: state.bytes))
        }
        if let single = plan.single {
            state.counts.documents = .init(
                train: state.counts.tokens.train > 0 ? 1 : 0, val: state.counts.tokens.val > 0 ? 1 : 0)
            state.counts.repaired = single.wasRepaired ? 1 : 0
            state.documentsByItem[0] = 1
        }
        return (state, try writer.finishTokens())
    }

    /// The options that decide the content; not the number of workers, which does not.
    func optionTexts() -> [String: String] {
        var texts = [
            "tokenizer": options.tokenizer.text,
            "val_fraction": "\(plan.choice.fraction)",
            "val_fraction_reason": plan.choice.reason,
            "split": plan.method,
            "end_of_text": plan.single != nil || tokenizer.endOfText == nil
                ? "none" : plan.splitsInside ? "after both parts of every document" : "after every document",
        ]
        if let separator = options.separator { texts["separator"] = separator }
        if let tokens = options.shardTokens { texts["shard_tokens"] = "\(tokens)" }
        for item in sources.items {
            switch item.format {
            case .stories: texts["seed"] = "\(options.seed)"
            case .jsonLines, .parquet: texts["text_field"] = options.textField
            case .text: break
            }
        }
        return texts
    }
}

extension PrepareJournal {
    /// The same preparation at another place.
    func moved(to position: SourcePosition, state: PrepareState, files: DatasetWriter.Place) -> PrepareJournal {
        var journal = self
        journal.position = position
        journal.state = state
        journal.train = files.train
        journal.val = files.val
        journal.identities = files.identities / 8
        journal.identitiesCRC = files.identitiesCRC
        return journal
    }

    /// Where the files are.
    var files: DatasetWriter.Place {
        DatasetWriter.Place(train: train, val: val, identities: max(0, identities) &* 8, identitiesCRC: identitiesCRC)
    }
}
