// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// How sources are read.
package struct ReadingOptions: Sendable {
    /// The field of JSON lines or the column of Parquet files that holds the text.
    package var textField = "text"
    /// What cuts text files into documents; nil: a file is one document.
    package var separator: [UInt8]?
    /// Bytes read from a file at once.
    package var pieceSize = 1 << 20
    /// Bytes of documents after which a batch is handed on.
    package var batchSize = 1 << 20
    /// The longest document taken, in bytes.
    package var largestDocument = 256 << 20
    /// The largest row group that is decoded by a worker in one go, in bytes.
    package var wholeRowGroup = 32 << 20

    package init() {}
}

/// A place between two batches: all items before `item` were read, of it all row groups before `group`,
/// and of that (or of an item without row groups) `step` further pieces.
package struct SourcePosition: Codable, Sendable, Equatable {
    package var item = 0
    package var group = 0
    package var step = 0

    /// Whether nothing of its item was read yet.
    package var isBetweenItems: Bool { group == 0 && step == 0 }
}

/// Appends the documents of one item to batches.
protocol ItemReader: AnyObject {
    /// The share of the item that was read, 0...1.
    var fraction: Double { get }
    /// Appends some more.
    ///
    /// - Parameter handOn: takes the batch and leaves an empty one, for when more comes than a batch should hold.
    /// - Returns: false when the item has ended; then nothing was appended.
    func read(into batch: inout SourceBatch, handOn: (inout SourceBatch) throws -> Void) throws -> Bool
}

/// Reads a list of items in order, as batches.
final class SourceReader {
    private let items: [SourceItem]
    private let options: ReadingOptions
    /// Given for a source that is one document: how its pieces are made.
    private let single: SingleDocument?
    /// Which items and row groups are read at all.
    private let part: PartSelection
    /// Says where an item's file lies, once it is there.
    private let locate: (Int) throws -> String
    private let bytesTotal: Int
    /// Weight of the items that were read to their ends, and of the one being read.
    private var weightDone = 0.0, currentWeight = 0
    private var currentFraction: () -> Double = { 0 }

    /// - Parameters:
    ///   - part: nil to read all.
    ///   - locate: gives the path of an item's file, waiting for it if need be; nil where names are paths.
    init(
        items: [SourceItem], options: ReadingOptions, single: SingleDocument? = nil, part: PartSelection? = nil,
        locate: ((Int) throws -> String)? = nil
    ) {
        self.items = items
        self.options = options
        self.single = single
        let part = part ?? PartSelection(.whole, items: items)
        self.part = part
        self.locate = locate ?? { items[$0].name }
        bytesTotal = SizeEstimate.sum(items.indices.lazy.filter { part.mayHold(item: $0) }.map { Self.weight(items[$0]) })
    }

    /// The share of all items that was read, 0...1, weighted by their sizes.
    var fraction: Double {
        guard bytesTotal > 0 else { return 1 }
        return min(1, (weightDone + currentFraction() * Double(currentWeight)) / Double(bytesTotal))
    }

    /// What an item counts in progress: its bytes, or about what a story has.
    static func weight(_ item: SourceItem) -> Int {
        if case .stories(let count) = item.format { return count * Stories.typicalBytes }
        return max(item.bytes, 1)
    }

    /// Reads all items and hands on what they hold, in order.
    ///
    /// - Parameter start: where to begin: the start, or `after` of an earlier batch. Readers read again what they must.
    /// - Throws: `FileError`, `CorpusError`; what the function throws ends the reading.
    func forEachBatch(from start: SourcePosition = SourcePosition(), _ body: (SourceBatch) throws -> Void) throws {
        var batch: SourceBatch?
        func flush(at position: SourcePosition) throws {
            guard var full = batch else { return }
            batch = nil
            full.after = position
            if !full.isEmpty { try body(full) }
        }
        for (index, item) in items.enumerated() where part.mayHold(item: index) {
            currentWeight = Self.weight(item)
            defer {
                weightDone += Double(currentWeight)
                currentFraction = { 0 }
            }
            guard index >= start.item else { continue }
            let first = index == start.item ? start : SourcePosition(item: index)
            if item.format == .parquet {
                try flush(at: SourcePosition(item: index))
                let reader = try ParquetReader(path: locate(index), index: index, options: options)
                currentFraction = { reader.fraction }
                try reader.forEachBatch(from: first, isIncluded: { part.holds(item: index, group: $0, of: $1) }, body)
                continue
            }
            let (reader, content) = try open(item, path: locate(index), index: index)
            currentFraction = { reader.fraction }
            // A batch holds documents of one form.
            if batch?.content != content { try flush(at: SourcePosition(item: index)) }
            try skip(first.step, of: reader, content)
            var step = first.step, more = true
            while more {
                var growing = batch ?? SourceBatch(content)
                batch = nil
                more = try reader.read(into: &growing) { full in
                    let piece = full
                    full = SourceBatch(content)
                    try body(piece)
                }
                step += 1
                let isFull = growing.isFull(options)
                batch = growing
                if isFull || content == .stories { try flush(at: SourcePosition(item: index, step: step)) }
            }
        }
        try flush(at: SourcePosition(item: items.count))
    }

    /// Reads pieces that were taken before, for nothing but the reader's own state.
    private func skip(_ steps: Int, of reader: any ItemReader, _ content: SourceBatch.Content) throws {
        for _ in 0..<max(0, steps) {
            var ignored = SourceBatch(content)
            guard try reader.read(into: &ignored, handOn: { $0 = SourceBatch(content) }) else { return }
        }
    }

    /// Reads until a condition holds, which is looked at after each batch.
    func forEachBatch(until isEnough: () -> Bool, _ body: (SourceBatch) throws -> Void) throws {
        struct Enough: Error {}
        do {
            try forEachBatch { batch in
                try body(batch)
                if isEnough() { throw Enough() }
            }
        } catch is Enough {}
    }

    /// Documents after which a batch is handed on, however short they are.
    static let largestBatch = 4096

    private func open(
        _ item: SourceItem, path: @autoclosure () throws -> String, index: Int
    ) throws -> (any ItemReader, SourceBatch.Content) {
        if case .stories(let count) = item.format { return (StoriesReader(count: count, item: index), .stories) }
        let bytes = try ByteReader(path: path(), compression: item.compression, pieceSize: options.pieceSize)
        if item.format == .jsonLines {
            return (CutReader(bytes, separator: [0x0A], isLines: true, item: index, options: options), .jsonLines)
        }
        if let single { return (PieceReader(bytes, document: single, item: index, options: options), .pieces) }
        if let separator = options.separator {
            return (CutReader(bytes, separator: separator, isLines: false, item: index, options: options), .documents)
        }
        return (WholeReader(bytes, item: index, options: options), .documents)
    }
}

/// Says that a document is longer than the program takes.
func tooLong(_ path: String, _ what: String, _ limit: Int) -> CorpusError {
    CorpusError.data(
        path,
        "\(what) is longer than \(limit >> 20) MB, too long for one document; "
            + "cut the file into documents with --separator, or leave it out")
}

/// A file that is one document.
private final class WholeReader: ItemReader {
    private let bytes: ByteReader
    private let item: Int
    private let options: ReadingOptions
    private var ended = false

    var fraction: Double { bytes.fraction }

    init(_ bytes: ByteReader, item: Int, options: ReadingOptions) {
        self.bytes = bytes
        self.item = item
        self.options = options
    }

    func read(into batch: inout SourceBatch, handOn: (inout SourceBatch) throws -> Void) throws -> Bool {
        if ended { return false }
        let limit = batch.bytes.count + options.largestDocument
        func check(_ size: Int) throws { if size > limit { throw tooLong(bytes.path, "it", options.largestDocument) } }
        var more = true
        while more {
            // Looked at in each part, since a piece of a compressed file may hold a gigabyte.
            more = try bytes.read { part in
                try check(batch.bytes.count + part.count)
                UTF8Text.append(part, to: &batch.bytes)
                try check(batch.bytes.count)
            }
        }
        batch.endDocument(item: item)
        ended = true
        return true
    }
}

/// A file cut into documents by a separator, or into lines.
private final class CutReader: ItemReader {
    private let bytes: ByteReader
    private let separator: [UInt8]
    private let isLines: Bool
    private let item: Int
    private let options: ReadingOptions
    /// Text behind the last separator.
    private var pending: [UInt8] = []
    /// Bytes of `pending` in which no separator begins.
    private var searched = 0
    private var line = 0
    private var cuts = 0
    private var ended = false

    var fraction: Double { bytes.fraction }

    init(_ bytes: ByteReader, separator: [UInt8], isLines: Bool, item: Int, options: ReadingOptions) {
        self.bytes = bytes
        self.separator = separator
        self.isLines = isLines
        self.item = item
        self.options = options
    }

    func read(into batch: inout SourceBatch, handOn: (inout SourceBatch) throws -> Void) throws -> Bool {
        if ended { return false }
        if try bytes.read({ part in
            if batch.isFull(options) { try handOn(&batch) }
            UTF8Text.append(part, to: &pending)
            try cut(&batch)
        }) {
            return true
        }
        ended = true
        // What follows the last separator is a document unless it is nothing; a file without any is one document.
        let rest = pending
        pending = []
        if !rest.isEmpty || (cuts == 0 && !isLines) { rest.withUnsafeBytes { add($0, to: &batch) } }
        return true
    }

    /// Moves the complete documents from `pending` into the batch.
    private func cut(_ batch: inout SourceBatch) throws {
        var start = 0
        pending.withUnsafeBytes { text in
            while let position = find(in: text, from: searched) {
                add(UnsafeRawBufferPointer(rebasing: text[start..<position]), to: &batch)
                cuts += 1
                start = position + separator.count
                searched = start
            }
        }
        pending.removeSubrange(..<start)
        // A separator may have begun in the last bytes.
        searched = max(0, pending.count - separator.count + 1)
        if pending.count > options.largestDocument {
            throw tooLong(bytes.path, isLines ? "line \(line + 1)" : "document \(cuts + 1)", options.largestDocument)
        }
    }

    /// The first place at or after `start` where the separator stands whole.
    private func find(in text: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard let base = text.baseAddress, let first = separator.first else { return nil }
        var i = start
        while i + separator.count <= text.count,
            let hit = memchr(base + i, Int32(first), text.count - separator.count + 1 - i)
        {
            i = UnsafeRawPointer(hit) - base
            if separator.count == 1 || text[i..<i + separator.count].elementsEqual(separator) { return i }
            i += 1
        }
        return nil
    }

    private func add(_ document: UnsafeRawBufferPointer, to batch: inout SourceBatch) {
        guard isLines else { return batch.append(document, item: item) }
        var document = document
        line += 1
        if line == 1, document.count >= 3, document.prefix(3).elementsEqual([0xEF, 0xBB, 0xBF]) {
            document = UnsafeRawBufferPointer(rebasing: document[3...])  // a byte-order mark is no JSON
        }
        if document.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { return }
        batch.append(document, item: item)
        batch.lineNumbers.append(line)
    }
}

/// The built-in stories: only their indices travel, workers make them up.
private final class StoriesReader: ItemReader {
    private let count: Int
    private let item: Int
    private var done = 0

    var fraction: Double { Double(done) / Double(count) }

    init(count: Int, item: Int) {
        self.count = count
        self.item = item
    }

    func read(into batch: inout SourceBatch, handOn: (inout SourceBatch) throws -> Void) throws -> Bool {
        guard done < count else { return false }
        batch.stories = done..<min(count, done + 512)
        batch.items = [item]
        done = batch.stories.upperBound
        return true
    }
}
