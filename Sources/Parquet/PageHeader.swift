// SPDX-License-Identifier: MIT

/// What stands before each page (parquet.thrift, `PageHeader`).
struct PageHeader {
    enum Kind: Int32 {
        case data, index, dictionary, dataV2
    }

    let kind: Kind
    /// Bytes behind this header before compression, levels included.
    let uncompressedSize: Int
    /// Bytes behind this header in the file.
    let compressedSize: Int
    /// CRC-32 of the page's bytes as they are in the file, when the writer gave one.
    let crc: UInt32?
    /// Values of a data page including nulls, or of a dictionary.
    let valueCount: Int
    let encoding: Int32
    /// v1: how the definition levels are written.
    let levelEncoding: Int32
    /// v2: nulls, rows, and the bytes of the levels before the values.
    let nullCount: Int?
    let rowCount: Int?
    let definitionLevelsSize: Int
    let repetitionLevelsSize: Int
    /// v2: whether the values are compressed.
    let isCompressed: Bool

    /// The fields of the four inner headers, which are alike.
    private struct Inner {
        var values: Int?, encoding: Int32?, levelEncoding: Int32?, nulls: Int?, rows: Int?
        var definitionSize = 0, repetitionSize = 0, isCompressed = true
    }

    /// Reads a header and leaves the reader at the page's first byte.
    ///
    /// Statistics (which may hold whole texts) are passed over where they lie.
    init(_ reader: inout ThriftReader) throws {
        let start = reader.position
        var kind: Kind?, sizes: (Int?, Int?) = (nil, nil), crc: UInt32?, inner: [Kind: Inner] = [:], last = 0
        while let field = try reader.nextField(after: &last) {
            switch field.id {
            case 1:
                let code = try reader.int32(field, "a page's type")
                guard let known = Kind(rawValue: code) else {
                    throw Problem(at: start, "a page of type \(code)", valid: "types are 0...3")
                }
                kind = known
            case 2: sizes.0 = try reader.size(field, "a page's uncompressed size")
            case 3: sizes.1 = try reader.size(field, "a page's compressed size")
            case 4: crc = UInt32(bitPattern: try reader.int32(field, "a page's checksum"))
            case 5: inner[.data] = try Self.data(&reader, field)
            case 7: inner[.dictionary] = try Self.data(&reader, field)
            case 8: inner[.dataV2] = try Self.dataV2(&reader, field)
            default: try reader.skip(field)
            }
        }
        guard let kind, let uncompressed = sizes.0, let compressed = sizes.1 else {
            throw Problem(at: start, "a page header without type or sizes", valid: "all three are required")
        }
        let fields = inner[kind] ?? Inner()
        guard kind == .index || fields.values != nil && fields.encoding != nil else {
            throw Problem(at: start, "a \(kind) page header without value count or encoding", valid: "both are required")
        }
        (self.kind, uncompressedSize, compressedSize, self.crc) = (kind, uncompressed, compressed, crc)
        (valueCount, encoding) = (fields.values ?? 0, fields.encoding ?? 0)
        (levelEncoding, nullCount, rowCount) = (fields.levelEncoding ?? Encoding.rle.rawValue, fields.nulls, fields.rows)
        (definitionLevelsSize, repetitionLevelsSize) = (fields.definitionSize, fields.repetitionSize)
        isCompressed = fields.isCompressed
    }

    /// `DataPageHeader` and `DictionaryPageHeader`, which begin alike.
    private static func data(_ reader: inout ThriftReader, _ field: ThriftReader.Field) throws -> Inner {
        try reader.structure(field, "a page's inner header")
        var inner = Inner(), last = 0
        while let field = try reader.nextField(after: &last) {
            switch field.id {
            case 1: inner.values = try reader.size(field, "a page's value count")
            case 2: inner.encoding = try reader.int32(field, "a page's encoding")
            case 3 where field.kind == .int32: inner.levelEncoding = try reader.int32(field, "a page's level encoding")
            default: try reader.skip(field)
            }
        }
        return inner
    }

    /// `DataPageHeaderV2`.
    private static func dataV2(_ reader: inout ThriftReader, _ field: ThriftReader.Field) throws -> Inner {
        try reader.structure(field, "a page's inner header")
        var inner = Inner(), last = 0
        while let field = try reader.nextField(after: &last) {
            switch field.id {
            case 1: inner.values = try reader.size(field, "a page's value count")
            case 2: inner.nulls = try reader.size(field, "a page's null count")
            case 3: inner.rows = try reader.size(field, "a page's row count")
            case 4: inner.encoding = try reader.int32(field, "a page's encoding")
            case 5: inner.definitionSize = try reader.size(field, "the size of a page's definition levels")
            case 6: inner.repetitionSize = try reader.size(field, "the size of a page's repetition levels")
            case 7: inner.isCompressed = try reader.bool(field, "a page's compression mark")
            default: try reader.skip(field)
            }
        }
        return inner
    }
}
