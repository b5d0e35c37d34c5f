// SPDX-License-Identifier: MIT

/// Parts of paths, as strings.
package enum Paths {
    /// The folder that holds a file or folder: "." for a name alone.
    ///
    /// Foundation's `deletingLastPathComponent` ends the program when it is given a name of one character (Swift 6.3.1 on Linux).
    package static func parent(of path: String) -> String {
        let trimmed = path.utf8.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }
}
