// SPDX-License-Identifier: MIT
import Tokenization

/// The UTF-8 length of every id, for bits per byte: nats / ln 2 / bytes.
///
/// End-of-text stands for no text and counts 0 bytes, though a model is asked to predict it.
public struct TokenByteLengths: Sendable {
    /// Bytes by id.
    private let lengths: [Int32]

    /// Asks the tokenizer for every id once: 4 bytes of memory an id.
    public init(_ tokenizer: any Tokenizer) {
        let end = tokenizer.endOfText
        lengths = (0..<UInt32(clamping: tokenizer.vocabularySize)).map {
            $0 == end ? 0 : Int32(clamping: tokenizer.bytes(of: $0).count)
        }
    }

    /// Bytes of one id; 0 for an id outside the vocabulary.
    public subscript(id: Int) -> Int { lengths.indices.contains(id) ? Int(lengths[id]) : 0 }

    /// UTF-8 bytes of a range of a split's tokens; what lies outside the split is left out.
    public func count(_ range: Range<Int>, of split: TokenSplit) -> Int {
        let range = range.clamped(to: 0..<split.count)
        var piece = [Int32](repeating: 0, count: min(1 << 16, range.count))
        var total = 0, position = range.lowerBound
        while position < range.upperBound {
            let length = min(piece.count, range.upperBound - position)
            piece.withUnsafeMutableBufferPointer {
                if let start = $0.baseAddress { split.copy(from: position, length: length, to: start) }
            }
            for id in piece.prefix(length) { total += self[Int(id)] }
            position += length
        }
        return total
    }
}
