// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage
import Tokenization

/// How far a preparation is.
public struct PrepareProgress: Sendable {
    public init(phase: String, fraction: Double, documents: Int, tokens: Int, bytes: Int) {
        self.phase = phase
        self.fraction = fraction
        self.documents = documents
        self.tokens = tokens
        self.bytes = bytes
    }

    /// "training the tokenizer", "looking at the documents" or "encoding".
    public var phase: String
    /// Of the phase, 0...1.
    public var fraction: Double
    /// Read so far; 0 before the phase "encoding".
    public var documents: Int
    /// Of both splits while encoding; merges while a tokenizer is trained.
    public var tokens: Int
    /// Of text, UTF-8.
    public var bytes: Int
}

/// Turns sources into a dataset folder.
public struct Preparer {
    public let options: PrepareOptions
    /// Told now and then how far the work is.
    public var progress: (PrepareProgress) -> Void = { _ in }
    /// Told sentences that a person should read.
    public var note: (String) -> Void = { _ in }
    /// Asked often; true stops the work. It leaves nothing behind, or what a later run goes on from.
    public var isCancelled: () -> Bool = { false }

    /// Nothing is read or written before `run`.
    public init(options: PrepareOptions) { self.options = options }

    /// Does the work; the folder appears whole at the end, or not at all.
    ///
    /// A run that was killed is gone on with by a run with the same options; the result is the same, byte for byte.
    /// - Returns: what `dataset.json` holds.
    /// - Throws: `CorpusError`, `FileError`, `TokenizerError`.
    public func run() throws -> DatasetManifest {
        try WorkFolder.refuseExisting(options.out)
        try options.check()
        let sources = try SourceList(options.sources, network: options.network)
        try options.check(sources)
        let folder = try WorkFolder(out: options.out, calls: options.calls)
        do { return try run(sources, folder) } catch {
            guard folder.isResumable else {
                if error is DownloadStopped { throw CorpusError.interrupted }
                throw error
            }
            let cure = "repeat the command to go on from there, or delete '\(folder.path)'"
            if error is DownloadStopped || (error as? CorpusError)?.kind == .interrupted {
                throw CorpusError(.interrupted, "interrupted; \(cure)")
            }
            note("what was done so far is kept; when the trouble is mended, \(cure)")
            throw error
        }
    }

    private func run(_ sources: SourceList, _ folder: WorkFolder) throws -> DatasetManifest {
        let found = try folder.journal()
        if let found { try check(found, sources, folder) }
        let downloads = makeDownloads(sources, cache: options.cache ?? folder.downloads)
        defer { downloads?.stop() }
        let files = SourceFiles(sources.items, downloads: downloads, isCancelled: isCancelled)
        let extractor = makeExtractor(sources)
        let made = try makeTokenizer(sources, files, extractor, found, folder)
        let plan = try SplitPlan(
            sources: sources, files: files, options: options, extractor: extractor, tokenizer: made.tokenizer, found: found
        ) { fraction in
            if isCancelled() { throw CorpusError.interrupted }
            progress(PrepareProgress(phase: "looking at the documents", fraction: fraction, documents: 0, tokens: 0, bytes: 0))
        }
        note("validation: \(plan.sentence)")
        let type = TokenType.holding(vocabularySize: made.tokenizer.vocabularySize)
        warnAboutSpace(plan, type)
        let json = try made.tokenizer.tokenizerJSON(), sha256 = SHA256.hex(of: json)
        let journal =
            try found
            ?? PrepareJournal(
                options: options.fingerprint, sources, tokenizer: sha256, training: made.training, plan)
        guard journal.tokenizer == sha256 else {
            throw CorpusError.usage(
                "the tokenizer is not the one with which '\(folder.path)' was begun; take that one, or delete the folder")
        }
        let writer = try DatasetWriter(
            folder: folder, type: type, shardTokens: options.shardTokens, calls: options.calls,
            from: found.map(\.files), keeping: ["tokenizer.json"])
        if found == nil { try folder.write(json, name: "tokenizer.json") }
        // What is downloaded is worth keeping from the start.
        if found == nil, downloads != nil { try folder.record(journal) }
        var job = EncodeJob(
            sources: sources, files: files, options: options, extractor: extractor, tokenizer: made.tokenizer, plan: plan,
            type: type, journal: journal)
        job.progress = progress
        job.isCancelled = isCancelled
        let (state, tokenFiles) = try job.run(into: writer, folder: folder)
        var maker = ManifestMaker(
            version: options.version,
            tokenizer: .init(
                name: made.tokenizer.name, vocabSize: made.tokenizer.vocabularySize,
                endOfText: made.tokenizer.endOfText.map(Int.init), sha256: sha256),
            dtype: type.rawValue, isSingleDocument: plan.single != nil, sources: SourceFacts(sources),
            options: job.optionTexts())
        if let training = journal.training { maker.options["tokenizer_training"] = training }
        if let part = options.part {
            try DatasetPart.write(maker, options, part, sources, state, into: folder)
        } else {
            try maker.refuseNothing(state)
        }
        return try finish(maker, state, tokenFiles, folder)
    }

    private func finish(
        _ maker: ManifestMaker, _ state: PrepareState, _ files: [DatasetManifest.File], _ folder: WorkFolder
    ) throws -> DatasetManifest {
        var manifest = maker.manifest(state, files: files)
        if let part = options.part { manifest.options["part"] = part.text }
        PlannedEpochs.add(options.planTokens, to: &manifest)
        if isCancelled() { throw CorpusError.interrupted }
        try folder.commit(manifest)
        return manifest
    }

    /// Only makes the tokenizer that `run` would use: loads it, or trains it on the sources.
    ///
    /// - Returns: the tokenizer, and a sentence about its training.
    public func makeTokenizer() throws -> (tokenizer: any Tokenizer, training: String?) {
        try WorkFolder.refuseExisting(options.out)
        try options.check()
        let sources = try SourceList(options.sources, network: options.network)
        let cache = options.cache ?? options.out + ".downloads"
        let downloads = makeDownloads(sources, cache: cache)
        defer {
            downloads?.stop()
            if downloads != nil, options.cache == nil { try? FileManager.default.removeItem(atPath: cache) }
        }
        let files = SourceFiles(sources.items, downloads: downloads, isCancelled: isCancelled)
        return try maker(sources, files, makeExtractor(sources)).make()
    }

    // ---- What a run is made of ---------------------------------------------------------------------------------------

    private func makeExtractor(_ sources: SourceList) -> DocumentExtractor {
        DocumentExtractor(
            items: sources.items, textField: options.textField, seed: options.seed,
            largestDocument: options.reading.largestDocument)
    }

    private func makeDownloads(_ sources: SourceList, cache: String) -> SourceDownloads? {
        guard let network = options.network else { return nil }
        return SourceDownloads(
            sources.items, selection: PartSelection(options.part ?? .whole, items: sources.items),
            network: network, folder: cache, deletes: options.cache == nil)
    }

    private func maker(_ sources: SourceList, _ files: SourceFiles, _ extractor: DocumentExtractor) -> TokenizerMaker {
        TokenizerMaker(
            options: options, items: sources.items, files: files, extractor: extractor, progress: progress, note: note,
            isCancelled: isCancelled)
    }

    /// The tokenizer: the one that an interrupted run trained, when there is one, instead of training it again.
    private func makeTokenizer(
        _ sources: SourceList, _ files: SourceFiles, _ extractor: DocumentExtractor, _ found: PrepareJournal?,
        _ folder: WorkFolder
    ) throws -> (tokenizer: any Tokenizer, training: String?) {
        if options.tokenizer.readsSources, let found,
            let tokenizer = try? TokenizerLoader().load(spec: folder.dataset + "/tokenizer.json"),
            tokenizer.name == options.tokenizer.kind, try SHA256.hex(of: tokenizer.tokenizerJSON()) == found.tokenizer
        {
            return (tokenizer, found.training)
        }
        return try maker(sources, files, extractor).make()
    }

    /// Refuses to go on with a work that was begun otherwise.
    private func check(_ found: PrepareJournal, _ sources: SourceList, _ folder: WorkFolder) throws {
        let own = options.fingerprint
        let names = Set(own.keys).union(found.options.keys).sorted()
        if let name = names.first(where: { own[$0] != found.options[$0] }) {
            throw CorpusError.usage(
                "'\(folder.path)' was begun with other options (\(name): \(found.options[name] ?? "none") then, "
                    + "\(own[name] ?? "none") now); repeat those options to go on, or delete the folder to begin anew")
        }
        let inputs = PrepareJournal.inputs(sources)
        guard inputs.map(\.name) == found.inputs.map(\.name) else {
            throw CorpusError.usage(
                "'\(folder.path)' was begun with another list of source files; restore it to go on, or delete the folder "
                    + "to begin anew")
        }
        // What was not begun may change: it will be read as it is then.
        let begun = found.position.item + (found.position.isBetweenItems ? 0 : 1)
        if let k = inputs.indices.prefix(max(0, begun)).first(where: { inputs[$0] != found.inputs[$0] }) {
            throw CorpusError.usage(
                "'\(inputs[k].name)' has changed since '\(folder.path)' was begun; delete the folder to begin anew")
        }
        note("going on where an earlier run ended: \(found.state.documents) documents are done")
    }

    /// Says early that the disk is likely to be too small.
    private func warnAboutSpace(_ plan: SplitPlan, _ type: TokenType) {
        let needed = plan.estimatedTokens / max(1, options.part?.count ?? 1) * type.size
        if let free = Folder.freeBytes(Paths.parent(of: options.out)), needed > free {
            note("about \(needed >> 20) MB will be written, but only \(free >> 20) MB are free where '\(options.out)' will be")
        }
    }
}

extension PrepareJournal {
    /// The journal of a run that has not begun to read.
    init(
        options: [String: String], _ sources: SourceList, tokenizer: String, training: String?, _ plan: SplitPlan
    ) throws {
        self.options = options
        inputs = Self.inputs(sources)
        self.tokenizer = tokenizer
        self.training = training
        valFraction = plan.choice.fraction
        valFractionReason = plan.choice.reason
        splitsInside = plan.splitsInside ? true : nil
        position = SourcePosition()
        train = .init()
        val = .init()
        identities = 0
        identitiesCRC = 0
        state = PrepareState(vocabularySize: 0)
    }

    static func inputs(_ sources: SourceList) -> [Input] {
        sources.items.map { Input(name: $0.name, bytes: $0.bytes, identity: $0.identity) }
    }
}
