// SPDX-License-Identifier: MIT

/// How a column's values are stored (parquet.thrift, `Type`).
public enum PhysicalType: Int32, Sendable, CustomStringConvertible {
    /// Numbered from 0, as in parquet.thrift.
    case boolean, int32, int64, int96, float, double, byteArray, fixedLengthByteArray

    /// The format's own name, such as `BYTE_ARRAY`.
    public var description: String {
        switch self {
        case .boolean: "BOOLEAN"
        case .int32: "INT32"
        case .int64: "INT64"
        case .int96: "INT96"
        case .float: "FLOAT"
        case .double: "DOUBLE"
        case .byteArray: "BYTE_ARRAY"
        case .fixedLengthByteArray: "FIXED_LEN_BYTE_ARRAY"
        }
    }
}

/// Whether a row has one value, at most one, or any number (parquet.thrift, `FieldRepetitionType`).
public enum Repetition: Int32, Sendable {
    /// Numbered from 0: one value, at most one, any number.
    case required, optional, repeated
}

/// What compresses a column's pages (parquet.thrift, `CompressionCodec`).
public enum CompressionCodec: Int32, Sendable, CustomStringConvertible {
    /// Numbered from 0; pages in lzo, brotli and the older lz4 are not read.
    case uncompressed, snappy, gzip, lzo, brotli, lz4, zstd, lz4Raw

    /// The format's own name, such as `LZ4_RAW`.
    public var description: String {
        switch self {
        case .uncompressed: "UNCOMPRESSED"
        case .snappy: "SNAPPY"
        case .gzip: "GZIP"
        case .lzo: "LZO"
        case .brotli: "BROTLI"
        case .lz4: "LZ4"
        case .zstd: "ZSTD"
        case .lz4Raw: "LZ4_RAW"
        }
    }
}

/// How a page's values are written (parquet.thrift, `Encoding`).
public enum Encoding: Int32, Sendable, CustomStringConvertible {
    /// Values one after the other, byte arrays behind their lengths of 4 bytes.
    case plain = 0
    /// Numbers 2 to 7; the format gave 1 up.
    case plainDictionary = 2, rle, bitPacked, deltaBinaryPacked, deltaLengthByteArray, deltaByteArray
    /// Numbers 8 and 9.
    case rleDictionary, byteStreamSplit

    /// The format's own name, such as `RLE_DICTIONARY`.
    public var description: String {
        switch self {
        case .plain: "PLAIN"
        case .plainDictionary: "PLAIN_DICTIONARY"
        case .rle: "RLE"
        case .bitPacked: "BIT_PACKED"
        case .deltaBinaryPacked: "DELTA_BINARY_PACKED"
        case .deltaLengthByteArray: "DELTA_LENGTH_BYTE_ARRAY"
        case .deltaByteArray: "DELTA_BYTE_ARRAY"
        case .rleDictionary: "RLE_DICTIONARY"
        case .byteStreamSplit: "BYTE_STREAM_SPLIT"
        }
    }

    /// The name of a number that may be unknown.
    static func name(_ code: Int32) -> String { Encoding(rawValue: code)?.description ?? "number \(code)" }
}

/// A leaf of the schema: a column that has pages.
public struct ColumnDescriptor: Sendable, Equatable {
    /// The names from below the root down to the leaf.
    public let pathComponents: [String]
    public let physicalType: PhysicalType
    /// The logical (or older converted) type in the format's own name, such as `STRING`; nil when there is none.
    public let logicalType: String?
    /// The leaf's own repetition; those above it are in the levels.
    public let repetition: Repetition
    /// How many of the path's nodes may be absent; the level at which a value is there.
    public let maxDefinitionLevel: Int
    /// How many of the path's nodes are repeated; 0 means at most one value a row.
    public let maxRepetitionLevel: Int

    /// The path with dots between its names.
    public var path: String { pathComponents.joined(separator: ".") }
}

/// What the footer says about one column in one row group.
public struct ColumnChunkMetadata: Sendable, Equatable {
    /// The codec's number; `codec` is nil when it is unknown.
    public let codecCode: Int32
    /// nil when `codecCode` is a number that parquet.thrift does not have.
    public var codec: CompressionCodec? { CompressionCodec(rawValue: codecCode) }
    /// Values including nulls.
    public let valueCount: Int
    /// Bytes of all pages before compression, with their headers.
    public let uncompressedSize: Int
    /// Bytes of all pages in the file, with their headers.
    public let compressedSize: Int
    /// The byte at which the first page (the dictionary, when there is one) begins.
    public let offset: Int
    /// The other file that holds the pages, when it is not this one.
    public let externalPath: String?
    /// Whether the pages are encrypted; such columns are not read.
    public let isEncrypted: Bool
}

/// What the footer says about one row group.
public struct RowGroupMetadata: Sendable, Equatable {
    /// The same for all its columns.
    public let rowCount: Int
    /// Bytes of all columns before compression.
    public let uncompressedSize: Int
    /// One for each leaf column, in the schema's order.
    public let columns: [ColumnChunkMetadata]

    /// Bytes of all columns in the file; the largest possible number when their sum would be larger.
    public var compressedSize: Int {
        columns.reduce(0) {
            let (sum, overflow) = $0.addingReportingOverflow($1.compressedSize)
            return overflow ? Int.max : sum
        }
    }
}
