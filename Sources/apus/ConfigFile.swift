// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage
import TOMLKit

/// Reads a configuration file into keys and values, in the order of the file's kind.
enum ConfigFile {
    /// A key as a file gives it.
    struct Entry {
        var key: String
        var value: ConfigValue
        /// File, and line where it is known.
        var source: String
        /// Whether the file computes with the name, which then need not be a key.
        var isHelper = false
    }

    /// Whether a file is one of nanoGPT's.
    static func isNanoGPT(_ path: String) -> Bool { path.hasSuffix(".py") }

    /// TOML, or nanoGPT's `.py` of plain assignments.
    ///
    /// - Throws: `UsageError` naming file and line, `FileError`.
    static func read(_ path: String) throws -> [Entry] {
        if Folder.exists(path) {
            throw UsageError(
                "'\(path)' is a folder; a configuration is a .toml file or a nanoGPT .py file, and data is named by --data \(path)"
            )
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            // Foundation leaves in errno what came after the failure.
            throw FileError(path: path, operation: "read the configuration", errno: access(path, R_OK) == 0 ? EIO : errno)
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw UsageError("\(path): it is not UTF-8 text; a configuration is a .toml file or a nanoGPT .py file")
        }
        if isNanoGPT(path) {
            return try NanoGPTConfigReader.read(text, name: path).map {
                Entry(key: $0.key, value: $0.value, source: "\(path):\($0.line)", isHelper: $0.isUsed)
            }
        }
        // Refused before the parser sees it: TOMLKit's ends the process at some of them ("[[[").
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        if let line = lines.firstIndex(where: { $0.drop { $0 == " " || $0 == "\t" }.first == "[" }) {
            throw UsageError("\(path):\(line + 1): sections have no meaning here; the configuration is flat, one key a line")
        }
        do {
            let table = try TOMLTable(string: text)
            return try table.keys.sorted().map { key in
                guard let value = table[key], let plain = plain(value) else {
                    throw UsageError(
                        "\(path): '\(key)' is not a number, text or boolean; the configuration is flat, one key a line")
                }
                return Entry(key: key, value: plain, source: path)
            }
        } catch let error as TOMLParseError {
            throw UsageError("\(path):\(error.source.begin.line): not valid TOML: \(error.description)")
        }
    }

    private static func plain(_ value: any TOMLValueConvertible) -> ConfigValue? {
        if let boolean = value.bool { return .boolean(boolean) }
        if let integer = value.int { return .integer(integer) }
        if let number = value.double { return .number(number) }
        if let text = value.string { return .text(text) }
        return nil
    }
}
