// SPDX-License-Identifier: MIT

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
    /// Where reading goes on behind this batch.
    package var after = SourcePosition()

    init(_ content: Content) { self.content = content }

    var count: Int { content == .stories ? stories.count : ends.count }
    var isEmpty: Bool { count == 0 && nulls == 0 && rowGroup == nil }

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
}

/// Turns the batches of a list of sources into documents. Used by many workers at a time.
package struct DocumentExtractor: Sendable {
    package let items: [SourceItem]
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
    }

    /// Calls a function with each document of a batch, in order.
    ///
    /// - Throws: `CorpusError` naming the file and line that is malformed; what the function throws.
    func forEachDocument(_ batch: SourceBatch, _ body: (Document) throws -> Void) throws -> Missing {
        var missing = Missing(nulls: batch.nulls)
        let item = batch.items.first ?? 0
        if let group = batch.rowGroup {
            try group.file.forEachValue(column: group.column, rowGroup: group.index) { value in
                guard let value else { return missing.nulls += 1 }
                if value.count > largestDocument { throw tooLong(group.file.path, "a row", largestDocument) }
                try mended(value, item: item, body)
            }
            return missing
        }
        for index in batch.stories {
            let text = Stories.story(seed: seed, index: index)
            try text.withUnsafeBytes { try body(Document(text: $0, wasRepaired: false, item: item, isValidation: nil)) }
        }
        let field = Array(textField.utf8)
        var unescaped: [UInt8] = []
        try batch.bytes.withUnsafeBytes { bytes in
            var start = 0
            for (index, end) in batch.ends.enumerated() {
                let raw = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                start = end
                let item = batch.items[index]
                switch batch.content {
                case .pieces:
                    try body(Document(text: raw, wasRepaired: false, item: item, isValidation: batch.isValidation[index]))
                case .jsonLines:
                    unescaped.removeAll(keepingCapacity: true)
                    guard try text(ofLine: raw, number: batch.lineNumbers[index], item: item, field, &unescaped) else {
                        missing.nulls += 1
                        if missing.keys == nil { missing.keys = JSONLine.keys(raw) }
                        continue
                    }
                    try unescaped.withUnsafeBytes { try mended($0, item: item, body) }
                case .documents, .stories, .rowGroup:
                    try mended(raw, item: item, body)
                }
            }
        }
        return missing
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

    private func mended(_ text: UnsafeRawBufferPointer, item: Int, _ body: (Document) throws -> Void) throws {
        guard let repaired = UTF8Text.repaired(text) else {
            return try body(Document(text: text, wasRepaired: false, item: item, isValidation: nil))
        }
        try repaired.withUnsafeBytes { try body(Document(text: $0, wasRepaired: true, item: item, isValidation: nil)) }
    }
}
