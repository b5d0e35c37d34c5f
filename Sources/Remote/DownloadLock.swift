// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Which version of a file the bytes of a part are of, by what the server said when the first of them came.
struct PartVersion: Codable, Equatable {
    /// The entity tag, strong or weak.
    var tag: String?
    /// Last-Modified, as the server wrote it.
    var modified: String?
    /// Bytes of the whole file.
    var total: Int?

    /// - Parameter headers: of a response that begins with the file's first byte.
    init(_ headers: ResponseHeaders) {
        tag = headers.fields["etag"]
        modified = headers.fields["last-modified"]
        total =
            headers.status == 206 ? ContentRange(headers)?.total : headers.fields["content-length"].flatMap(Int.init)
    }

    /// Why a later part is not of this version; nil when nothing says so.
    ///
    /// - Parameter wasAsked: whether the part was asked for under a tag, so that only this version may have been sent.
    func difference(from headers: ResponseHeaders, wasAsked: Bool) -> String? {
        let other = PartVersion(headers)
        func differ<Value: Equatable>(_ old: Value?, _ new: Value?) -> Bool {
            if let old, let new { old != new } else { false }
        }
        if differ(tag, other.tag) || differ(modified, other.modified) || differ(total, other.total) {
            return "the file changed on the server in between"
        }
        let isComparable = (tag != nil && other.tag != nil) || (modified != nil && other.modified != nil)
        if !wasAsked, tag != nil || modified != nil, !isComparable {
            return "the server does not say of which version of the file it sends a part"
        }
        return nil
    }
}

/// What a Content-Range says: `bytes FIRST-LAST/TOTAL`, TOTAL being `*` when it is not known.
struct ContentRange {
    let first: Int
    let total: Int?

    init?(_ headers: ResponseHeaders) {
        let parts = (headers.fields["content-range"] ?? "").split { " -/".contains($0) }
        guard parts.count == 4, let first = Int(parts[1]) else { return nil }
        self.first = first
        total = Int(parts[3])
    }
}

/// A lock on one download, between threads and processes; its file holds the version of the part that came so far.
final class DownloadLock {
    private let file: Int32
    private let path: String
    private static let longestVersion = 64 << 10

    init(_ path: String, isStopped: () -> Bool) throws {
        self.path = path
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if file < 0 { throw FileError(path: path, operation: "create", errno: errno) }
        while flock(file, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR, !isStopped() else {
                close(file)
                throw Downloader.Stopped()
            }
            usleep(50_000)
        }
    }

    /// The version of the part beside the lock; nil when it is not known.
    var version: PartVersion? {
        var bytes = [UInt8](repeating: 0, count: Self.longestVersion)
        let count = pread(file, &bytes, bytes.count, 0)
        return count > 0 ? try? JSONDecoder().decode(PartVersion.self, from: Data(bytes[..<count])) : nil
    }

    /// Keeps the version of the part that begins; nil when there is no part any more.
    ///
    /// One that was only half written is none, and the part then begins anew.
    /// - Throws: `FileError` when it cannot be written.
    func setVersion(_ version: PartVersion?) throws {
        let bytes = try version.map { [UInt8](try JSONEncoder().encode($0)) } ?? []
        if ftruncate(file, 0) != 0 { throw FileError(path: path, operation: "cut", errno: errno) }
        let count = pwrite(file, bytes, bytes.count, 0)
        if count != bytes.count { throw FileError(path: path, operation: "write", errno: count < 0 ? errno : ENOSPC) }
    }

    /// The lock's file stays: removing it while another waits for it would make two locks.
    func end() { close(file) }
}
