// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage

/// The tokens of one split being written: to one file, or to numbered shards of a chosen size.
///
/// Files only grow, so a place is enough to go on from: what lies behind it is cut off.
final class TokenStream {
    /// A place in a stream, as the journal keeps it.
    struct Place: Codable, Equatable {
        /// Complete shards.
        var finished: [DatasetManifest.File] = []
        /// Bytes of the file after them, and their CRC-32C.
        var bytes = 0
        var crc: UInt32 = 0
    }

    private let folder: String
    private let split: String
    private let type: TokenType
    /// nil: all tokens go to one file.
    private let shardBytes: Int?
    private let calls: FileCalls
    private var finished: [DatasetManifest.File] = []
    private var current: AppendedFile?

    /// - Parameter shardTokens: tokens of a shard; nil for one file `train.bin`.
    init(folder: String, split: String, type: TokenType, shardTokens: Int?, calls: FileCalls) {
        self.folder = folder
        self.split = split
        self.type = type
        shardBytes = shardTokens.map { $0 * type.size }
        self.calls = calls
    }

    /// The name of the file that is written now.
    private var name: String {
        guard shardBytes != nil else { return split + ".bin" }
        let number = String(finished.count + 1)
        return split + "_" + String(repeating: "0", count: max(0, 6 - number.count)) + number + ".bin"
    }

    /// The names of the files that a place speaks of.
    func names(at place: Place) -> [String] {
        finished = place.finished
        defer { finished = [] }
        return place.finished.map(\.name) + (place.bytes > 0 || shardBytes == nil ? [name] : [])
    }

    /// Goes back to a place: checks that the bytes before it are there and cuts off what lies behind.
    ///
    /// - Throws: `CorpusError` when a file is not what the place says it is.
    func restore(_ place: Place) throws {
        for file in place.finished {
            guard let old = try? MappedFile(path: folder + "/" + file.name), old.count == file.bytes,
                CRC32C.text(AppendedFile.crc(of: old, count: old.count).value) == file.crc32c
            else {
                throw CorpusError.data(folder + "/" + file.name, "it is not the shard that was finished before")
            }
        }
        finished = place.finished
        if place.bytes > 0 {
            current = try AppendedFile(path: folder + "/" + name, calls: calls, keeping: (place.bytes, place.crc))
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let file = try current ?? AppendedFile(path: folder + "/" + name, calls: calls)
            current = file
            let part = min(rest.count, (shardBytes ?? .max) - file.count)
            try file.write(UnsafeRawBufferPointer(rebasing: rest[..<part]))
            rest = UnsafeRawBufferPointer(rebasing: rest[part...])
            if file.count == shardBytes { try endFile() }
        }
    }

    /// Flushes to the disk; everything before the place that is returned will be found there.
    func synchronize() throws -> Place {
        try current?.synchronize()
        return Place(finished: finished, bytes: current?.count ?? 0, crc: current?.crc.value ?? 0)
    }

    /// Ends the stream and says what the manifest says of its files.
    func finish() throws -> [DatasetManifest.File] {
        // One file exists even when nothing fell into the split.
        if current == nil, shardBytes == nil { current = try AppendedFile(path: folder + "/" + name, calls: calls) }
        if current != nil { try endFile() }
        return finished
    }

    private func endFile() throws {
        guard let file = current else { return }
        try file.synchronize()
        finished.append(
            DatasetManifest.File(
                name: name, split: split, tokens: file.count / type.size, bytes: file.count, crc32c: CRC32C.text(file.crc.value)))
        current = nil
    }
}

/// A file that grows at its end.
final class AppendedFile {
    let path: String
    private(set) var count = 0
    private(set) var crc = CRC32C()
    private let calls: FileCalls
    private let file: Int32

    /// - Parameter keeping: bytes at the beginning to keep, and their CRC-32C; nil begins anew.
    /// - Throws: `FileError`; `CorpusError` when the bytes to keep are not there.
    init(path: String, calls: FileCalls, keeping: (count: Int, crc: UInt32)? = nil) throws {
        self.path = path
        self.calls = calls
        if let keeping {
            // Reading them again both proves them and gives the sum to go on from.
            let old = try MappedFile(path: path)
            if (0...old.count).contains(keeping.count) { crc = Self.crc(of: old, count: keeping.count) }
            guard (0...old.count).contains(keeping.count), crc.value == keeping.crc else {
                throw CorpusError.data(path, "it does not hold what was written before")
            }
            count = keeping.count
        }
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (keeping == nil ? O_TRUNC : 0)
        file = calls.open(path, flags, 0o644)
        if file < 0 { throw FileError(path: path, operation: "create", errno: errno) }
        // All is set by now, so `deinit` closes the file when this throws.
        if keeping != nil, ftruncate(file, off_t(count)) != 0 { throw FileError(path: path, operation: "cut", errno: errno) }
    }

    deinit { if file >= 0 { _ = calls.close(file) } }

    /// The CRC-32C of a file's first bytes, which are given back to the system once they were read.
    fileprivate static func crc(of file: MappedFile, count: Int) -> CRC32C {
        var crc = CRC32C(), position = 0
        while position < count {
            let end = min(position + (4 << 20), count)
            withExtendedLifetime(file) { crc.update(UnsafeRawBufferPointer(rebasing: file.bytes[position..<end])) }
            file.release(position..<end)
            position = end
        }
        return crc
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        try calls.writeAll(bytes, to: file, path: path)
        crc.update(bytes)
        count += bytes.count
    }

    func synchronize() throws {
        if calls.fsync(file) != 0 { throw FileError(path: path, operation: "flush", errno: errno) }
    }
}
