// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage
import Tokenization

/// The pass over the sources that writes the token files and counts for the manifest.
struct EncodeJob {
    let sources: SourceList
    let options: PrepareOptions
    let extractor: DocumentExtractor
    let tokenizer: any Tokenizer
    let plan: SplitPlan
    let type: TokenType
    var progress: (PrepareProgress) -> Void = { _ in }
    var isCancelled: () -> Bool = { false }

    /// Sums over the batches, taken in order.
    private struct Totals {
        var documentsByItem: [Int: Int] = [:]
        var documents = 0
        var empty = 0
        var nulls = 0
        var keys: [String]?
        var bytes = 0
        var tokens = 0
        var duplicates = DuplicateCounter()
    }

    init(
        sources: SourceList, options: PrepareOptions, extractor: DocumentExtractor, tokenizer: any Tokenizer, plan: SplitPlan,
        type: TokenType
    ) {
        self.sources = sources
        self.options = options
        self.extractor = extractor
        self.tokenizer = tokenizer
        self.plan = plan
        self.type = type
    }

    /// Writes train.bin and val.bin.
    ///
    /// - Returns: the manifest, complete but for the tokenizer's hash.
    func run(into writer: DatasetWriter) throws -> DatasetManifest {
        let workers = (0..<options.workers).map { _ in
            EncodeWorker(tokenizer: tokenizer, extractor: extractor, rule: plan.rule, type: type)
        }
        let reader = SourceReader(items: sources.items, options: options.reading, single: plan.single)
        var totals = Totals()
        try OrderedPipeline(workers: workers).run { emit in
            try reader.forEachBatch { batch in
                if isCancelled() { throw CorpusError.interrupted }
                try emit(batch)
            }
        } consume: { batch in
            if isCancelled() { throw CorpusError.interrupted }
            try writer.write(batch.train, to: "train")
            try writer.write(batch.val, to: "val")
            add(batch, to: &totals)
            progress(
                PrepareProgress(
                    phase: "encoding", fraction: reader.fraction, documents: totals.documents, tokens: totals.tokens,
                    bytes: totals.bytes))
        }
        var counts = TokenCounts(vocabularySize: tokenizer.vocabularySize)
        for worker in workers { counts.add(worker.counts) }
        if let single = plan.single {
            counts.documents = (counts.tokens.train > 0 ? 1 : 0, counts.tokens.val > 0 ? 1 : 0)
            counts.repaired = single.wasRepaired ? 1 : 0
            totals.documentsByItem[0] = 1
        }
        try refuseNothing(totals, counts)
        return try manifest(totals, counts, files: writer.finishTokens())
    }

    private func add(_ batch: EncodedBatch, to totals: inout Totals) {
        for (item, count) in batch.documents {
            totals.documentsByItem[item, default: 0] += count
            totals.documents += count
        }
        totals.empty += batch.empty
        totals.nulls += batch.missing.nulls
        if totals.keys == nil { totals.keys = batch.missing.keys }
        totals.bytes += batch.bytes
        totals.tokens += (batch.train.count + batch.val.count) / type.size
        for identity in batch.identities { totals.duplicates.add(identity) }
    }

    /// Refuses a dataset without training tokens, saying why it has none.
    private func refuseNothing(_ totals: Totals, _ counts: TokenCounts) throws {
        guard counts.tokens.train == 0 else { return }
        let names = options.sources.joined(separator: "', '")
        if totals.nulls > 0 && counts.tokens.val == 0 {
            let keys = totals.keys.map { $0.isEmpty ? "" : " The first line has: \($0.joined(separator: ", "))." } ?? ""
            throw CorpusError.data(
                names,
                "none of its \(totals.nulls) rows has text in the field '\(options.textField)'.\(keys) Choose with --text-field")
        }
        if counts.tokens.val > 0 {
            throw CorpusError.data(
                names, "every document fell into the validation split; lower --val-fraction or give more documents")
        }
        throw CorpusError.data(names, "there is no text in it")
    }

    private func manifest(_ totals: Totals, _ counts: TokenCounts, files: [DatasetManifest.File]) throws -> DatasetManifest {
        var manifest = DatasetManifest(
            version: options.version,
            tokenizer: DatasetManifest.TokenizerFacts(
                name: tokenizer.name, vocabSize: tokenizer.vocabularySize, endOfText: tokenizer.endOfText.map(Int.init),
                sha256: ""),
            dtype: type.rawValue)
        manifest.train = .init(documents: counts.documents.train, tokens: counts.tokens.train, bytes: counts.bytes.train)
        manifest.val = .init(documents: counts.documents.val, tokens: counts.tokens.val, bytes: counts.bytes.val)
        manifest.files = files
        manifest.sources = sourceFacts(totals)
        var facts = AuditRules.Facts(counts: counts)
        facts.empty = totals.empty
        facts.nulls = totals.nulls
        facts.duplicates = totals.duplicates.duplicates
        facts.isSingleDocument = plan.single != nil
        facts.hasEndOfText = tokenizer.endOfText != nil
        manifest.audit = AuditRules.record(facts)
        manifest.options = optionTexts()
        if totals.duplicates.isFull {
            manifest.options["duplicates"] = "counted among the first \(totals.duplicates.remembered) distinct documents only"
        }
        return manifest
    }

    /// One entry a file, or one an argument where an argument stands for very many files.
    private func sourceFacts(_ totals: Totals) -> [DatasetManifest.Source] {
        let largest = 100
        return sources.arguments.enumerated().flatMap { index, argument -> [DatasetManifest.Source] in
            let items = sources.items.enumerated().filter { $0.element.argument == index }
            if items.count > largest {
                return [
                    .init(
                        name: "\(argument) (\(items.count) files)", bytes: items.reduce(0) { $0 + $1.element.bytes },
                        documents: items.reduce(0) { $0 + totals.documentsByItem[$1.offset, default: 0] })
                ]
            }
            return items.map {
                .init(name: $0.element.name, bytes: $0.element.bytes, documents: totals.documentsByItem[$0.offset, default: 0])
            }
        }
    }

    /// The options that decide the content; not the number of workers, which does not.
    private func optionTexts() -> [String: String] {
        var texts = [
            "tokenizer": options.tokenizer.text,
            "val_fraction": "\(plan.choice.fraction)",
            "val_fraction_reason": plan.choice.reason,
            "split": plan.single == nil ? "documents, by SHA-256" : "one document, by position in code points",
            "end_of_text": plan.single == nil && tokenizer.endOfText != nil ? "after every document" : "none",
        ]
        if let separator = options.separator { texts["separator"] = separator }
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
