// SPDX-License-Identifier: MIT
import Storage

/// Gives the bytes of a file to a function; the mapping lives as long as that runs.
///
/// - Throws: `FileError`, and what the function throws.
func withBytes<Value>(ofFile path: String, _ body: (UnsafeRawBufferPointer) throws -> Value) throws -> Value {
    let file = try MappedFile(path: path)
    return try withExtendedLifetime(file) { try body(file.bytes) }
}

/// How the files of tokenizers use JSON.
extension StrictJSON {
    /// Reads a file; keys that differ only in Unicode composition stay apart, as tokens do.
    ///
    /// - Parameter path: the file, for messages.
    /// - Throws: `TokenizerError` naming the line of the first thing that is not JSON, or of a key that comes twice.
    static func read(_ bytes: UnsafeRawBufferPointer, path: String) throws -> StrictJSON {
        do { return try parse(bytes, keys: .bytes) } catch let error as ParseError {
            let line = bytes.prefix(error.offset).reduce(1) { $0 + ($1 == 10 ? 1 : 0) }
            throw TokenizerError(
                .badFile,
                "'\(path)' is not valid JSON: line \(line), byte \(error.offset) of \(bytes.count): \(error.reason); "
                    + "fetch or write it again")
        }
    }

    /// This; nil where it is null, which Hugging Face writes for what there is none of.
    var unlessNull: StrictJSON? { if case .null = self { nil } else { self } }

    /// The number when it is a whole one from 0 up to an id's largest.
    var id: UInt32? { integer.flatMap { UInt32(exactly: $0) }.flatMap { $0 < .max ? $0 : nil } }
}

extension AddedToken {
    /// Whether an added token may have an id.
    static func mayHave(id: UInt32) -> Bool { id < 1 << 24 }

    /// Reads an entry of `added_tokens` or `added_tokens_decoder`.
    ///
    /// What Hugging Face matches around a special token does not matter: those are never looked for in texts.
    ///
    /// - Parameters:
    ///   - id: where the file has it; nil when it is no number
    ///   - unsupported: makes the error for a flag that would change ids
    /// - Returns: nil without a valid id and content.
    static func read(_ entry: StrictJSON, id: UInt32?, unsupported: (String) -> TokenizerError) throws -> AddedToken? {
        guard let id, mayHave(id: id), let content = entry["content"]?.string, !content.isEmpty else { return nil }
        let isSpecial = entry["special"]?.bool ?? false
        for key in ["single_word", "lstrip", "rstrip"] where !isSpecial && entry[key]?.bool == true {
            throw unsupported("the added token '\(content)' has \(key)")
        }
        return AddedToken(content: content, id: id, isSpecial: isSpecial)
    }
}
