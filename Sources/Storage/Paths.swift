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

    /// Whether a name that a file of data gives can only mean a file in the folder it is looked for in.
    ///
    /// Neither a path, nor the folder itself or the one above, nor a name that the system's calls would cut at a zero byte.
    package static func isPlainName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && name.utf8.count <= 255
            && name.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") }
    }
}
