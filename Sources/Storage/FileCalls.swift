// SPDX-License-Identifier: MIT
import Foundation

/// The system calls that write files, as values, so that tests can make them fail or come short.
///
/// Every function returns what the system call returns and leaves its error in `errno`.
public struct FileCalls: Sendable {
    /// open(2): a file descriptor, -1 on failure.
    public var open: @Sendable (_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32
    /// write(2): bytes written, perhaps fewer than `count`; -1 on failure.
    public var write: @Sendable (_ file: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int
    /// fsync(2): 0, -1 on failure.
    public var fsync: @Sendable (_ file: Int32) -> Int32
    /// close(2): 0, -1 on failure.
    public var close: @Sendable (_ file: Int32) -> Int32
    /// rename(2), which replaces what `to` names: 0, -1 on failure.
    public var rename: @Sendable (_ from: String, _ to: String) -> Int32

    /// The system's own calls.
    public static let system = FileCalls(
        open: { Foundation.open($0, $1, $2) },
        write: { Foundation.write($0, $1, $2) },
        fsync: { Foundation.fsync($0) },
        close: { Foundation.close($0) },
        rename: { Foundation.rename($0, $1) })

    /// Writes all of some bytes, however many calls that takes.
    ///
    /// - Throws: `FileError` naming `path`; how much was written before is not known.
    package func writeAll(_ bytes: UnsafeRawBufferPointer, to file: Int32, path: String) throws {
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            let written = write(file, base + done, bytes.count - done)
            if written < 0, errno == EINTR { continue }
            // A write of nothing sets no error; only a full disk does that.
            if written <= 0 { throw FileError(path: path, operation: "write", errno: written < 0 ? errno : ENOSPC) }
            done += written
        }
    }
}

/// A file being written under a temporary name beside its final one; `commit` puts it in place whole.
///
/// A writer that is dropped without `commit` removes its temporary file: the final name shows
/// the old file or the complete new one, never a part.
public final class AtomicFileWriter {
    /// The final name, which only `commit` gives.
    public let path: String
    /// `path` with `.tmp-` and the process's id behind it.
    public let temporaryPath: String
    /// Bytes written so far.
    public private(set) var count = 0
    private var crc = CRC32C()
    private var file: Int32
    private let calls: FileCalls

    /// CRC-32C of the bytes written so far.
    public var checksum: UInt32 { crc.value }

    /// - Throws: `FileError` when the folder does not exist or cannot be written.
    public init(path: String, calls: FileCalls = .system) throws {
        self.path = path
        self.calls = calls
        // Whoever may write in /dev would put a file in the place of a device, or of the link that is /dev/stdout.
        var there = stat()
        if stat(path, &there) == 0, ![S_IFREG, S_IFDIR].contains(there.st_mode & S_IFMT) {
            throw FileError(path: path, operation: "write", reason: "it is a device, a pipe or a socket; name a file")
        }
        temporaryPath = path + ".tmp-\(getpid())"
        // A file of our own or none: a link that somebody put under this name in a shared folder is not followed, and what an
        // ended process of the same id left goes away.
        unlink(temporaryPath)
        file = calls.open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        if file < 0 { throw FileError(path: path, operation: "create", errno: errno) }
    }

    deinit {
        guard file >= 0 else { return }
        _ = calls.close(file)
        unlink(temporaryPath)
    }

    /// - Throws: `FileError`; the final name is untouched.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        try calls.writeAll(bytes, to: file, path: path)
        crc.update(bytes)
        count += bytes.count
    }

    /// Writes a text as UTF-8, without a line end of its own.
    public func write(_ text: String) throws {
        try Array(text.utf8).withUnsafeBytes { try write($0) }
    }

    /// - Throws: `FileError`; the final name is untouched.
    public func write(_ data: Data) throws { try data.withUnsafeBytes { try write($0) } }

    /// Flushes to the disk and gives the file its final name.
    ///
    /// - Parameter synchronizeFolder: also flush the folder, so that the name survives a power cut.
    /// - Throws: `FileError`; the temporary file is removed and the final name untouched.
    public func commit(synchronizeFolder: Bool = true) throws {
        guard file >= 0 else { throw FileError(path: path, operation: "commit", reason: "it was committed before") }
        if calls.fsync(file) != 0 { throw FileError(path: path, operation: "flush", errno: errno) }
        let closing = file
        file = -1
        if calls.close(closing) != 0 {
            let code = errno
            unlink(temporaryPath)
            throw FileError(path: path, operation: "close", errno: code)
        }
        if calls.rename(temporaryPath, path) != 0 {
            let code = errno
            unlink(temporaryPath)
            throw FileError(path: path, operation: "rename", errno: code)
        }
        if synchronizeFolder { try Folder.synchronize(Paths.parent(of: path), calls: calls) }
    }

    /// Writes a whole file atomically.
    public static func write(_ text: String, to path: String, calls: FileCalls = .system) throws {
        let writer = try AtomicFileWriter(path: path, calls: calls)
        try writer.write(text)
        try writer.commit()
    }

    /// Writes a whole file atomically.
    public static func write(_ data: Data, to path: String, calls: FileCalls = .system) throws {
        let writer = try AtomicFileWriter(path: path, calls: calls)
        try writer.write(data)
        try writer.commit()
    }
}
