// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// GPT-2 models of the Hugging Face hub, fetched once and kept in the cache folder.
public struct HubModels: Sendable {
    /// A model on the hub.
    public struct Address: Sendable, Equatable {
        /// OWNER/NAME
        public let repository: String
        /// A branch, tag or commit; `main` when the text names none.
        public let revision: String

        /// OpenAI's models under the names that nanoGPT gives them.
        private static let known = ["gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"]

        /// `gpt2`, `gpt2-medium`, `gpt2-large`, `gpt2-xl`, or `hf://OWNER/NAME[@REVISION]`; nil for anything else.
        ///
        /// - Throws: `FileError` for an `hf://` address of another form.
        public init?(_ text: String) throws {
            if Self.known.contains(text) {
                repository = "openai-community/" + text
                revision = "main"
                return
            }
            guard text.hasPrefix("hf://") else { return nil }
            let parts = text.dropFirst("hf://".count).split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
            let names = parts[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            let revision = parts.count > 1 ? String(parts[1]) : "main"
            guard names.count == 2, (names + revision.split(separator: "/").map(String.init)).allSatisfy(Self.isPlain),
                !revision.isEmpty
            else {
                throw FileError(
                    path: text, operation: "find the model", reason: "the form is hf://OWNER/NAME or hf://OWNER/NAME@REVISION")
            }
            repository = names.joined(separator: "/")
            self.revision = revision
        }

        /// Whether a part of a name is safe in a path.
        private static func isPlain(_ text: String) -> Bool {
            !text.isEmpty && !text.hasPrefix(".")
                && text.utf8.allSatisfy {
                    (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D
                        || $0 == 0x2E
                        || $0 == 0x5F
                }
        }

        var folderName: String {
            let name = repository + (revision == "main" ? "" : "@" + revision)
            return name.split(separator: "/").joined(separator: "--")
        }
    }

    private let hub: HuggingFace
    private let downloader: Downloader
    private let cache: String?
    private let note: @Sendable (String) -> Void

    /// - Parameters:
    ///   - environment: what `HuggingFace` reads, and XDG_CACHE_HOME or HOME for the cache folder.
    ///   - note: told what is downloaded, and where from.
    public init(
        environment: [String: String] = ProcessInfo.processInfo.environment, note: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        hub = HuggingFace(environment: environment)
        var downloader = hub.downloader()
        downloader.note = note
        downloader.tries = Downloader.fewTries
        self.downloader = downloader
        self.note = note
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        cache = (value("XDG_CACHE_HOME") ?? value("HOME").map { $0 + "/.cache" }).map { $0 + "/apus/models" }
    }

    /// What lies beside the files of a model that came whole.
    private struct Receipt: Codable {
        struct File: Codable {
            var name: String
            var bytes: Int
            var sha256: String
        }
        var repository: String
        var revision: String
        var files: [File]
    }

    private static let receiptName = "apus-download.json"

    /// The folder of a model that was fetched before and is still whole; nil when there is none.
    public func cached(_ address: Address) -> String? {
        guard let folder = cache.map({ $0 + "/" + address.folderName }),
            let data = FileManager.default.contents(atPath: folder + "/" + Self.receiptName),
            let receipt = try? JSONDecoder().decode(Receipt.self, from: data), receipt.repository == address.repository
        else { return nil }
        let isWhole = receipt.files.allSatisfy { file in
            var status = stat()
            return stat(folder + "/" + file.name, &status) == 0 && Int(status.st_size) == file.bytes
        }
        return isWhole ? folder : nil
    }

    /// The folder of a model, which is fetched when it is not there yet.
    ///
    /// Every file has its announced length, and the SHA-256 that the hub states for its large files; a transfer that broke off is
    /// gone on with.
    /// - Throws: `FileError`; `Downloader.Stopped`.
    public func folder(_ address: Address, isStopped: @Sendable () -> Bool = { false }) throws -> String {
        if let folder = cached(address) { return folder }
        guard let cache else {
            throw FileError(
                path: address.repository, operation: "download",
                reason: "neither XDG_CACHE_HOME nor HOME says where to keep it; set one of them, or give the path of a folder")
        }
        let folder = cache + "/" + address.folderName, text = "hf://\(address.repository)"
        let repository = HuggingFace.Repository(kind: "models", name: address.repository, revision: address.revision)
        let files = try Self.wanted(
            hub.files(of: repository, below: "", as: text, downloader: downloader) { path, _ in path.contains("/") ? nil : path },
            text)
        let bytes = files.reduce(0) { $0 &+ ($1.size ?? 0) }
        try Folder.create(folder)
        if let free = Folder.freeBytes(folder), bytes > free {
            throw FileError(
                path: folder, operation: "download into",
                reason:
                    "\(address.repository) takes \(bytes >> 20) MB and \(free >> 20) MB are free; free some space or set XDG_CACHE_HOME"
            )
        }
        note("downloading \(text) (\(bytes >> 20) MB) from \(hub.endpoint) into \(folder)")
        var receipt = Receipt(repository: address.repository, revision: address.revision, files: [])
        for file in files {
            let path = folder + "/" + file.name
            try downloader.fetch(file, to: path, isStopped: isStopped)
            let mapped = try MappedFile(path: path)
            let digest = withExtendedLifetime(mapped) { SHA256.hex(of: mapped.bytes) }
            // A file that lay there in its full size was not hashed by the downloader.
            if let wanted = file.sha256, digest != wanted {
                unlink(path)
                throw FileError(path: path, operation: "use", reason: "its SHA-256 is not \(wanted); it was removed, try again")
            }
            receipt.files.append(.init(name: file.name, bytes: mapped.count, sha256: digest))
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try AtomicFileWriter.write(encoder.encode(receipt), to: folder + "/" + Self.receiptName)
        for file in files { unlink(folder + "/" + file.name + ".lock") }
        return folder
    }

    /// Of a repository's files those that a model is read from: sizes, weights in the best form there is, tokenizer.
    private static func wanted(_ files: [RemoteFile], _ text: String) throws -> [RemoteFile] {
        func named(_ names: String...) -> [RemoteFile] { files.filter { names.contains($0.name) } }
        func refuse(_ reason: String) -> FileError { FileError(path: text, operation: "find the model", reason: reason) }
        guard !named("config.json").isEmpty else { throw refuse("it has no config.json, so it is no model of transformers") }
        let parts = files.filter { $0.name.hasPrefix("model-") && $0.name.hasSuffix(".safetensors") }
        let weights =
            [
                named("model.safetensors"), parts.isEmpty ? [] : named("model.safetensors.index.json") + parts,
                named("pytorch_model.bin"),
            ]
            .first { !$0.isEmpty }
        guard let weights else { throw refuse("it has neither model.safetensors nor pytorch_model.bin") }
        let tokenizer =
            named("tokenizer.json").isEmpty
            ? named("vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json") : named("tokenizer.json")
        return named("config.json") + tokenizer + weights
    }
}
