// SPDX-License-Identifier: MIT
import Foundation
import Parquet
import Tokenization

/// What a batch of documents became.
struct EncodedBatch: Sendable {
    /// Sums over its documents.
    var counts: TokenCounts
    /// Where reading goes on behind it; nil when that is inside a batch of the sources.
    var after: SourcePosition?
    /// Ids in the dataset's type, little-endian.
    let train = TokenBytes(), val = TokenBytes()
    /// The 64-bit identities of the documents, in order.
    var identities: [UInt64] = []
    /// Documents by item.
    var documents: [Int: Int] = [:]
    var empty = 0
    var missing = DocumentExtractor.Missing()
    /// Bytes of text taken.
    var bytes = 0
}

/// Encodes batches on one thread and counts on the way.
// SAFETY: used by one thread at a time.
final class EncodeWorker: PipelineWorker, @unchecked Sendable {
    private let extractor: DocumentExtractor
    private let encoder: any TokenEncoder
    /// The same encoder when it can give its ids where they lie.
    private let pieces: (any PieceEncoder)?
    private let rule: SplitRule
    private let splitsInside: Bool
    private let type: TokenType
    private let endOfText: UInt32?
    private let vocabularySize: Int
    private let counter: IdCounter
    private let largestOutput: Int
    private let buffers = DecodeBuffers()
    /// For encoders that give no pieces.
    private var ids: [UInt32] = []

    /// - Parameters:
    ///   - splitsInside: whether the end of every document is for validation, instead of some documents
    ///   - largestOutput: bytes of ids and identities after which a part of a batch is handed on ahead of the rest
    init(
        tokenizer: any Tokenizer, extractor: DocumentExtractor, rule: SplitRule, splitsInside: Bool, type: TokenType,
        largestOutput: Int
    ) throws {
        self.largestOutput = largestOutput
        self.extractor = extractor
        self.rule = rule
        self.splitsInside = splitsInside
        self.type = type
        encoder = tokenizer.makeEncoder()
        pieces = encoder as? any PieceEncoder
        endOfText = tokenizer.endOfText
        vocabularySize = tokenizer.vocabularySize
        counter = try IdCounter(vocabularySize: vocabularySize)
    }

    func process(_ batch: SourceBatch, handOn: (EncodedBatch) throws -> Void) throws -> EncodedBatch {
        // Counts belong to the batch, not to the worker: what is journalled must cover the batches before a place, no more.
        var result = EncodedBatch(counts: TokenCounts(vocabularySize: vocabularySize))
        // About what English makes, and what the encoder wants free; more is made room for when it comes.
        try result.train.reserve((batch.rowGroup?.textSize ?? max(batch.bytes.count, 1 << 20)) / 4 * type.size + 65_536)
        let missing = try extractor.forEachGroup(batch, buffers: buffers) { group in
            try add(group, to: &result)
            // A row group's size says little of its texts: a dictionary or deltas may pack gigabytes into a megabyte.
            if result.train.count + result.val.count + result.identities.count * 8 >= largestOutput {
                count(&result)
                try handOn(result)
                result = EncodedBatch(counts: TokenCounts(vocabularySize: vocabularySize))
            }
        }
        count(&result)
        result.missing = missing
        result.after = batch.after
        return result
    }

    private func count(_ result: inout EncodedBatch) {
        result.train.count(with: counter, as: type)
        result.counts.addFrequencies(of: counter)
    }

    private func add(_ group: [Document], to result: inout EncodedBatch) throws {
        // Together, because two texts at once are hashed twice as fast; pieces are not hashed at all.
        let hashes = group[0].isValidation == nil ? SplitRule.hashes(of: group.map { $0.text }) : []
        var run = group[...]
        while let item = run.first?.item {
            let same = run.prefix { $0.item == item }
            // A document in pieces is counted at its end, by the job; one without text is none.
            if run.first?.isValidation == nil {
                result.documents[item, default: 0] += same.reduce(0) { $1.text.isEmpty ? $0 : $0 + 1 }
            }
            run = run.dropFirst(same.count)
        }
        for (index, document) in group.enumerated() {
            guard !document.text.isEmpty else {
                result.empty += 1
                continue
            }
            if let stated = document.isValidation {
                try add(document, isValidation: stated, to: &result)
            } else {
                result.identities.append(hashes[index].identity)
                if splitsInside {
                    try addParts(of: document, to: &result)
                    continue
                }
                try add(document, isValidation: rule.isValidation(hash: hashes[index].split), to: &result)
            }
        }
    }

    /// The beginning of a document for training and its end for validation, each as a document of its own.
    private func addParts(of document: Document, to result: inout EncodedBatch) throws {
        let count = SingleDocument.trainCodePoints(of: UTF8Text.codePoints(document.text), valFraction: rule.valFraction)
        let edge = UTF8Text.position(ofCodePoint: count, in: document.text)
        var wasRepaired = document.wasRepaired
        for (part, isValidation) in [(document.text[..<edge], false), (document.text[edge...], true)] where !part.isEmpty {
            let text = UnsafeRawBufferPointer(rebasing: part)
            try add(
                Document(
                    text: text, wasRepaired: wasRepaired, item: document.item, isValidation: nil,
                    nonTextBytes: UTF8Text.nonTextBytes(text)), isValidation: isValidation, to: &result)
            // It is one document in the sources.
            wasRepaired = false
        }
    }

    private func add(_ document: Document, isValidation: Bool, to result: inout EncodedBatch) throws {
        let isPiece = document.isValidation != nil
        let output = isValidation ? result.val : result.train
        let before = output.count
        do {
            try encode(document.text, into: output)
        } catch let error where !(error is CorpusError) {
            throw CorpusError.data(extractor.items[document.item].name, "\(error)")
        }
        let count = (output.count - before) / type.size
        result.bytes += document.text.count
        result.counts.add(document, tokens: count, isValidation: isValidation, isPiece: isPiece)
        if let endOfText, !isPiece {
            try withUnsafePointer(to: endOfText) {
                try output.append(UnsafeBufferPointer(start: $0, count: 1), as: type)
            }
            result.counts.addEndOfText(isValidation: isValidation)
        }
    }

    private func encode(_ text: UnsafeRawBufferPointer, into output: TokenBytes) throws {
        if let pieces {
            switch type {
            case .uint16: return try pieces.encode(wellFormed: text, into: output)
            case .uint32: return try pieces.encode(wellFormed: text) { try output.append($0, as: type) }
            }
        }
        ids.removeAll(keepingCapacity: true)
        try encoder.encode(text, into: &ids)
        try ids.withUnsafeBufferPointer { try output.append($0, as: type) }
    }
}
