// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// A folder being written under a temporary name; `commit` puts it in place whole, and dropping it removes what was written.
package final class ExportFolder {
    package let path: String
    /// The folder to write into until `commit`.
    package let temporaryPath: String
    private let calls: FileCalls
    private var isCommitted = false

    /// - Throws: `FileError` when the folder cannot be created.
    package init(path: String, calls: FileCalls) throws {
        self.path = path
        self.calls = calls
        temporaryPath = path + ".tmp-\(getpid())"
        try? FileManager.default.removeItem(atPath: temporaryPath)  // what a dead process of this number left
        try Folder.create(temporaryPath)
    }

    deinit { if !isCommitted { try? FileManager.default.removeItem(atPath: temporaryPath) } }

    /// Writes a text file into it.
    package func write(_ text: String, to name: String) throws {
        let writer = try AtomicFileWriter(path: temporaryPath + "/" + name, calls: calls)
        try writer.write(text)
        try writer.commit(synchronizeFolder: false)
    }

    /// - Throws: `FileError`; the folder's final name is untouched.
    package func commit() throws {
        try Folder.synchronize(temporaryPath, calls: calls)
        if calls.rename(temporaryPath, path) != 0 { throw FileError(path: path, operation: "rename", errno: errno) }
        isCommitted = true
        try Folder.synchronize(Paths.parent(of: path), calls: calls)
    }
}
