// SPDX-License-Identifier: MIT
import Parquet

/// What workers get: some documents, still in the form in which their source holds them.
package struct SourceBatch: Sendable {
    package enum Content: Sendable, Equatable {
        /// The bytes of documents.
        case documents
        /// Lines of JSON, one document each.
        case jsonLines
        /// Stretches of the source's one document, well-formed UTF-8, each in the split it belongs to.
        case pieces
        /// The indices of stories to make up; there are no bytes.
        case stories
        /// A row group of a Parquet file, to be decoded; there are no bytes.
        case rowGroup
    }

    package var content: Content
    package var bytes: [UInt8] = []
    /// Where each document, line or piece ends in `bytes`.
    package var ends: [Int] = []
    /// The item each document came from.
    package var items: [Int] = []
    /// For JSON lines: the number of each line in its file, from 1.
    package var lineNumbers: [Int] = []
    /// For pieces: whether each belongs to the validation split.
    package var isValidation: [Bool] = []
    package var stories = 0..<0
    package var rowGroup: RowGroup?
    /// Rows without a value.
    package var nulls = 0
    /// Where reading goes on behind this batch; nil inside a piece of a compressed file, where it cannot.
    package var after: SourcePosition?

    init(_ content: Content) { self.content = content }

    var count: Int { content == .stories ? stories.count : ends.count }
    var isEmpty: Bool { count == 0 && nulls == 0 && rowGroup == nil }
    /// Whether it holds so much that it is handed on.
    func isFull(_ options: ReadingOptions) -> Bool {
        bytes.count >= options.batchSize || count >= SourceReader.largestBatch
    }

    /// Ends the document whose bytes were appended last.
    mutating func endDocument(item: Int) {
        ends.append(bytes.count)
        items.append(item)
    }

    mutating func append(_ document: UnsafeRawBufferPointer, item: Int) {
        UTF8Text.append(document, to: &bytes)
        endDocument(item: item)
    }
}

/// One document on its way to the tokenizer.
struct Document {
    /// Its text, well-formed UTF-8; valid only while it is looked at.
    let text: UnsafeRawBufferPointer
    /// Whether ill-formed UTF-8 was replaced in it.
    let wasRepaired: Bool
    /// The item it came from.
    let item: Int
    /// For pieces of a single document: the split; nil where the document's hash decides.
    let isValidation: Bool?
    /// Bytes of control characters (tab and line ends are none) and of U+FFFD.
    let nonTextBytes: Int
}

/// Turns the batches of a list of sources into documents. Used by many workers at a time.
package struct DocumentExtractor: Sendable {
    package var items: [SourceItem]
    package let textField: String
    package let seed: UInt64
    package let largestDocument: Int

    package init(
        items: [SourceItem], textField: String = "text", seed: UInt64 = 0,
        largestDocument: Int = ReadingOptions().largestDocument
    ) {
        self.largestDocument = largestDocument
        self.items = items
        self.textField = textField
        self.seed = seed
    }

    /// What the documents of a batch are not.
    struct Missing {
        /// Rows or lines without a value.
        var nulls = 0
        /// The keys of the first line that lacks the text field, for a message.
        var keys: [String]?

        mutating func add(_ other: Missing) {
            nulls += other.nulls
            keys = keys ?? other.keys
        }
    }

    /// Calls a function with each document of a batch, in order.
    ///
    /// - Throws: `CorpusError` naming the file and line that is malformed; what the function throws.
    func forEachDocument(_ batch: SourceBatch, _ body: (Document) throws -> Void) throws -> Missing {
        try forEachGroup(batch) { for document in $0 { try body(document) } }
    }

    /// The same, some neighbouring documents at a time: few enough to stay in the CPU's caches from one look to the next.
    ///
    /// - Parameter buffers: memory for decoding to use again from batch to batch on one thread.
    func forEachGroup(
        _ batch: SourceBatch, buffers: DecodeBuffers? = nil, _ body: ([Document]) throws -> Void
    ) throws -> Missing {
        var missing = Missing(nulls: batch.nulls)
        let item = batch.items.first ?? 0
        var group = DocumentGroup()
        if let rows = batch.rowGroup {
            try rows.file.forEachGroup(column: rows.column, rowGroup: rows.index, buffers: buffers) { values in
                for value in values {
                    guard let value else {
                        missing.nulls += 1
                        continue
                    }
                    if value.count > largestDocument {
                        try group.handOn(body)
                        throw tooLong(rows.file.path, "a row", largestDocument)
                    }
                    try group.add(value, item: item, body)
                }
                try group.handOn(body)
            }
            return missing
        }
        for index in batch.stories {
            let text = Stories.story(seed: seed, index: index)
            try text.withUnsafeBytes {
                try group.add($0, item: item, body)
                try group.handOn(body)
            }
        }
        if batch.content == .jsonLines {
            try forEachLine(batch, &missing, &group, body)
            return missing
        }
        try batch.bytes.withUnsafeBytes { bytes in
            var start = 0
            for (index, end) in batch.ends.enumerated() {
                let text = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                start = end
                let split = batch.content == .pieces ? batch.isValidation[index] : nil
                try group.add(text, item: batch.items[index], isValidation: split, body)
            }
            try group.handOn(body)
        }
        return missing
    }

    /// Unescapes lines of JSON until they make a group.
    private func forEachLine(
        _ batch: SourceBatch, _ missing: inout Missing, _ group: inout DocumentGroup, _ body: ([Document]) throws -> Void
    ) throws {
        let field = Array(textField.utf8)
        var texts: [UInt8] = [], ends: [(end: Int, item: Int)] = []
        func handOn() throws {
            try texts.withUnsafeBytes { bytes in
                var start = 0
                for (end, item) in ends {
                    try group.add(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), item: item, body)
                    start = end
                }
                try group.handOn(body)
            }
            texts.removeAll(keepingCapacity: true)
            ends.removeAll(keepingCapacity: true)
        }
        try batch.bytes.withUnsafeBytes { bytes in
            var start = 0
            for (index, end) in batch.ends.enumerated() {
                let line = UnsafeRawBufferPointer(rebasing: bytes[start..<end]), item = batch.items[index]
                start = end
                do {
                    guard try text(ofLine: line, number: batch.lineNumbers[index], item: item, field, &texts) else {
                        missing.nulls += 1
                        if missing.keys == nil { missing.keys = JSONLine.keys(line) }
                        continue
                    }
                } catch {
                    // What is wrong with an earlier line is told first.
                    try handOn()
                    throw error
                }
                ends.append((texts.count, item))
                if texts.count >= DocumentGroup.mostBytes || ends.count >= DocumentGroup.mostDocuments { try handOn() }
            }
        }
        try handOn()
    }

    private func text(
        ofLine line: UnsafeRawBufferPointer, number: Int, item: Int, _ field: [UInt8], _ output: inout [UInt8]
    ) throws -> Bool {
        do {
            var scanner = JSONLine(line)
            return try scanner.text(of: field, into: &output)
        } catch let problem as JSONLine.Problem {
            throw CorpusError(
                .data,
                "cannot use '\(items[item].name)': line \(number), column \(problem.column): \(problem.reason); "
                    + "mend or remove the line")
        }
    }
}
