// SPDX-License-Identifier: MIT
import Foundation

/// A pattern for paths, as in `data/**/*.jsonl`: `*`, `?` and `[...]` inside a name, `**` for any number of folders, none too.
package struct PathPattern {
    private static let anyFolders = "**"
    private let parts: [String]

    /// - Parameter text: names between slashes; `**.jsonl` is short for `**/*.jsonl`, and `data**` for `data*/**`.
    package init(_ text: String) {
        parts = text.split(separator: "/").flatMap { part -> [String] in
            let part = String(part)
            if part == Self.anyFolders { return [part] }
            if part.hasPrefix(Self.anyFolders) { return [Self.anyFolders, "*" + part.dropFirst(2)] }
            if part.hasSuffix(Self.anyFolders) { return [part.dropLast(2) + "*", Self.anyFolders] }
            return [part]
        }
    }

    /// Whether the whole path is as the pattern says.
    ///
    /// - Complexity: names of the path times names of the pattern: on a mismatch only the last `**` takes one folder more,
    ///   since what an earlier one could take, it can take as well.
    package func matches(_ path: String) -> Bool {
        let names = path.split(separator: "/").map(String.init)
        var name = 0, part = 0
        var retry: (name: Int, part: Int)?
        while name < names.count {
            if part < parts.count, parts[part] == Self.anyFolders {
                retry = (name, part + 1)
                part += 1
            } else if part < parts.count, fnmatch(parts[part], names[name], 0) == 0 {
                name += 1
                part += 1
            } else if let last = retry {
                retry = (last.name + 1, last.part)
                (name, part) = (last.name + 1, last.part)
            } else {
                return false
            }
        }
        return parts[part...].allSatisfy { $0 == Self.anyFolders }
    }
}
