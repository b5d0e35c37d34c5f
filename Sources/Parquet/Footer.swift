// SPDX-License-Identifier: MIT

/// The file's metadata (parquet.thrift, `FileMetaData`), read from the end of the file.
struct Footer {
    /// The largest footer taken, in bytes.
    static let sizeLimit = 256 << 20
    /// The largest number of rows of one row group; with it a page can claim no more values than its 32-bit count holds.
    static let rowLimit = Int(Int32.max)

    let columns: [ColumnDescriptor]
    let rowGroups: [RowGroupMetadata]
    let rowCount: Int
    let keyValueMetadata: [String: String]
    let createdBy: String?
    /// The byte at which the footer begins: no page reaches beyond.
    let start: Int

    /// Reads the footer of a whole file. Unknown fields are passed over, as the format wants it of readers.
    ///
    /// - Throws: `Problem`; its offset is a byte of the file.
    init(_ bytes: UnsafeRawBufferPointer) throws {
        let range = try Self.locate(bytes)
        start = range.lowerBound
        var reader = ThriftReader(bytes, range: range)
        var elements: [Schema.Element] = [], pairs: [String: String] = [:]
        var rows: Int?, creator: String?, groupsField: (ThriftReader, ThriftReader.Field)?, last = 0
        while let field = try reader.nextField(after: &last) {
            switch field.id {
            case 2:
                elements = []
                for _ in 0..<(try reader.list(field, of: .structure, "the schema")) {
                    elements.append(try Schema.element(&reader))
                }
            case 3: rows = try reader.size(field, "the number of rows")
            case 4:
                // Read once the schema is known, whichever comes first.
                groupsField = (reader, field)
                try reader.skip(field)
            case 5:
                for _ in 0..<(try reader.list(field, of: .structure, "the key-value metadata")) {
                    let (key, value) = try Self.pair(&reader)
                    pairs[key] = value
                }
            case 6: creator = try reader.string(field, "the creator's name")
            default: try reader.skip(field)
            }
        }
        guard !elements.isEmpty, let rows, let (atGroups, groups) = groupsField else {
            throw Problem(at: start, "the footer lacks schema, row count or row groups", valid: "get the file again")
        }
        let columns = try Problem.at(start) { try Schema.leaves(elements) }
        var rowGroups: [RowGroupMetadata] = [], groupsReader = atGroups
        for _ in 0..<(try groupsReader.list(groups, of: .structure, "the row groups")) {
            rowGroups.append(try Self.rowGroup(&groupsReader, columns))
        }
        let (sum, overflow) = rowGroups.reduce((0, false)) {
            let (next, carried) = $0.0.addingReportingOverflow($1.rowCount)
            return (next, $0.1 || carried)
        }
        guard sum == rows, !overflow else {
            throw Problem(at: start, "the footer counts \(rows) rows, its row groups \(sum)", valid: "the two must agree")
        }
        (self.columns, self.rowGroups, rowCount, keyValueMetadata, createdBy) = (columns, rowGroups, rows, pairs, creator)
    }

    /// Finds the footer by the marks at both ends and the length before the last one.
    private static func locate(_ bytes: UnsafeRawBufferPointer) throws -> Range<Int> {
        func mark(_ offset: Int) -> String { String(decoding: bytes[offset..<offset + 4], as: UTF8.self) }
        guard bytes.count >= 12 else {
            throw Problem(.notParquet, at: 0, "a file of \(bytes.count) bytes", valid: "a Parquet file has at least 12")
        }
        if mark(bytes.count - 4) == "PARE" {
            throw Problem(
                .unsupported, at: bytes.count - 4, "an encrypted footer", valid: "write the file without encryption")
        }
        guard mark(0) == "PAR1" else {
            throw Problem(.notParquet, at: 0, "no mark 'PAR1'", valid: "a Parquet file begins with it; check the file's type")
        }
        guard mark(bytes.count - 4) == "PAR1" else {
            throw Problem(
                .notParquet, at: bytes.count - 4, "no mark 'PAR1' at the end",
                valid: "a Parquet file ends with it; it may be cut off, get it again")
        }
        let place = bytes.count - 8
        let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self)))
        guard length <= place - 4 else {
            throw Problem(at: place, "a footer of \(length) bytes", valid: "the file has room for \(place - 4)")
        }
        guard length <= sizeLimit else {
            throw Problem(.tooLarge, at: place, "a footer of \(length) bytes", valid: "at most \(sizeLimit) are read")
        }
        return place - length..<place
    }

    /// A `KeyValue`; a value that is absent is empty.
    private static func pair(_ reader: inout ThriftReader) throws -> (String, String) {
        var key = "", value = "", last = 0
        while let field = try reader.nextField(after: &last) {
            switch field.id {
            case 1: key = try reader.string(field, "a metadata key")
            case 2: value = try reader.string(field, "a metadata value")
            default: try reader.skip(field)
            }
        }
        return (key, value)
    }

    /// A `RowGroup`, whose columns must be the schema's, in its order.
    private static func rowGroup(_ reader: inout ThriftReader, _ columns: [ColumnDescriptor]) throws -> RowGroupMetadata {
        let offset = reader.position
        var chunks: [ColumnChunkMetadata]?, size: Int?, rows: Int?, last = 0
        while let field = try reader.nextField(after: &last) {
            switch field.id {
            case 1:
                let count = try reader.list(field, of: .structure, "a row group's columns")
                guard count == columns.count else {
                    throw Problem(
                        at: offset, "a row group of \(count) columns", valid: "the schema has \(columns.count)")
                }
                var list: [ColumnChunkMetadata] = []
                for column in columns { list.append(try columnChunk(&reader, column)) }
                chunks = list
            case 2: size = try reader.size(field, "a row group's size")
            case 3: rows = try reader.size(field, "a row group's row count")
            default: try reader.skip(field)
            }
        }
        guard let chunks, let size, let rows else {
            throw Problem(at: offset, "a row group without columns, size or row count", valid: "all three are required")
        }
        guard rows <= rowLimit else {
            throw Problem(.tooLarge, at: offset, "a row group of \(rows) rows", valid: "at most \(rowLimit) are read")
        }
        return RowGroupMetadata(rowCount: rows, uncompressedSize: size, columns: chunks)
    }

    /// A `ColumnChunk`. Its deprecated `file_offset` is not looked at: writers have filled it in differently.
    private static func columnChunk(_ reader: inout ThriftReader, _ column: ColumnDescriptor) throws -> ColumnChunkMetadata {
        let offset = reader.position
        var chunk = ChunkFields(), path: String?, encrypted = false, last = 0
        while let field = try reader.nextField(after: &last) {
            switch field.id {
            case 1: path = try reader.string(field, "a column's file path")
            case 3:
                try reader.structure(field, "a column's metadata")
                chunk = try ChunkFields(&reader, column)
            case 8, 9:
                encrypted = true
                try reader.skip(field)
            default: try reader.skip(field)
            }
        }
        guard let codec = chunk.codec, let values = chunk.values, let size = chunk.compressedSize, let data = chunk.dataOffset
        else {
            // Encrypted columns may have no readable metadata: the file's other columns are still good.
            if encrypted {
                return ColumnChunkMetadata(
                    codecCode: 0, valueCount: 0, uncompressedSize: 0, compressedSize: 0, offset: 0, externalPath: path,
                    isEncrypted: true)
            }
            throw Problem(
                at: offset, "column '\(column.path)' lacks its codec, value count, size or offset", valid: "all are required")
        }
        // Some writers give 0 for "no dictionary"; a real one lies before the data.
        let first = chunk.dictionaryOffset.map { $0 > 0 && $0 < data ? $0 : data } ?? data
        return ColumnChunkMetadata(
            codecCode: codec, valueCount: values, uncompressedSize: chunk.uncompressedSize, compressedSize: size, offset: first,
            externalPath: path, isEncrypted: encrypted)
    }
}

/// The fields of `ColumnMetaData` that are used, while they are read.
private struct ChunkFields {
    var codec: Int32?
    var values: Int?
    var uncompressedSize = 0
    var compressedSize: Int?
    var dataOffset: Int?
    var dictionaryOffset: Int?

    init() {}

    /// Reads the fields and checks type and path against the schema's column.
    init(_ reader: inout ThriftReader, _ column: ColumnDescriptor) throws {
        let offset = reader.position
        var last = 0
        while let field = try reader.nextField(after: &last) {
            switch field.id {
            case 1:
                let type = try reader.int32(field, "a column's type")
                guard type == column.physicalType.rawValue else {
                    throw Problem(
                        at: offset, "column '\(column.path)' has the type \(type) in a row group",
                        valid: "the schema says \(column.physicalType)")
                }
            case 3:
                var path: [String] = []
                for _ in 0..<(try reader.list(field, of: .binary, "a column's path")) {
                    path.append(try reader.string("a column's path"))
                }
                guard path == column.pathComponents else {
                    throw Problem(
                        at: offset, "a row group has '\(path.joined(separator: "."))' where the schema has '\(column.path)'",
                        valid: "the order must be the schema's")
                }
            case 4: codec = try reader.int32(field, "a column's codec")
            case 5: values = try reader.size(field, "a column's value count")
            case 6: uncompressedSize = try reader.size(field, "a column's uncompressed size")
            case 7: compressedSize = try reader.size(field, "a column's compressed size")
            case 9: dataOffset = try reader.size(field, "a column's data offset")
            case 11: dictionaryOffset = try reader.size(field, "a column's dictionary offset")
            default: try reader.skip(field)
            }
        }
    }
}
