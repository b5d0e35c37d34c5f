// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage

/// A dataset folder being written under a temporary name beside its final one.
///
/// Dropped without `commit`, it removes the temporary folder that it made itself, and nothing else.
final class DatasetWriter {
    let path: String
    let temporaryPath: String
    private let calls: FileCalls
    private var token: [String: (writer: AtomicFileWriter, split: String)] = [:]
    private var files: [DatasetManifest.File] = []
    private let type: TokenType
    private var committed = false

    /// - Throws: `CorpusError` of kind usage when `path` exists; `FileError` when the folder cannot be made.
    init(path: String, type: TokenType, calls: FileCalls) throws {
        let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        self.path = path
        self.type = type
        self.calls = calls
        try Self.refuseExisting(path)
        try Folder.create(Paths.parent(of: path))
        temporaryPath = try Self.makeTemporary(beside: path)
        for split in ["train", "val"] {
            token[split] = (try AtomicFileWriter(path: temporaryPath + "/\(split).bin", calls: calls), split)
        }
    }

    deinit {
        token = [:]
        if !committed { try? FileManager.default.removeItem(atPath: temporaryPath) }
    }

    static func refuseExisting(_ path: String) throws {
        guard !path.isEmpty else { throw CorpusError.usage("--out is empty; name the folder to write") }
        var status = stat()
        guard lstat(path, &status) != 0 else {
            throw CorpusError.usage("'\(path)' exists already and is left as it is; choose another --out, or move it away")
        }
    }

    /// Makes a folder that did not exist before, so that removing it can harm nothing.
    private static func makeTemporary(beside path: String) throws -> String {
        for attempt in 0..<1000 {
            let name = path + ".tmp-\(getpid())" + (attempt == 0 ? "" : "-\(attempt)")
            if mkdir(name, 0o755) == 0 { return name }
            if errno != EEXIST { throw FileError(path: name, operation: "create the folder", errno: errno) }
        }
        throw FileError(
            path: path, operation: "create a temporary folder beside", reason: "a thousand of them exist; remove them")
    }

    func write(_ ids: [UInt8], to split: String) throws {
        guard !ids.isEmpty, let target = token[split] else { return }
        try ids.withUnsafeBytes { try target.writer.write($0) }
    }

    /// Ends the token files and says what the manifest says of them.
    func finishTokens() throws -> [DatasetManifest.File] {
        for split in ["train", "val"] {
            guard let (writer, _) = token[split] else { continue }
            try writer.commit(synchronizeFolder: false)
            files.append(
                DatasetManifest.File(
                    name: split + ".bin", split: split, tokens: writer.count / type.size, bytes: writer.count,
                    crc32c: CRC32C.text(writer.checksum)))
        }
        token = [:]
        return files
    }

    func write(_ text: String, name: String) throws {
        let writer = try AtomicFileWriter(path: temporaryPath + "/" + name, calls: calls)
        try writer.write(text)
        try writer.commit(synchronizeFolder: false)
    }

    /// Writes the manifest, which makes the folder a dataset, and gives the folder its name.
    func commit(_ manifest: DatasetManifest) throws {
        try write(String(decoding: manifest.encoded(), as: UTF8.self) + "\n", name: "dataset.json")
        try Folder.synchronize(temporaryPath, calls: calls)
        try Self.refuseExisting(path)
        if calls.rename(temporaryPath, path) != 0 { throw FileError(path: path, operation: "rename", errno: errno) }
        committed = true
        try Folder.synchronize(Paths.parent(of: path), calls: calls)
    }
}
