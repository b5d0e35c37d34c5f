// SPDX-License-Identifier: MIT

/// Says where a Parquet file could not be read, what was found there and what would be valid.
public struct ParquetError: Error, CustomStringConvertible, Equatable, Sendable {
    /// What a caller can tell apart without reading the message.
    public enum Kind: String, Sendable {
        /// The file does not have Parquet's marks at its ends.
        case notParquet
        /// The bytes break the format: a damaged or cut-off file, or a writer's mistake.
        case malformed
        /// A page's bytes do not have the CRC-32 that its header gives.
        case checksum
        /// Valid Parquet that this reader does not read: a codec, an encoding, encryption, a repeated column.
        case unsupported
        /// A size above this reader's limits.
        case tooLarge
        /// The caller asked for something that the file does not have.
        case noSuchColumn, noSuchRowGroup
    }

    public let kind: Kind
    /// As given to `ParquetFile`.
    public let path: String
    /// The column's dotted path, when one was being read.
    public let column: String?
    /// The row group's index from 0, when one was being read.
    public let rowGroup: Int?
    /// The byte in the file at which the trouble begins; for what lies inside a compressed page, where the page begins.
    public let offset: Int?
    /// What is in the file at that place, or what was asked for in vain.
    public let found: String
    /// What is valid there, or what to do.
    public let valid: String

    public var description: String {
        var place = "'\(path)'"
        if let column { place += ", column '\(column)'" }
        if let rowGroup { place += ", row group \(rowGroup)" }
        if let offset { place += ", byte \(offset)" }
        return "\(place): \(found); \(valid)"
    }
}

/// What the inner decoders throw: a `ParquetError` before it is known in which file, column and row group.
struct Problem: Error {
    var kind = ParquetError.Kind.malformed
    var offset: Int?
    let found: String
    let valid: String

    init(at offset: Int? = nil, _ found: String, valid: String) {
        self.init(.malformed, at: offset, found, valid: valid)
    }

    init(_ kind: ParquetError.Kind, at offset: Int? = nil, _ found: String, valid: String) {
        self.kind = kind
        self.offset = offset
        self.found = found
        self.valid = valid
    }

    func error(path: String, column: String? = nil, rowGroup: Int? = nil) -> ParquetError {
        ParquetError(
            kind: kind, path: path, column: column, rowGroup: rowGroup, offset: offset, found: found, valid: valid)
    }

    /// Runs `body` and gives the problems that it throws without an offset this one.
    static func at<T>(_ offset: Int, _ body: () throws -> T) throws -> T {
        do { return try body() } catch var problem as Problem {
            if problem.offset == nil { problem.offset = offset }
            throw problem
        }
    }
}
