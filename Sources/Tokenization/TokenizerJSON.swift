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
