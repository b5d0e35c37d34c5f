// SPDX-License-Identifier: MIT
import Parquet

/// A row group that a worker decodes itself.
package struct RowGroup: Sendable {
    let file: ParquetFile
    let column: ByteArrayColumn
    let index: Int
}

/// Reads the text column of a Parquet file.
///
/// Small row groups go to the workers as they are, so that decompression runs on all cores. A large one is
/// decoded here and handed on in batches, so that memory stays bounded.
final class ParquetReader {
    private let file: ParquetFile
    private let column: ByteArrayColumn
    private let item: Int
    private let options: ReadingOptions
    private var rowsDone = 0

    /// The share of the rows that was read, 0...1.
    var fraction: Double { file.rowCount == 0 ? 1 : Double(rowsDone) / Double(file.rowCount) }

    /// - Throws: `FileError`; `ParquetError` when the file is damaged or has no such column of text.
    init(_ source: SourceItem, index: Int, options: ReadingOptions) throws {
        file = try ParquetFile(path: source.name)
        column = try file.byteArrayColumn(named: options.textField)
        item = index
        self.options = options
    }

    func forEachBatch(_ body: (SourceBatch) throws -> Void) throws {
        for (index, group) in file.rowGroups.enumerated() {
            let size = group.columns[column.index].uncompressedSize
            if size <= options.wholeRowGroup {
                var batch = SourceBatch(.rowGroup)
                batch.rowGroup = RowGroup(file: file, column: column, index: index)
                batch.items = [item]
                rowsDone += group.rowCount
                try body(batch)
            } else {
                try stream(index, body)
            }
        }
    }

    private func stream(_ group: Int, _ body: (SourceBatch) throws -> Void) throws {
        var batch = SourceBatch(.documents)
        try file.forEachValue(column: column, rowGroup: group) { value in
            rowsDone += 1
            guard let value else {
                batch.nulls += 1
                return
            }
            if value.count > options.largestDocument { throw tooLong(file.path, "row \(rowsDone)", options.largestDocument) }
            batch.append(value, item: item)
            if batch.bytes.count >= options.batchSize || batch.count >= SourceReader.largestBatch {
                let full = batch
                batch = SourceBatch(.documents)
                try body(full)
            }
        }
        if !batch.isEmpty { try body(batch) }
    }
}
