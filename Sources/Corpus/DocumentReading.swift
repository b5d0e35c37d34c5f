// SPDX-License-Identifier: MIT

/// Reads the documents of sources as a preparation does, on the calling thread and without making anything of them.
package enum DocumentReading {
    /// - Parameters:
    ///   - source: a file, a folder or a pattern.
    ///   - body: gets each document's text, well-formed UTF-8, valid during the call.
    /// - Throws: `CorpusError`, `FileError`, `ParquetError`; what `body` throws.
    package static func forEachDocument(
        of source: String, options: ReadingOptions = ReadingOptions(), _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let items = try SourceList([source]).items
        let extractor = DocumentExtractor(
            items: items, textField: options.textField, largestDocument: options.largestDocument)
        try SourceReader(items: items, options: options).forEachBatch { batch in
            _ = try extractor.forEachDocument(batch) { try body($0.text) }
        }
    }
}
