// SPDX-License-Identifier: MIT
import Foundation

/// What is done with folders as wholes.
public enum Folder {
    /// Creates a folder and those above it; one that exists is left as it is.
    ///
    /// - Throws: `FileError`, which names the file that stands in the way, if one does.
    public static func create(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            // Foundation's own words, and errno after it, are another call's when a file has the name of a folder.
            var place = path
            while !["", ".", "/"].contains(place) {
                if FileManager.default.fileExists(atPath: place), !exists(place) {
                    throw FileError(
                        path: path, operation: "create the folder", reason: "'\(place)' is a file; choose another place")
                }
                place = Paths.parent(of: place)
            }
            let code = ((error as? CocoaError)?.underlying as? POSIXError)?.code.rawValue
            throw FileError(path: path, operation: "create the folder", errno: code ?? (errno == 0 ? EACCES : errno))
        }
    }

    /// Whether there is a folder of this name; a file is none.
    public static func exists(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }

    /// The names inside a folder, sorted; empty when it does not exist.
    public static func names(_ path: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }

    /// Flushes a folder's own entries to the disk, so that a rename in it survives a power cut.
    public static func synchronize(_ path: String, calls: FileCalls = .system) throws {
        let folder = path.isEmpty ? "." : path
        let file = calls.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        if file < 0 { throw FileError(path: folder, operation: "open", errno: errno) }
        defer { _ = calls.close(file) }
        // Some network file systems refuse to flush a folder (EINVAL); the rename is as safe there as it gets.
        if calls.fsync(file) != 0, errno != EINVAL { throw FileError(path: folder, operation: "flush", errno: errno) }
    }

    /// Bytes that an ordinary user can still write on the file system that holds `path`; nil when it cannot be told.
    public static func freeBytes(_ path: String) -> Int? {
        var information = statvfs()
        guard statvfs(path, &information) == 0 else { return nil }
        // File systems without a limit claim numbers whose product fits no Int.
        let (bytes, overflow) = UInt64(information.f_bavail).multipliedReportingOverflow(by: UInt64(information.f_frsize))
        return overflow ? .max : Int(clamping: bytes)
    }
}

/// A lock that one process holds on a folder; the system frees it when the process ends, however it ends.
public final class FolderLock {
    private let file: Int32

    /// - Throws: `FileError` naming the holder's process id when another process has the lock.
    public init(folder: String, name: String = "lock") throws {
        let path = folder + "/" + name
        // Not through a link: whoever made the folder could have the process id written over any file of ours.
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        if file < 0 { throw FileError(path: path, operation: "create", errno: errno) }
        if flock(file, LOCK_EX | LOCK_NB) != 0 {
            let code = errno
            var holder = [UInt8](repeating: 0, count: 32)
            let length = max(0, read(file, &holder, 32))
            // Not closed here: a class whose properties are all set runs its deinit also when init throws.
            guard code == EWOULDBLOCK else { throw FileError(path: path, operation: "lock", errno: code) }
            let id = String(decoding: holder.prefix(length), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            throw FileError(
                path: folder, operation: "use", code: code,
                reason: "another process\(id.isEmpty ? "" : " (\(id))") is using it; wait for it or choose another folder")
        }
        let text = "\(getpid())\n"
        _ = ftruncate(file, 0)
        _ = text.withCString { pwrite(file, $0, text.utf8.count, 0) }
    }

    deinit { close(file) }
}
