// SPDX-License-Identifier: MIT
import CMapping
import Foundation

/// A file mapped read-only into memory; its pages are read when they are touched.
public final class MappedFile: Sendable {
    /// As given to `init`, whether or not there is such a file.
    public let path: String
    /// Bytes; an empty file is not mapped.
    public let count: Int
    // SAFETY: the mapping is read-only, lives until deinit and is never remapped, so any thread may read it.
    nonisolated(unsafe) private let base: UnsafeMutableRawPointer?
    /// Whether there is a file that pages can be read from again.
    private let isFile: Bool
    /// Where the mapping is noted for `explainFaults`.
    private let place: Int32

    /// Makes the process end with a sentence and exit code 1, instead of by SIGBUS, when a mapped file became shorter while it was
    /// read. For programs; a library's host has signals of its own.
    public static func explainFaults() { apus_mapping_explain_faults() }

    /// The file's bytes; valid as long as this object lives.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// - Throws: `FileError` when the file cannot be opened or is not a regular file.
    public init(path: String) throws {
        self.path = path
        isFile = true
        let file = open(path, O_RDONLY | O_CLOEXEC)
        if file < 0 { throw FileError(path: path, operation: "open", errno: errno) }
        defer { close(file) }
        var status = stat()
        if fstat(file, &status) != 0 { throw FileError(path: path, operation: "read", errno: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FileError(path: path, operation: "map", reason: "it is not a regular file")
        }
        count = Int(status.st_size)
        if count == 0 {
            base = nil
            place = -1
            return
        }
        let address = mmap(nil, count, PROT_READ, MAP_SHARED, file, 0)
        if address == MAP_FAILED { throw FileError(path: path, operation: "map", errno: errno) }
        base = address
        place = apus_mapping_note(address, count, path)
    }

    /// Shows bytes in memory as if they were a file of that path, for readers that take files.
    ///
    /// - Throws: `FileError` when there is no memory for a copy.
    public init(path: String, contents: UnsafeRawBufferPointer) throws {
        self.path = path
        isFile = false
        place = -1
        count = contents.count
        if count == 0 {
            base = nil
            return
        }
        let address = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let address, address != MAP_FAILED else { throw FileError(path: path, operation: "copy into memory", errno: errno) }
        address.copyMemory(from: contents.baseAddress ?? UnsafeRawPointer(address), byteCount: contents.count)
        base = address
    }

    deinit {
        apus_mapping_forget(place)
        if let base { munmap(base, count) }
    }

    /// Tells the system that the file will be read from front to back.
    public func adviseSequential() { if let base { madvise(base, count, Int32(MADV_SEQUENTIAL)) } }

    /// Gives the pages of a range back to the system; they are read again when touched.
    public func release(_ range: Range<Int>) {
        guard let base, isFile, !range.isEmpty else { return }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let low = (range.lowerBound + page - 1) / page * page, high = min(range.upperBound, count) / page * page
        if high > low { madvise(base + low, high - low, Int32(MADV_DONTNEED)) }
    }
}
