// SPDX-License-Identifier: MIT
import Foundation
import Storage
import Tokenization

/// What a dataset is made of.
public struct PrepareOptions: Sendable {
    /// Files, folders, patterns, addresses, or `stories`.
    public var sources: [String]
    /// The folder to write; it must not exist.
    public var out: String
    /// One that exists, or one to train on the sources.
    public var tokenizer: TokenizerChoice
    /// nil: chosen by the size of the sources.
    public var valFraction: Double?
    /// Of what is generated; it does not shuffle anything.
    public var seed: UInt64 = 0
    /// Threads that encode; the result does not depend on it.
    public var workers = max(1, ProcessInfo.processInfo.activeProcessorCount)
    /// Tokens of a shard; nil for one file a split.
    public var shardTokens: Int?
    /// Tokens that a planned run will see, for the audit; it decides nothing of the content.
    public var planTokens: Int?
    /// nil: everything. A part is merged with the others by `DatasetMerger`.
    public var part: PreparePart?
    /// Bytes of text after which the place is journalled, to go on from there after an interruption.
    public var checkpointBytes = 128 << 20
    /// The version of the program, for the manifest.
    public var version = ""
    package var reading = ReadingOptions()
    /// Bytes of ids and identities that a worker keeps of one row group; more is written before the group is complete.
    package var largestOutput = 32 << 20
    /// Fetches GPT-2's vocabulary on first use; nil where nothing may be fetched.
    public var download: TokenizerLoader.Download?
    /// nil where nothing may be fetched.
    public var network: (any SourceNetwork)?
    /// Where downloads are kept; nil: beside the growing dataset, each only until it was used.
    public var cache: String?
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

    /// The rest are the defaults: all cores, no shards, nothing downloaded.
    public init(sources: [String], out: String, tokenizer: TokenizerChoice) {
        self.sources = sources
        self.out = out
        self.tokenizer = tokenizer
    }

    /// All that decides the content, for a run that goes on with another's work.
    var fingerprint: [String: String] {
        var texts = ["sources": sources.joined(separator: "\n"), "tokenizer": tokenizer.text, "text-field": textField]
        texts["val-fraction"] = valFraction.map { "\($0)" }
        texts["seed"] = "\(seed)"
        texts["separator"] = separator
        texts["shard-tokens"] = shardTokens.map { "\($0)" }
        texts["part"] = part?.text
        texts["version of apus"] = version
        return texts
    }

    /// Refuses what cannot work before anything is read.
    func check() throws {
        if let fraction = valFraction, !(fraction >= 0 && fraction < 1) {
            throw CorpusError.usage("--val-fraction is \(fraction); it must be at least 0 and below 1, for example 0.01")
        }
        guard (1...1024).contains(workers) else {
            throw CorpusError.usage("--workers is \(workers); it must be from 1 to 1024")
        }
        if reading.separator?.isEmpty == true {
            throw CorpusError.usage("--separator is empty; give the characters that stand between two documents")
        }
        if let shardTokens, !(1...1 << 40).contains(shardTokens) {
            throw CorpusError.usage("--shard-tokens is \(shardTokens); it must be at least 1, for example 100000000")
        }
        if part != nil, tokenizer.readsSources {
            throw CorpusError.usage(
                "--part with --tokenizer \(tokenizer.text) would learn the vocabulary from all sources in every part; "
                    + "make it once with `apus tokenizer train`, then name its file")
        }
    }

    /// Refuses what does not fit the sources.
    func check(_ sources: SourceList) throws {
        if separator != nil, !sources.items.contains(where: { $0.format == .text }) {
            throw CorpusError.usage("--separator cuts text files, but no source is one; leave it out")
        }
        guard part != nil else { return }
        if planTokens != nil {
            throw CorpusError.usage("--plan-tokens counts epochs of a whole dataset; give it with --merge instead of --part")
        }
        if SplitPlan.isSingleDocument(sources.items, self) {
            throw CorpusError.usage("--part divides documents, but the one text file is a single document; give --separator")
        }
        if valFraction == nil, sources.items.contains(where: { $0.remote != nil }) {
            throw CorpusError.usage(
                "--part of sources on the network needs --val-fraction, as choosing it takes a look into the files; "
                    + "give for example --val-fraction \(ValidationChoice.usualFraction)")
        }
    }
}
