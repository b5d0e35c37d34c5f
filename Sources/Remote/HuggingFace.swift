// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Data sets on the Hugging Face hub, or a mirror of it: `hf://datasets/OWNER/NAME[@REVISION]/PATH`.
public struct HuggingFace: Sendable {
    /// `https://huggingface.co`, or what HF_ENDPOINT says.
    public let endpoint: String
    private let token: String?

    /// - Parameter environment: HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HOME.
    public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        var endpoint = value("HF_ENDPOINT") ?? "https://huggingface.co"
        while endpoint.hasSuffix("/") { endpoint.removeLast() }
        self.endpoint = endpoint
        let home = value("HF_HOME") ?? value("HOME").map { $0 + "/.cache/huggingface" }
        let file = value("HF_TOKEN_PATH") ?? home.map { $0 + "/token" }
        let stored = file.flatMap { FileManager.default.contents(atPath: $0) }.map { String(decoding: $0, as: UTF8.self) }
        let text = (value("HF_TOKEN") ?? stored ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
        token = text.isEmpty ? nil : text
    }

    /// The token for an address: only for the hub itself.
    public func token(for url: String) -> String? {
        guard let token, let own = try? Origin(endpoint), let other = try? Origin(url), own == other else { return nil }
        return token
    }

    /// A downloader that knows the token.
    public func downloader() -> Downloader { Downloader(token: { self.token(for: $0) }) }

    /// The parts of an address.
    struct Address: Equatable {
        var set: String
        var revision: String
        /// A file, a folder, or a pattern; empty for the whole set.
        var path: String

        init(_ text: String) throws {
            func refuse() -> FileError {
                FileError(
                    path: text, operation: "find",
                    reason: "the form is hf://datasets/OWNER/NAME[@REVISION]/PATH, PATH being a file, a folder or a pattern")
            }
            guard text.hasPrefix("hf://datasets/") else { throw refuse() }
            let parts = text.dropFirst("hf://datasets/".count).split(separator: "/", omittingEmptySubsequences: true).map(
                String.init)
            guard parts.count >= 2 else { throw refuse() }
            let name = parts[1].split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let first = name.first, !first.isEmpty, !parts[0].contains("@"), !parts.contains("..") else { throw refuse() }
            set = parts[0] + "/" + first
            // A revision such as refs/convert/parquet is written with %2F.
            revision = name.count > 1 ? name[1].removingPercentEncoding ?? name[1] : "main"
            guard !revision.isEmpty else { throw refuse() }
            path = parts.dropFirst(2).joined(separator: "/")
        }

        /// The folder above the first part of the path that is a pattern, or above its last part.
        var folder: String {
            let parts = path.split(separator: "/")
            let fixed = parts.prefix { part in !part.contains { "*?[".contains($0) } }
            return (fixed.count == parts.count ? parts.dropLast() : fixed).joined(separator: "/")
        }

        func matches(_ file: String) -> Bool {
            // The card of a data set speaks about it and is no part of it, unless someone asks for it or for all such files.
            if file == "README.md", !path.hasSuffix(".md") { return false }
            guard path.contains(where: { "*?[".contains($0) }) else {
                return path.isEmpty || file == path || file.hasPrefix(path + "/")
            }
            return PathPattern(path).matches(file)
        }
    }

    private struct Revision: Decodable { let sha: String }
    private struct Entry: Decodable {
        struct Large: Decodable { let oid: String? }
        let type: String
        let path: String
        let size: Int?
        let oid: String?
        let lfs: Large?
    }

    /// The files that an address stands for, sorted by path as bytes, at the commit that the revision is now.
    ///
    /// - Throws: `FileError`; `Downloader.Stopped`.
    public func files(_ text: String, downloader: Downloader) throws -> [RemoteFile] {
        let address = try Address(text)
        let set = Repository(kind: "datasets", name: address.set, revision: address.revision)
        let files = try self.files(of: set, below: address.folder, as: text, downloader: downloader) {
            address.matches($0) ? "hf://datasets/\(address.set)@\($1)/\($0)" : nil
        }
        guard !files.isEmpty else {
            throw FileError(path: text, operation: "find", reason: "no file of the data set matches; check the path")
        }
        return files.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// What the hub keeps under one name.
    struct Repository {
        /// "datasets" or "models".
        var kind: String
        /// OWNER/NAME
        var name: String
        var revision: String
    }

    /// The files of a repository at the commit that the revision is now.
    ///
    /// - Parameters:
    ///   - folder: only what lies below it; empty for all.
    ///   - text: what errors call the repository.
    ///   - naming: gives the name of a path at a commit; nil leaves the file out.
    /// - Throws: `FileError`; `Downloader.Stopped`.
    func files(
        of repository: Repository, below folder: String, as text: String, downloader: Downloader,
        naming: (_ path: String, _ commit: String) -> String?
    ) throws -> [RemoteFile] {
        let api = "\(endpoint)/api/\(repository.kind)/\(Self.escaped(repository.name))"
        let revision = try decode(
            Revision.self, downloader.page("\(api)/revision/\(Self.escaped(repository.revision, keepingSlashes: false))").body,
            text)
        guard revision.sha.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }) else {
            throw FileError(path: text, operation: "list", reason: "the server named the commit '\(revision.sha)'")
        }
        // Models have no prefix in the addresses of their files.
        let place = repository.kind == "models" ? endpoint : "\(endpoint)/\(repository.kind)"
        let base = "\(place)/\(Self.escaped(repository.name))/resolve/\(revision.sha)/"
        var next: String? =
            "\(api)/tree/\(revision.sha)" + (folder.isEmpty ? "" : "/" + Self.escaped(folder)) + "?recursive=true"
        var files: [RemoteFile] = [], pages = 0
        while let url = next, pages < 10_000 {
            let page = try downloader.page(url)
            pages += 1
            next = page.next
            for entry in try decode([Entry].self, page.body, text) where entry.type == "file" {
                guard let name = naming(entry.path, revision.sha) else { continue }
                let digest = entry.lfs?.oid.flatMap { Downloader.isDigest($0) ? $0 : nil }
                files.append(
                    RemoteFile(
                        name: name, url: base + Self.escaped(entry.path), size: entry.size.flatMap(RemoteFile.size),
                        sha256: digest, tag: digest ?? entry.oid))
            }
        }
        return files
    }

    private func decode<Value: Decodable>(_ type: Value.Type, _ body: Data, _ address: String) throws -> Value {
        do { return try JSONDecoder().decode(type, from: body) } catch {
            throw FileError(
                path: address, operation: "list", reason: "'\(endpoint)' did not answer as the hub does; check HF_ENDPOINT")
        }
    }

    private static func escaped(_ path: String, keepingSlashes: Bool = true) -> String {
        let allowed = CharacterSet(
            charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~=" + (keepingSlashes ? "/" : ""))
        return path.addingPercentEncoding(withAllowedCharacters: allowed) ?? path
    }

    /// The listing that preparations use: `hf://...` through the hub, anything else as one file.
    public func listing(_ downloader: Downloader) -> @Sendable (_ address: String) throws -> [RemoteFile] {
        { address in
            if address.hasPrefix("hf://") { return try files(address, downloader: downloader) }
            return [try downloader.look(address)]
        }
    }
}
