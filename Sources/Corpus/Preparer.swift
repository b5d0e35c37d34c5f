// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage
import Tokenization

/// What a dataset is made of.
public struct PrepareOptions: Sendable {
    /// Files, folders, patterns, or `stories`.
    public var sources: [String]
    /// The folder to write; it must not exist.
    public var out: String
    public var tokenizer: TokenizerChoice
    /// nil: chosen by the size of the sources.
    public var valFraction: Double?
    /// Of what is generated; it does not shuffle anything.
    public var seed: UInt64 = 0
    /// Threads that encode; the result does not depend on it.
    public var workers = max(1, ProcessInfo.processInfo.activeProcessorCount)
    /// The version of the program, for the manifest.
    public var version = ""
    package var reading = ReadingOptions()
    /// Fetches GPT-2's vocabulary on first use; nil where nothing may be fetched.
    public var download: TokenizerLoader.Download?
    package var calls = FileCalls.system

    /// The field of JSON lines, or column of Parquet files, that holds the text.
    public var textField: String {
        get { reading.textField }
        set { reading.textField = newValue }
    }

    /// What cuts a text file into documents; nil: a file is one document.
    public var separator: String? {
        get { reading.separator.map { String(decoding: $0, as: UTF8.self) } }
        set { reading.separator = newValue.map { Array($0.utf8) } }
    }

    public init(sources: [String], out: String, tokenizer: TokenizerChoice) {
        self.sources = sources
        self.out = out
        self.tokenizer = tokenizer
    }
}

/// How far a preparation is.
public struct PrepareProgress: Sendable {
    /// "training the tokenizer", "reading" or "encoding".
    public var phase: String
    /// Of the phase, 0...1.
    public var fraction: Double
    public var documents: Int
    public var tokens: Int
    public var bytes: Int
}

/// Turns sources into a dataset folder.
public struct Preparer {
    public let options: PrepareOptions
    /// Told now and then how far the work is.
    public var progress: (PrepareProgress) -> Void = { _ in }
    /// Told sentences that a person should read.
    public var note: (String) -> Void = { _ in }
    /// Asked often; true stops the work, leaving nothing behind.
    public var isCancelled: () -> Bool = { false }

    public init(options: PrepareOptions) { self.options = options }

    /// Does the work; the folder appears whole at the end, or not at all.
    ///
    /// - Returns: what `dataset.json` holds.
    /// - Throws: `CorpusError`, `FileError`, `TokenizerError`.
    public func run() throws -> DatasetManifest {
        try check()
        let (sources, extractor) = try open()
        if options.separator != nil, !sources.items.contains(where: { $0.format == .text }) {
            throw CorpusError.usage("--separator cuts text files, but no source is one; leave it out")
        }
        let (tokenizer, training) = try maker(sources, extractor).make()
        let plan = try SplitPlan(sources: sources, options: options, extractor: extractor, tokenizer: tokenizer) { fraction in
            if isCancelled() { throw CorpusError.interrupted }
            progress(PrepareProgress(phase: "counting characters", fraction: fraction, documents: 0, tokens: 0, bytes: 0))
        }
        note("validation: \(plan.sentence)")

        let type = TokenType.holding(vocabularySize: tokenizer.vocabularySize)
        let writer = try DatasetWriter(path: options.out, type: type, calls: options.calls)
        warnAboutSpace(plan, type)
        var job = EncodeJob(
            sources: sources, options: options, extractor: extractor, tokenizer: tokenizer, plan: plan, type: type)
        job.progress = progress
        job.isCancelled = isCancelled
        var manifest = try job.run(into: writer)
        if let training { manifest.options["tokenizer_training"] = training }
        let json = try tokenizer.tokenizerJSON()
        manifest.tokenizer.sha256 = SHA256.hex(of: json)
        try writer.write(json, name: "tokenizer.json")
        try writer.write(DataCard.text(manifest), name: "data-card.md")
        if isCancelled() { throw CorpusError.interrupted }
        try writer.commit(manifest)
        return manifest
    }

    /// Only makes the tokenizer that `run` would use: loads it, or trains it on the sources.
    ///
    /// - Returns: the tokenizer, and a sentence about its training.
    public func makeTokenizer() throws -> (tokenizer: any Tokenizer, training: String?) {
        try check()
        let (sources, extractor) = try open()
        return try maker(sources, extractor).make()
    }

    private func open() throws -> (SourceList, DocumentExtractor) {
        let sources = try SourceList(options.sources)
        let extractor = DocumentExtractor(
            items: sources.items, textField: options.textField, seed: options.seed,
            largestDocument: options.reading.largestDocument)
        return (sources, extractor)
    }

    private func maker(_ sources: SourceList, _ extractor: DocumentExtractor) -> TokenizerMaker {
        TokenizerMaker(
            options: options, items: sources.items, extractor: extractor, progress: progress, note: note, isCancelled: isCancelled
        )
    }

    /// Refuses what cannot work before anything is read.
    private func check() throws {
        try DatasetWriter.refuseExisting(options.out)
        if let fraction = options.valFraction, !(fraction >= 0 && fraction < 1) {
            throw CorpusError.usage("--val-fraction is \(fraction); it must be at least 0 and below 1, for example 0.01")
        }
        guard (1...1024).contains(options.workers) else {
            throw CorpusError.usage("--workers is \(options.workers); it must be from 1 to 1024")
        }
        if options.reading.separator?.isEmpty == true {
            throw CorpusError.usage("--separator is empty; give the characters that stand between two documents")
        }
    }

    /// Says early that the disk is likely to be too small.
    private func warnAboutSpace(_ plan: SplitPlan, _ type: TokenType) {
        let needed = plan.estimatedTokens * type.size
        if let free = Folder.freeBytes(Paths.parent(of: options.out)), needed > free {
            note("about \(needed >> 20) MB will be written, but only \(free >> 20) MB are free where '\(options.out)' will be")
        }
    }
}

/// How the tokens will be split, decided before the pass that encodes.
struct SplitPlan {
    let choice: ValidationChoice
    /// Set when the source is one document, split by position.
    let single: SingleDocument?
    let estimatedTokens: Int
    var rule: SplitRule { SplitRule(valFraction: choice.fraction) }

    /// What was chosen and why, for people.
    var sentence: String {
        let fraction = "fraction \(choice.fraction) (\(choice.reason))"
        return single == nil ? "\(fraction), by document" : "the last part of the one document, \(fraction)"
    }

    /// Whether the sources are one text file that nothing cuts into documents.
    static func isSingleDocument(_ items: [SourceItem], _ options: PrepareOptions) -> Bool {
        items.count == 1 && items[0].format == .text && options.separator == nil
    }

    init(
        sources: SourceList, options: PrepareOptions, extractor: DocumentExtractor, tokenizer: any Tokenizer,
        told: (Double) throws -> Void
    ) throws {
        if let item = sources.items.first, Self.isSingleDocument(sources.items, options) {
            let fraction = options.valFraction ?? 0.1
            choice = ValidationChoice(
                fraction: fraction, reason: options.valFraction == nil ? "the default for a single document" : "as asked")
            single = try SingleDocument(
                item, valFraction: fraction, cuts: SingleDocument.Cuts(tokenizer), options: options.reading, told: told)
            estimatedTokens = 0
            return
        }
        single = nil
        let estimate = try SizeEstimate(
            items: sources.items, extractor: extractor, options: options.reading, tokenizer: tokenizer)
        estimatedTokens = Int(estimate.tokens.rounded())
        choice =
            options.valFraction.map { ValidationChoice(fraction: $0, reason: "as asked") }
            ?? ValidationChoice.forDocuments(tokens: estimatedTokens)
    }
}
