// SPDX-License-Identifier: MIT
import Foundation

/// Says which file could not be used, what was tried, why, and what to do next.
public struct FileError: Error, CustomStringConvertible, LocalizedError, Equatable {
    /// Relative or absolute, as the caller gave it.
    public let path: String
    /// What was tried, as in "cannot `open`".
    public let operation: String
    /// The system's error number, 0 when the system did not refuse.
    public let code: Int32
    /// Why, and what to do when that is known; ends the message.
    public let reason: String

    public init(path: String, operation: String, code: Int32 = 0, reason: String) {
        self.path = path
        self.operation = operation
        self.code = code
        self.reason = reason
    }

    /// An error from a system call, with the advice that fits its number.
    public init(path: String, operation: String, errno code: Int32) {
        self.init(path: path, operation: operation, code: code, reason: Self.explain(code))
    }

    public var description: String { "cannot \(operation) '\(path)': \(reason)" }
    public var errorDescription: String? { description }

    private static func explain(_ code: Int32) -> String {
        switch code {
        case ENOENT: "no such file or folder; check the path"
        case EACCES, EPERM: "permission denied; check who owns it"
        case ENOSPC: "the disk is full; free some space or choose another folder (nothing already written is harmed)"
        case EDQUOT: "your disk quota is used up; free some space (nothing already written is harmed)"
        case EROFS: "the file system is read-only; choose another folder"
        case EISDIR: "it is a folder; name a file"
        case ENOTDIR: "a part of the path is not a folder"
        case EEXIST: "it exists already; choose another name"
        case ELOOP: "it is a symbolic link, which is not followed where something is written; put the file itself there"
        case EMFILE, ENFILE: "too many open files; raise `ulimit -n`"
        default: String(cString: strerror(code))
        }
    }
}
