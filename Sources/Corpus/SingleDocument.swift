// SPDX-License-Identifier: MIT
import Tokenization

/// A source that is one text file without separator: split by position, read in pieces.
package struct SingleDocument: Sendable, Equatable {
    /// Code points of the whole text, ill-formed sequences counted as one U+FFFD each.
    package let codePoints: Int
    /// Code points at the beginning that are for training; the rest is for validation.
    package let trainCodePoints: Int
    package let cuts: Cuts
    package let wasRepaired: Bool

    /// Where a text may be cut without changing its ids.
    package enum Cuts: Sendable, Equatable {
        /// Between any two characters: one id a character.
        case anywhere
        /// Between two words; see `lastCut`.
        case betweenWords
        /// Nowhere: the tokenizer merges across words, or an added token reaches over two of them.
        case nowhere

        init(_ tokenizer: any Tokenizer) {
            if tokenizer.name == "char" {
                self = .anywhere
                return
            }
            let bpe = tokenizer as? BPETokenizer
            let reaches = bpe?.addedTokens.contains { !$0.isSpecial && Self.mayHoldCut(Array($0.content.utf8)) } ?? false
            self = bpe?.splitPattern == SplitPattern.none || reaches ? .nowhere : .betweenWords
        }

        /// Whether a cut between two words can lie inside a token that stands for these characters.
        private static func mayHoldCut(_ content: [UInt8]) -> Bool {
            content.indices.dropFirst().contains {
                SingleDocument.isGap(content[$0]) && SingleDocument.isLetter(content[$0 - 1])
                    && ($0 + 1 == content.count || SingleDocument.isLetter(content[$0 + 1]))
            }
        }
    }

    /// Reads the text once to count it.
    ///
    /// - Parameter told: called with the share of the file that was read; what it throws ends the reading.
    init(
        _ item: SourceItem, path: String, valFraction: Double, cuts: Cuts, options: ReadingOptions,
        told: (Double) throws -> Void
    ) throws {
        let bytes = try ByteReader(path: path, compression: item.compression, pieceSize: options.pieceSize)
        var stream = RepairedStream(), count = 0
        while try bytes.read({ part in try stream.append(part) { count += UTF8Text.codePoints($0) } }) {
            try told(bytes.fraction)
        }
        try stream.finish { count += UTF8Text.codePoints($0) }
        codePoints = count
        trainCodePoints = Self.trainCodePoints(of: count, valFraction: valFraction)
        self.cuts = cuts
        wasRepaired = stream.wasRepaired
    }

    /// Code points at the beginning of a text of n that are for training: nanoGPT's int(n * (1 - fraction)).
    static func trainCodePoints(of count: Int, valFraction: Double) -> Int {
        min(count, max(0, Int(Double(count) * (1 - valFraction))))
    }

    /// For passes that only look at the text: no boundary between splits.
    static func unsplit(_ cuts: Cuts) -> SingleDocument {
        SingleDocument(codePoints: 0, trainCodePoints: 0, cuts: cuts, wasRepaired: false)
    }

    private init(codePoints: Int, trainCodePoints: Int, cuts: Cuts, wasRepaired: Bool) {
        self.codePoints = codePoints
        self.trainCodePoints = trainCodePoints
        self.cuts = cuts
        self.wasRepaired = wasRepaired
    }

    /// The last place behind `start` at which a text may be cut without changing its ids; nil when there is none.
    ///
    /// It is before the one blank or line end in "x y" or "x\ny", x and y being ASCII letters. Why the ids are equal:
    /// byte-level BPE merges only inside the words into which a pattern cuts the text, so a cut at an edge between two
    /// words changes nothing if both sides, looked at alone, still have their words there. With all known
    /// patterns (GPT-2's, GPT-4's and its kin) x's word is letters that end at the blank or line end, as they would at the
    /// end of a text. The next word begins there and does not look back: " y..." (` ?\p{L}+` or `[^\r\n\p{L}\p{N}]?\p{L}+`),
    /// or "\n" alone (`\s+(?!\S)` finds no shorter run, `\s+` and `\s*[\r\n]+` take it), then y's. A tokenizer that does
    /// not split texts (`none`) has no such place. Tokens that were added for their characters are found before the words:
    /// one that goes on behind such a place, as "hello world" does, leaves none either.
    package static func lastCut(_ text: UnsafeRawBufferPointer, after start: Int) -> Int? {
        var i = text.count - 2
        while i > start {
            if isGap(text[i]), isLetter(text[i - 1]), isLetter(text[i + 1]) { return i }
            i -= 1
        }
        return nil
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
    private static func isGap(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A }
}

/// Mends UTF-8 that comes in pieces, so that a sequence over an edge of two is seen whole.
struct RepairedStream {
    /// Bytes of an unfinished sequence: 0...3.
    private var tail: [UInt8] = []
    private(set) var wasRepaired = false

    mutating func append(_ part: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) throws -> Void) throws {
        if tail.isEmpty { return try pass(part, keepingTail: true, output) }
        var whole = tail
        UTF8Text.append(part, to: &whole)
        tail = []
        try whole.withUnsafeBytes { try pass($0, keepingTail: true, output) }
    }

    mutating func finish(_ output: (UnsafeRawBufferPointer) throws -> Void) throws {
        let rest = tail
        tail = []
        try rest.withUnsafeBytes { try pass($0, keepingTail: false, output) }
    }

    private mutating func pass(
        _ text: UnsafeRawBufferPointer, keepingTail: Bool, _ output: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let open = keepingTail ? UTF8Text.openTail(text) : 0
        tail = Array(text.suffix(open))
        let complete = UnsafeRawBufferPointer(rebasing: text.dropLast(open))
        if let repaired = UTF8Text.repaired(complete) {
            wasRepaired = true
            try repaired.withUnsafeBytes { try output($0) }
        } else if !complete.isEmpty {
            try output(complete)
        }
    }
}

/// The pieces of a single document, cut where the ids do not change.
final class PieceReader: ItemReader {
    private let bytes: ByteReader
    private let document: SingleDocument
    private let item: Int
    private let options: ReadingOptions
    private var stream = RepairedStream()
    /// Well-formed text that is not handed on yet.
    private var pending: [UInt8] = []
    /// Bytes of `pending` in which there is no place to cut.
    private var searched = 0
    /// Code points still to come before the boundary between the splits.
    private var trainLeft: Int
    private var ended = false

    var fraction: Double { bytes.fraction }

    init(_ bytes: ByteReader, document: SingleDocument, item: Int, options: ReadingOptions) {
        self.bytes = bytes
        self.document = document
        self.item = item
        self.options = options
        trainLeft = document.trainCodePoints
    }

    func read(into batch: inout SourceBatch, handOn: (inout SourceBatch) throws -> Void) throws -> Bool {
        if ended { return false }
        let more = try bytes.read { part in
            if batch.isFull(options) { try handOn(&batch) }
            try stream.append(part) { take($0, &batch) }
            try checkPending()
        }
        if !more {
            try stream.finish { take($0, &batch) }
            emit(pending.count, isValidation: trainLeft == 0, &batch)
            ended = true
        }
        return true
    }

    private func checkPending() throws {
        if pending.count > options.largestDocument {
            throw CorpusError.data(
                bytes.path,
                "\(options.largestDocument >> 20) MB of it have no place between two words "
                    + "where it could be read in pieces; cut it into documents with --separator")
        }
    }

    private func take(_ text: UnsafeRawBufferPointer, _ batch: inout SourceBatch) {
        var text = text
        if trainLeft > 0 {
            let count = UTF8Text.codePoints(text)
            if count >= trainLeft {
                // The splits part here: each is encoded by itself, as if it were a text of its own.
                let edge = UTF8Text.position(ofCodePoint: trainLeft, in: text)
                UTF8Text.append(text[..<edge], to: &pending)
                emit(pending.count, isValidation: false, &batch)
                text = UnsafeRawBufferPointer(rebasing: text[edge...])
                trainLeft = 0
            } else {
                trainLeft -= count
            }
        }
        UTF8Text.append(text, to: &pending)
        guard pending.count >= options.batchSize else { return }
        if document.cuts == .anywhere { return emit(pending.count, isValidation: trainLeft == 0, &batch) }
        if document.cuts == .betweenWords, let cut = pending.withUnsafeBytes({ SingleDocument.lastCut($0, after: searched) }) {
            emit(cut, isValidation: trainLeft == 0, &batch)
        } else {
            searched = max(0, pending.count - 3)
        }
    }

    /// Hands on the first `count` bytes.
    private func emit(_ count: Int, isValidation: Bool, _ batch: inout SourceBatch) {
        guard count > 0 else { return }
        pending.withUnsafeBytes { batch.append(UnsafeRawBufferPointer(rebasing: $0[..<count]), item: item) }
        batch.isValidation.append(isValidation)
        pending.removeSubrange(..<count)
        searched = 0
    }
}
