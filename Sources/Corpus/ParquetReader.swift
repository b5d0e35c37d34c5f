// SPDX-License-Identifier: MIT
import Parquet

/// A row group that a worker decodes itself.
package struct RowGroup: Sendable {
    let file: ParquetFile
    let column: ByteArrayColumn
    let index: Int

    /// Bytes of the column before compression.
    var textSize: Int { max(0, file.rowGroups[index].columns[column.index].uncompressedSize) }
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
    init(path: String, index: Int, options: ReadingOptions) throws {
        file = try ParquetFile(path: path)
        column = try file.byteArrayColumn(named: options.textField)
        item = index
        self.options = options
    }

    /// Hands on the rows behind a position in batches.
    ///
    /// - Parameter isIncluded: whether a row group, of so many, is to be read.
    func forEachBatch(
        from start: SourcePosition, isIncluded: (_ group: Int, _ count: Int) -> Bool, _ body: (SourceBatch) throws -> Void
    ) throws {
        for (index, group) in file.rowGroups.enumerated() {
            guard index >= start.group, isIncluded(index, file.rowGroups.count) else {
                rowsDone += group.rowCount
                continue
            }
            let size = group.columns[column.index].uncompressedSize
            if size <= options.wholeRowGroup {
                var batch = SourceBatch(.rowGroup)
                batch.rowGroup = RowGroup(file: file, column: column, index: index)
                batch.items = [item]
                batch.after = SourcePosition(item: item, group: index + 1)
                rowsDone += group.rowCount
                try body(batch)
            } else {
                try stream(index, skipping: index == start.group ? start.step : 0, body)
            }
        }
    }

    /// Decodes a row group here; its first batches, which were taken before, are dropped.
    private func stream(_ group: Int, skipping taken: Int, _ body: (SourceBatch) throws -> Void) throws {
        var batch = SourceBatch(.documents), step = 0
        func handOn() throws {
            var full = batch
            batch = SourceBatch(.documents)
            step += 1
            full.after = SourcePosition(item: item, group: group, step: step)
            if step > taken { try body(full) }
        }
        let rowsBefore = rowsDone
        try file.forEachValue(column: column, rowGroup: group) { value in
            rowsDone += 1
            guard let value else {
                batch.nulls += 1
                return
            }
            if value.count > options.largestDocument {
                throw tooLong(file.path, "row \(rowsDone - rowsBefore) of row group \(group)", options.largestDocument)
            }
            batch.append(value, item: item)
            if batch.isFull(options) { try handOn() }
        }
        if !batch.isEmpty { try handOn() }
    }
}
