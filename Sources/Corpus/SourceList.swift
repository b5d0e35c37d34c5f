// SPDX-License-Identifier: MIT
import Foundation
import Parquet
import Storage

/// One thing to read documents from.
package struct SourceItem: Sendable, Equatable {
    package enum Format: Sendable, Equatable {
        /// One document, or several between separators.
        case text
        /// One JSON object a line, the text in one of its fields.
        case jsonLines
        case parquet
        /// The built-in generator with this many documents.
        case stories(Int)
    }

    /// What messages and the manifest call it; the path for files.
    package var name: String
    package var format: Format
    package var compression: Decompressor.Kind?
    /// Size on disk; 0 for what is generated.
    package var bytes: Int
    /// The index of the argument it came from.
    package var argument: Int
    /// What changes when its content does: the time of a file's last change, a server's tag.
    package var identity = ""
    /// Where it is fetched from; nil for what is on this machine.
    package var remote: DistantFile?
}

/// What the SOURCE arguments of a command line stand for, in the order in which it is read.
package struct SourceList: Sendable {
    /// The arguments as given.
    package let arguments: [String]
    package let items: [SourceItem]

    static let knownKinds = ".txt, .md, .jsonl (each also with .gz or .zst behind) and .parquet"

    /// - Parameters:
    ///   - arguments: files, folders, patterns with `*`, `?` or `[...]`, `stories` or `stories:N`.
    /// - Throws: `CorpusError` of kind usage when one of them stands for nothing that can be read.
    package init(_ arguments: [String], network: (any SourceNetwork)? = nil) throws {
        guard !arguments.isEmpty else {
            throw CorpusError.usage(
                "no source was given; name files, folders or patterns of \(Self.knownKinds), or the built-in `stories`")
        }
        self.arguments = arguments
        items = try arguments.enumerated().flatMap { index, argument in
            guard RemoteSources.isAddress(argument) else { return try Self.items(of: argument, argument: index) }
            return try RemoteSources.items(of: argument, argument: index, network: network)
        }
    }

    private static func items(of argument: String, argument index: Int) throws -> [SourceItem] {
        if argument == "stories" || argument.hasPrefix("stories:"), !FileManager.default.fileExists(atPath: argument) {
            let count = argument == "stories" ? Stories.defaultCount : Int(argument.dropFirst(8)) ?? 0
            guard (1...1_000_000_000).contains(count) else {
                throw CorpusError.usage("'\(argument)': stories:N takes a number of stories from 1 to 1000000000")
            }
            return [SourceItem(name: argument, format: .stories(count), bytes: 0, argument: index)]
        }
        if Folder.exists(argument) {
            let found = try filesBelow(argument, argument: index)
            guard !found.isEmpty else {
                throw CorpusError.usage("the folder '\(argument)' holds nothing that can be read; known kinds are \(knownKinds)")
            }
            return found
        }
        if FileManager.default.fileExists(atPath: argument) { return [try file(argument, argument: index)] }
        guard argument.contains(where: { "*?[".contains($0) }) else {
            throw CorpusError.usage("there is no file or folder '\(argument)'; check the path")
        }
        let paths = expand(argument)
        guard !paths.isEmpty else { throw CorpusError.usage("no file matches '\(argument)'; check the pattern") }
        return try paths.flatMap { path in
            Folder.exists(path) ? try filesBelow(path, argument: index) : [try file(path, argument: index)]
        }
    }

    /// The files of a folder that can be read, however deep, sorted by path as bytes; hidden ones are passed over.
    private static func filesBelow(_ folder: String, argument: Int) throws -> [SourceItem] {
        guard let walker = FileManager.default.enumerator(atPath: folder) else {
            throw FileError(path: folder, operation: "list", errno: errno == 0 ? EACCES : errno)
        }
        var paths: [String] = []
        for case let path as String in walker where !path.split(separator: "/").contains(where: { $0.hasPrefix(".") }) {
            let whole = folder.hasSuffix("/") ? folder + path : folder + "/" + path
            if format(of: path) != nil && !Folder.exists(whole) { paths.append(whole) }
        }
        paths.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        return try paths.map { try file($0, argument: argument) }
    }

    private static func expand(_ pattern: String) -> [String] {
        var found = glob_t()
        defer { globfree(&found) }
        // GLOB_NOSORT: the sorting below does not depend on the locale.
        guard glob(pattern, Int32(GLOB_NOSORT), nil, &found) == 0 else { return [] }
        let paths = (0..<Int(found.gl_pathc)).compactMap { found.gl_pathv[$0].map { String(cString: $0) } }
        return paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func file(_ path: String, argument: Int) throws -> SourceItem {
        guard let (format, compression) = format(of: path) else {
            throw CorpusError.usage(
                "'\(path)' is of no known kind; known are \(knownKinds). Rename it if its content is one of these")
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw FileError(path: path, operation: "open", errno: errno) }
        return SourceItem(
            name: path, format: format, compression: compression, bytes: Int(status.st_size), argument: argument,
            identity: "\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)")
    }

    /// What a name says of the content; nil when it says nothing.
    static func format(of path: String) -> (SourceItem.Format, Decompressor.Kind?)? {
        var name = path.lowercased()[...]
        var compression: Decompressor.Kind?
        for (ending, kind) in [(".gz", Decompressor.Kind.gzip), (".zst", .zstd)] where name.hasSuffix(ending) {
            name = name.dropLast(ending.count)
            compression = kind
        }
        if name.hasSuffix(".txt") || name.hasSuffix(".md") { return (.text, compression) }
        if name.hasSuffix(".jsonl") { return (.jsonLines, compression) }
        if name.hasSuffix(".parquet") && compression == nil { return (.parquet, nil) }
        return nil
    }
}
