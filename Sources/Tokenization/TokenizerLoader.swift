// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Finds and reads a tokenizer by what a user calls it: `gpt2`, or the path of a file or folder.
public struct TokenizerLoader: Sendable {
    /// Fetches a URL into a file; the loader checks what came.
    public typealias Download = @Sendable (_ url: String, _ path: String) throws -> Void

    private let download: Download?
    private let environment: [String: String]

    /// - Parameters:
    ///   - download: fetches GPT-2's files on first use; nil where nothing may be fetched.
    ///   - environment: names the cache folder by XDG_CACHE_HOME or HOME.
    public init(download: Download? = nil, environment: [String: String] = ProcessInfo.processInfo.environment) {
        self.download = download
        self.environment = environment
    }

    /// Reads a tokenizer.
    ///
    /// - Parameters:
    ///   - spec: `gpt2`; or a `tokenizer.json`, a `.tiktoken` file, a `vocab.bpe`, a `vocab.json` beside its `merges.txt`, or a
    ///     folder with one of them.
    ///   - vocabularyFolder: where GPT-2's `vocab.bpe` and `encoder.json` are; nil for the cache folder.
    ///   - split: how a `.tiktoken` file's texts are split, when it cannot be told from the file.
    /// - Throws: `TokenizerError` and `FileError`, saying what to do.
    public func load(spec: String, vocabularyFolder: String? = nil, split: SplitPattern? = nil) throws -> any Tokenizer {
        if spec == "gpt2" { return try gpt2(folder: vocabularyFolder) }
        if spec == "char" || spec.hasPrefix("bpe:") {
            throw TokenizerError(
                .badRequest,
                "the tokenizer '\(spec)' is built from data: `apus prepare ... --tokenizer \(spec)` writes it beside the tokens; "
                    + "then give the path of that folder or of its tokenizer.json")
        }
        if Folder.exists(spec) { return try folder(spec, split: split) }
        guard FileManager.default.fileExists(atPath: spec) else {
            throw TokenizerError(
                .notFound,
                "there is no tokenizer '\(spec)'; give 'gpt2', or the path of a tokenizer.json, a .tiktoken file, "
                    + "a vocab.bpe, a vocab.json beside its merges.txt, or a folder with one of them")
        }
        return try file(spec, split: split)
    }

    /// Reads a tokenizer from the text of a `tokenizer.json`.
    ///
    /// - Parameters:
    ///   - json: the whole text
    ///   - path: where it comes from, for errors
    /// - Throws: `TokenizerError` when it is no tokenizer that Apus reads.
    public func load(json: String, path: String) throws -> any Tokenizer {
        try naming(path) { try Array(json.utf8).withUnsafeBytes { try TokenizerJSONReader.read($0, path: path) } }
    }

    /// Reads one file, of the kind that its name says; every refusal names it.
    private func file(_ path: String, split: SplitPattern?) throws -> any Tokenizer {
        try naming(path) { try read(path, split: split) }
    }

    /// Adds the file's name to a refusal that lacks it.
    private func naming(_ path: String, _ read: () throws -> any Tokenizer) throws -> any Tokenizer {
        do { return try read() } catch let error as TokenizerError {
            // What is found when the tables are made, far from the file.
            let folder = Paths.parent(of: path)
            if error.message.contains(path) || folder.count > 1 && error.message.contains(folder) { throw error }
            throw TokenizerError(error.kind, "'\(path)': \(error.message)")
        }
    }

    private func read(_ path: String, split: SplitPattern?) throws -> any Tokenizer {
        switch (path as NSString).pathExtension {
        case "json":
            if (path as NSString).lastPathComponent == "encoder.json" {
                return try folder(Paths.parent(of: path), split: split)
            }
            if (path as NSString).lastPathComponent == SlowTokenizerFiles.vocabulary { return try slow(path) }
            return try TokenizerJSONReader.read(path)
        case "tiktoken": return try BPETokenizer(model: TiktokenFile.read(path, split: split))
        case "pkl":
            guard let tokenizer = try NanoGPTMeta.read(path).tokenizer else {
                throw TokenizerError(
                    .unsupported, "'\(path)' does not give every id one character; only nanoGPT's character level is read from it"
                )
            }
            return tokenizer
        case "bpe":
            let encoder = Paths.parent(of: path) + "/encoder.json"
            let hasEncoder = FileManager.default.fileExists(atPath: encoder)
            return try BPETokenizer(model: GPT2Files.read(merges: path, encoder: hasEncoder ? encoder : nil))
        case "txt" where (path as NSString).lastPathComponent == SlowTokenizerFiles.merges: return try slow(path)
        default:
            throw TokenizerError(
                .unsupported,
                "'\(path)' is no known kind of tokenizer file; known are tokenizer.json, *.tiktoken, vocab.bpe, "
                    + "vocab.json with merges.txt, and nanoGPT's meta.pkl")
        }
    }

    /// Reads one of a pair of files and the other beside it.
    private func slow(_ path: String) throws -> any Tokenizer {
        try BPETokenizer(model: SlowTokenizerFiles.read(folder: Paths.parent(of: path)))
    }

    /// Reads the tokenizer in a folder.
    private func folder(_ path: String, split: SplitPattern?) throws -> any Tokenizer {
        let names = Folder.names(path)
        for name in ["tokenizer.json", "vocab.bpe", NanoGPTMeta.fileName] where names.contains(name) {
            return try file(path + "/" + name, split: split)
        }
        if names.contains(SlowTokenizerFiles.vocabulary), names.contains(SlowTokenizerFiles.merges) {
            return try file(path + "/" + SlowTokenizerFiles.vocabulary, split: split)
        }
        let ranks = names.filter { $0.hasSuffix(".tiktoken") }
        if ranks.count == 1 { return try file(path + "/" + ranks[0], split: split) }
        throw TokenizerError(
            .notFound,
            "the folder '\(path)' has no tokenizer.json, vocab.bpe, meta.pkl, vocab.json with merges.txt or (one) .tiktoken file; "
                + "give another folder or a file"
        )
    }

    // ---- GPT-2 ------------------------------------------------------------------------------------------------------

    /// The folder where GPT-2's files are kept once fetched; nil when neither XDG_CACHE_HOME nor HOME is set.
    public var cacheFolder: String? {
        if let folder = environment["XDG_CACHE_HOME"], !folder.isEmpty { return folder + "/apus/gpt2" }
        return environment["HOME"].map { $0 + "/.cache/apus/gpt2" }
    }

    private func gpt2(folder: String?) throws -> any Tokenizer {
        guard let place = folder ?? cacheFolder else {
            throw TokenizerError(
                .notFound, "neither XDG_CACHE_HOME nor HOME is set; name the folder of GPT-2's files with --vocab DIR")
        }
        for file in GPT2Files.files {
            let path = place + "/" + file.name
            if !FileManager.default.fileExists(atPath: path) {
                if folder != nil { throw missing(file.name, in: place) }
                try fetch(file.name, to: path)
            }
            try verify(path, sha256: file.sha256)
        }
        return try BPETokenizer(model: GPT2Files.read(merges: place + "/vocab.bpe", encoder: place + "/encoder.json"))
    }

    private func missing(_ name: String, in folder: String) -> TokenizerError {
        TokenizerError(
            .notFound,
            "GPT-2's '\(name)' is not in '\(folder)'; fetch \(GPT2Files.address)\(name) into it, "
                + "or name a folder that has it with --vocab DIR")
    }

    /// Downloads under a temporary name, so that a broken transfer is not taken for the file.
    private func fetch(_ name: String, to path: String) throws {
        let folder = Paths.parent(of: path)
        guard let download else { throw missing(name, in: folder) }
        try Folder.create(folder)
        let temporary = path + ".download-\(getpid())"
        defer { unlink(temporary) }
        do {
            try download(GPT2Files.address + name, temporary)
        } catch {
            throw TokenizerError(
                .notFound,
                "GPT-2's '\(name)' could not be fetched (\(error)); fetch \(GPT2Files.address)\(name) into '\(folder)' "
                    + "by hand, or name a folder that has it with --vocab DIR")
        }
        if let file = GPT2Files.files.first(where: { $0.name == name }) { try verify(temporary, sha256: file.sha256) }
        if rename(temporary, path) != 0 { throw FileError(path: path, operation: "rename", errno: errno) }
    }

    /// Refuses a file with another SHA-256.
    private func verify(_ path: String, sha256: String) throws {
        let found = try withBytes(ofFile: path) { SHA256.hex(of: $0) }
        if found == sha256 { return }
        throw TokenizerError(
            .badFile,
            "'\(path)' is not GPT-2's file: its SHA-256 is \(found), not \(sha256); delete it and try again, "
                + "or give its path to use it as a vocabulary of its own")
    }
}
