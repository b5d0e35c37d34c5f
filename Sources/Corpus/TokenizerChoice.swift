// SPDX-License-Identifier: MIT
import Foundation
import Tokenization

/// Which tokenizer encodes, as `--tokenizer` names it.
public enum TokenizerChoice: Sendable {
    /// GPT-2's; the folder has vocab.bpe and encoder.json, nil stands for the loader's cache folder.
    case gpt2(vocab: String?)
    /// One id a character, the characters being those of the sources.
    case char
    /// Byte-level BPE of this many ids, trained on the sources.
    case bpe(Int)
    /// A tokenizer.json, or another file or folder that the loader reads.
    case file(String)
    /// One that exists already.
    case ready(any Tokenizer)

    /// - Parameters:
    ///   - text: `gpt2`, `char`, `bpe:N`, or a path.
    ///   - vocab: the folder of GPT-2's files.
    /// - Throws: `CorpusError` of kind usage.
    public init(_ text: String, vocab: String? = nil) throws {
        switch text {
        case "gpt2": self = .gpt2(vocab: vocab)
        case "char": self = .char
        default:
            guard text == "bpe" || text.hasPrefix("bpe:") else {
                guard FileManager.default.fileExists(atPath: text) else {
                    throw CorpusError.usage(
                        "there is no tokenizer '\(text)'; --tokenizer takes gpt2, char, bpe:N (N ids, trained on the sources), or the path of "
                            + "a tokenizer's file or folder")
                }
                self = .file(text)
                return
            }
            guard let size = Int(text.dropFirst(4)), (257...1 << 24).contains(size) else {
                throw CorpusError.usage(
                    "the tokenizer '\(text)' is not valid; bpe:N takes the number of ids, at least 257, for example bpe:4096")
            }
            self = .bpe(size)
        }
    }

    /// Whether making it takes passes over all sources.
    var readsSources: Bool {
        switch self {
        case .char, .bpe: true
        case .gpt2, .file, .ready: false
        }
    }

    /// What a tokenizer that was trained is called.
    var kind: String { if case .char = self { "char" } else { "bpe" } }

    /// As the manifest's options say it.
    var text: String {
        switch self {
        case .gpt2: "gpt2"
        case .char: "char"
        case .bpe(let size): "bpe:\(size)"
        case .file(let path): path
        case .ready(let tokenizer): tokenizer.name
        }
    }
}

/// Makes the tokenizer of a dataset: loads it, or trains it on the sources.
struct TokenizerMaker {
    let options: PrepareOptions
    let items: [SourceItem]
    let files: SourceFiles
    let extractor: DocumentExtractor
    let progress: (PrepareProgress) -> Void
    let note: (String) -> Void
    let isCancelled: () -> Bool

    /// Text that training a vocabulary looks at, in bytes: word counts hardly change with more.
    static let trainingBytes = 200_000_000

    /// - Returns: the tokenizer, and what the manifest is to say of its training.
    func make() throws -> (tokenizer: any Tokenizer, training: String?) {
        switch options.tokenizer {
        case .ready(let tokenizer): return (tokenizer, nil)
        case .gpt2(let vocab):
            return (try TokenizerLoader(download: options.download).load(spec: "gpt2", vocabularyFolder: vocab), nil)
        case .file(let path): return (try TokenizerLoader().load(spec: path), nil)
        case .char: return (try characters(), "the characters of all sources")
        case .bpe(let size): return try trained(size)
        }
    }

    private func noText(_ missing: [DocumentExtractor.Missing]) -> CorpusError {
        CorpusError.noText(
            options.sources.joined(separator: "', '"), nulls: missing.reduce(0) { $0 + $1.nulls },
            keys: missing.lazy.compactMap(\.keys).first, field: options.textField)
    }

    /// Every character of the sources.
    private func characters() throws -> any Tokenizer {
        let workers = (0..<options.workers).map { _ in CharacterWorker(extractor) }
        try read(workers, cuts: .anywhere, phase: "collecting characters")
        var all = CharacterCollector()
        for worker in workers { all.add(worker.collector) }
        if all.characters.isEmpty { throw noText(workers.map(\.missing)) }
        return CharTokenizer(characters: all.characters)
    }

    /// A vocabulary learned from an even sample of the sources.
    private func trained(_ size: Int) throws -> (tokenizer: any Tokenizer, training: String?) {
        let trainer = try BPETrainer(vocabularySize: size)
        let estimate = try SizeEstimate(
            items: items, files: files, extractor: extractor, options: options.reading, tokenizer: nil)
        let share = min(1, Double(Self.trainingBytes) / max(estimate.textBytes, 1))
        let workers = try (0..<options.workers).map { _ in
            WordWorker(extractor, counter: try trainer.makeCounter(), sample: SplitRule(valFraction: share))
        }
        // Cut between words, so that none is counted in two halves.
        try read(workers, cuts: .betweenWords, phase: "counting words")
        if workers.allSatisfy({ $0.bytes == 0 }) { throw noText(workers.map(\.missing)) }
        for worker in workers { try trainer.add(worker.counter) }
        let merges = Double(max(size - 257, 1))
        let result = try trainer.train { done in
            if done % 256 == 0 {
                progress(
                    PrepareProgress(
                        phase: "training the tokenizer", fraction: Double(done) / merges, documents: 0, tokens: done, bytes: 0))
            }
            return !isCancelled()
        }
        if isCancelled() { throw CorpusError.interrupted }
        if let shortfall = result.shortfall { note(shortfall) }
        let documents = workers.reduce(0) { $0 + $1.documents }, bytes = workers.reduce(0) { $0 + $1.bytes }
        let part = share < 1 ? "an even sample of \(AuditRules.percent(share)) of the texts" : "all texts"
        return (result.tokenizer, "trained on \(part): \(documents) documents, \(bytes) bytes")
    }

    private func read<Worker: PipelineWorker>(_ workers: [Worker], cuts: SingleDocument.Cuts, phase: String) throws
    where Worker.Input == SourceBatch, Worker.Output == Int {
        // A file that is one document is read in pieces here too, whatever its size.
        let single = SplitPlan.isSingleDocument(items, options) ? SingleDocument.unsplit(cuts) : nil
        let reader = SourceReader(
            items: items, options: options.reading, single: single, locate: { try files.path(of: $0) })
        var bytes = 0
        try OrderedPipeline(workers: workers).run { emit in
            try reader.forEachBatch { batch in
                if isCancelled() { throw CorpusError.interrupted }
                try emit(batch)
            }
        } consume: { count in
            bytes += count
            progress(PrepareProgress(phase: phase, fraction: reader.fraction, documents: 0, tokens: 0, bytes: bytes))
        }
    }
}

/// Collects the characters of batches on one thread.
// SAFETY: used by one thread at a time; the result is read after its thread has ended.
private final class CharacterWorker: PipelineWorker, @unchecked Sendable {
    private(set) var collector = CharacterCollector()
    private(set) var missing = DocumentExtractor.Missing()
    private let extractor: DocumentExtractor

    init(_ extractor: DocumentExtractor) { self.extractor = extractor }

    func process(_ batch: SourceBatch, handOn: (Int) throws -> Void) throws -> Int {
        var bytes = 0
        let found = try extractor.forEachDocument(batch) { document in
            collector.add(document.text)
            bytes += document.text.count
        }
        missing.add(found)
        return bytes
    }
}

/// Counts the words of a sample of documents on one thread.
// SAFETY: used by one thread at a time; the result is read after its thread has ended.
private final class WordWorker: PipelineWorker, @unchecked Sendable {
    let counter: WordCounter
    private(set) var documents = 0
    private(set) var bytes = 0
    private(set) var missing = DocumentExtractor.Missing()
    private let extractor: DocumentExtractor
    /// Which texts belong to the sample: chosen by their hash, so neither order nor workers matter.
    private let sample: SplitRule

    init(_ extractor: DocumentExtractor, counter: WordCounter, sample: SplitRule) {
        self.extractor = extractor
        self.counter = counter
        self.sample = sample
    }

    func process(_ batch: SourceBatch, handOn: (Int) throws -> Void) throws -> Int {
        let before = bytes
        let found = try extractor.forEachDocument(batch) { document in
            guard !document.text.isEmpty else { return }
            // The other hash than the split's: else a small sample would be validation texts alone.
            guard sample.isValidation(hash: SplitRule.hashes(of: document.text).identity) else { return }
            try counter.add(document: document.text)
            documents += 1
            bytes += document.text.count
        }
        missing.add(found)
        return bytes - before
    }
}
