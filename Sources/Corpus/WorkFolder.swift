// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage

/// `OUT.tmp`: where a dataset grows until it is whole, with what is needed to go on after an interruption.
///
/// It holds `dataset/`, which becomes OUT by one rename; `journal.json`, the last place to go on from; `identities.bin`, the
/// identities of the documents so far; `downloads/`; and `lock`, held while a process works here.
final class WorkFolder {
    /// The folder that the dataset becomes.
    let out: String
    let path: String
    var dataset: String { path + "/dataset" }
    var downloads: String { path + "/downloads" }
    var identities: String { path + "/identities.bin" }
    /// Whether what is here is worth keeping when the run ends early.
    private(set) var isResumable = false
    private var lock: FolderLock?
    private let calls: FileCalls

    private static let known = ["dataset", "downloads", "identities.bin", "journal.json", "lock"]

    /// Takes the folder, making it when it is not there.
    ///
    /// - Throws: `CorpusError` of kind usage when `out` exists, or when `OUT.tmp` is somebody else's; `FileError` when
    ///   another process works in it.
    init(out: String, calls: FileCalls) throws {
        self.out = Self.trimmed(out)
        self.calls = calls
        try Self.refuseExisting(self.out)
        path = self.out + ".tmp"
        try Folder.create(Paths.parent(of: path))
        // Private while it grows; the dataset inside gets the usual rights.
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw FileError(path: path, operation: "create the folder", errno: errno) }
        if let stranger = Folder.names(path).first(where: { !Self.isOurs($0) }) {
            throw CorpusError.usage(
                "'\(path)', where the dataset would grow, holds '\(stranger)', which is not from a preparation; "
                    + "move it away or choose another --out")
        }
        lock = try FolderLock(folder: path)
    }

    deinit { if !isResumable { remove() } }

    private static func trimmed(_ path: String) -> String {
        path.utf8.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    private static func isOurs(_ name: String) -> Bool { known.contains(name) || name.hasPrefix("journal.json.tmp-") }

    static func refuseExisting(_ path: String) throws {
        guard !path.isEmpty else { throw CorpusError.usage("--out is empty; name the folder to write") }
        var status = stat()
        guard lstat(trimmed(path), &status) != 0 else {
            throw CorpusError.usage("'\(path)' exists already and is left as it is; choose another --out, or move it away")
        }
    }

    /// The last place that was journalled; nil when there is none and the work begins anew.
    ///
    /// - Throws: `CorpusError` when there is a journal that cannot be read.
    func journal() throws -> PrepareJournal? {
        let file = path + "/journal.json"
        guard let bytes = FileManager.default.contents(atPath: file), Folder.exists(dataset) else { return nil }
        isResumable = true
        guard let journal = try? JSONDecoder().decode(PrepareJournal.self, from: bytes),
            journal.formatVersion == PrepareJournal.currentFormat
        else {
            throw CorpusError.data(file, "it is no journal of this version of apus; delete '\(path)' to begin anew")
        }
        return journal
    }

    /// Writes down a place to go on from; what it speaks of must be on the disk already.
    func record(_ journal: PrepareJournal) throws {
        try AtomicFileWriter.write(JSONEncoder().encode(journal), to: path + "/journal.json", calls: calls)
        isResumable = true
    }

    /// Empties the dataset but for some files.
    func clean(keeping names: Set<String>) throws {
        try Folder.create(dataset)
        for name in Folder.names(dataset) where !names.contains(name) {
            try FileManager.default.removeItem(atPath: dataset + "/" + name)
        }
        for name in Folder.names(path) where name.hasPrefix("journal.json.tmp-") { unlink(path + "/" + name) }
    }

    func write(_ text: String, name: String) throws {
        let writer = try AtomicFileWriter(path: dataset + "/" + name, calls: calls)
        try writer.write(text)
        try writer.commit(synchronizeFolder: false)
    }

    /// Writes the card and the manifest, which make the folder a dataset, and gives it its name.
    func commit(_ manifest: DatasetManifest) throws {
        try write(DataCard.text(manifest), name: "data-card.md")
        try write(String(decoding: manifest.encoded(), as: UTF8.self) + "\n", name: "dataset.json")
        try Folder.synchronize(dataset, calls: calls)
        try Self.refuseExisting(out)
        if calls.rename(dataset, out) != 0 { throw FileError(path: out, operation: "rename", errno: errno) }
        try Folder.synchronize(Paths.parent(of: out), calls: calls)
        remove()
    }

    /// Removes what a preparation puts here, and the folder when nothing else is in it.
    private func remove() {
        guard lock != nil else { return }
        for name in Folder.names(path) where Self.isOurs(name) && name != "lock" {
            try? FileManager.default.removeItem(atPath: path + "/" + name)
        }
        unlink(path + "/lock")
        rmdir(path)
        lock = nil
        isResumable = false
    }
}

/// What a preparation did so far: enough to go on as if nothing had happened.
struct PrepareJournal: Codable {
    static let currentFormat = 1

    /// An input as it was when it was read.
    struct Input: Codable, Equatable {
        var name: String
        var bytes: Int
        /// The time of its last change, or a server's tag of its content.
        var identity: String
    }

    var formatVersion = currentFormat
    /// The options that decide the content, as text.
    var options: [String: String]
    var inputs: [Input]
    /// SHA-256 of tokenizer.json, and what the manifest says of its training.
    var tokenizer: String
    var training: String?
    var valFraction: Double
    var valFractionReason: String
    /// Whether documents are split inside; nil: no.
    var splitsInside: Bool?
    var position: SourcePosition
    var train: TokenStream.Place
    var val: TokenStream.Place
    /// Identities in `identities.bin` that count, and what duplicates they showed.
    var identities: Int
    var identitiesCRC: UInt32
    var state: PrepareState
}

/// Sums over the documents so far, in the order of the sources.
struct PrepareState: Codable, Sendable {
    var counts: TokenCounts
    var documentsByItem: [Int: Int] = [:]
    var documents = 0
    var empty = 0
    var nulls = 0
    var keys: [String]?
    /// Bytes of text.
    var bytes = 0
    var duplicates = 0
    /// Whether duplicates are only counted among the first documents.
    var duplicatesAreFull = false

    init(vocabularySize: Int) { counts = TokenCounts(vocabularySize: vocabularySize) }

    mutating func add(_ batch: EncodedBatch) {
        counts.add(batch.counts)
        for (item, count) in batch.documents {
            documentsByItem[item, default: 0] += count
            documents += count
        }
        empty += batch.empty
        nulls += batch.missing.nulls
        if keys == nil { keys = batch.missing.keys }
        bytes += batch.bytes
    }

    /// Adds what another part counted, but for duplicates.
    mutating func add(_ other: PrepareState) {
        counts.add(other.counts)
        documentsByItem.merge(other.documentsByItem, uniquingKeysWith: &+)
        documents &+= other.documents
        empty &+= other.empty
        nulls &+= other.nulls
        if keys == nil { keys = other.keys }
        bytes &+= other.bytes
    }
}
