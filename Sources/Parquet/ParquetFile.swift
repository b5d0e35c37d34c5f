// SPDX-License-Identifier: MIT
import Storage

/// A column that can be read: made by `ParquetFile.byteArrayColumn(named:)`.
public struct ByteArrayColumn: Sendable, Equatable {
    /// A BYTE_ARRAY of which a row has at most one.
    public let descriptor: ColumnDescriptor
    /// Its place among the file's leaf columns.
    public let index: Int
}

/// An Apache Parquet file, mapped into memory, whose byte-array columns can be read row group by row group.
///
/// Any number of threads may read from one object at once, each its own row groups with its own `DecodeBuffers`.
/// The file must not be changed or cut while it is open: the system ends a process that reads a mapped file behind its end.
///
/// Source: https://parquet.apache.org/docs/file-format/ and parquet.thrift of https://github.com/apache/parquet-format
public final class ParquetFile: Sendable {
    /// As given to `init`; errors name it.
    public let path: String
    private let file: MappedFile
    private let footer: Footer

    /// The leaf columns, in the file's order.
    public var schema: [ColumnDescriptor] { footer.columns }
    /// In the file's order, which `forEachValue` counts from 0.
    public var rowGroups: [RowGroupMetadata] { footer.rowGroups }
    /// Rows of all row groups.
    public var rowCount: Int { footer.rowCount }
    /// The footer's pairs; of a key that comes twice, the last value.
    public var keyValueMetadata: [String: String] { footer.keyValueMetadata }
    /// The program that wrote the file, when it says so.
    public var createdBy: String? { footer.createdBy }
    /// The file's size in bytes.
    public var size: Int { file.count }

    /// Opens a file and reads its footer.
    ///
    /// - Throws: `FileError` when the file cannot be opened or mapped; `ParquetError` when it is not Parquet, is malformed,
    ///   or has an encrypted footer.
    public init(path: String) throws {
        self.path = path
        let file = try MappedFile(path: path)
        self.file = file
        do { footer = try Footer(file.bytes) } catch let problem as Problem { throw problem.error(path: path) }
    }

    /// The byte-array column (strings, JSON, binary) with a dotted path such as `text` or `meta.text`.
    ///
    /// - Throws: `ParquetError` when there is no such column (naming those that there are), when it is not BYTE_ARRAY,
    ///   or when it or something above it is repeated.
    public func byteArrayColumn(named name: String) throws -> ByteArrayColumn {
        let matches = schema.indices.filter { schema[$0].path == name }
        guard let index = matches.first, matches.count == 1 else {
            throw ParquetError(
                kind: .noSuchColumn, path: path, column: name, rowGroup: nil, offset: nil,
                found: matches.isEmpty ? "no such column" : "\(matches.count) columns have this path",
                valid: "its BYTE_ARRAY columns are \(readableColumns())")
        }
        let column = schema[index]
        guard column.physicalType == .byteArray else {
            throw ParquetError(
                kind: .unsupported, path: path, column: name, rowGroup: nil, offset: nil,
                found: "the column's type is \(column.physicalType)", valid: "its BYTE_ARRAY columns are \(readableColumns())")
        }
        guard column.maxRepetitionLevel == 0 else {
            throw ParquetError(
                kind: .unsupported, path: path, column: name, rowGroup: nil, offset: nil,
                found: "the column is repeated: a row has a list of values",
                valid: "choose one with at most one value a row: \(readableColumns())")
        }
        return ByteArrayColumn(descriptor: column, index: index)
    }

    /// The names that `byteArrayColumn(named:)` takes, at most 20, for error messages.
    private func readableColumns() -> String {
        let names = schema.lazy.filter { $0.physicalType == .byteArray && $0.maxRepetitionLevel == 0 }.map { "'\($0.path)'" }
        let shown = Array(names.prefix(21))
        if shown.isEmpty { return "none" }
        return shown.prefix(20).joined(separator: ", ") + (shown.count > 20 ? ", ..." : "")
    }

    /// Calls `body` with every row's value of a column in one row group, in order; nil is a null row.
    ///
    /// A value's bytes are valid only during its call. PLAIN and DELTA_LENGTH_BYTE_ARRAY values and those of a dictionary
    /// are given where they lie, without a copy. Values before a malformed page have been given when its error comes.
    ///
    /// - Parameters:
    ///   - column: from this file's `byteArrayColumn(named:)`.
    ///   - rowGroup: 0..<rowGroups.count; row groups are independent and may be read by different threads at once.
    ///   - buffers: memory to use again from call to call on one thread; nil allocates for this call.
    ///   - body: what it throws ends the reading and is thrown on as it is.
    /// - Throws: `ParquetError` naming file, column, row group and byte.
    /// - Complexity: time O(bytes of the column chunk); memory one page (at most 1 GiB) and the dictionary.
    public func forEachValue(
        column: ByteArrayColumn, rowGroup: Int, buffers: DecodeBuffers? = nil, body: (UnsafeRawBufferPointer?) throws -> Void
    ) throws {
        try forEachGroup(column: column, rowGroup: rowGroup, buffers: buffers) { for value in $0 { try body(value) } }
    }

    /// Like `forEachValue`, some values at a time: at most 64 of them, 64 KB or one value, whose bytes are valid together
    /// during the call.
    package func forEachGroup(
        column: ByteArrayColumn, rowGroup: Int, buffers: DecodeBuffers? = nil,
        body: (UnsafeBufferPointer<UnsafeRawBufferPointer?>) throws -> Void
    ) throws {
        let name = column.descriptor.path
        guard schema.indices.contains(column.index), schema[column.index] == column.descriptor else {
            throw ParquetError(
                kind: .noSuchColumn, path: path, column: name, rowGroup: rowGroup, offset: nil,
                found: "the column was made for another file", valid: "ask this one's byteArrayColumn(named:)")
        }
        guard rowGroups.indices.contains(rowGroup) else {
            throw ParquetError(
                kind: .noSuchRowGroup, path: path, column: name, rowGroup: rowGroup, offset: nil,
                found: "no such row group", valid: "the file has \(rowGroups.count), counted from 0")
        }
        // Buffers that a call further out is using are left alone.
        let buffers = buffers.flatMap { $0.inUse ? nil : $0 } ?? DecodeBuffers()
        buffers.inUse = true
        defer { buffers.inUse = false }
        do {
            var reader = try ChunkReader(
                file, footerStart: footer.start, column: column.descriptor, group: rowGroups[rowGroup], index: column.index,
                buffers: buffers)
            try withExtendedLifetime((self, buffers)) { try reader.forEachGroup(body) }
        } catch let problem as Problem {
            throw problem.error(path: path, column: name, rowGroup: rowGroup)
        }
    }
}
