// SPDX-License-Identifier: MIT
import Foundation
import Tokenization

/// Writes texts that are made side by side, one after another: the first one as it comes, the others when their turn is there.
struct SampleOutput {
    /// A text so far.
    private struct Text {
        var decoder: StreamingDecoder
        var text = ""
        var ids: [Int] = []
    }

    let total: Int
    let json: Bool
    /// Written before every text.
    let start: String
    private let first: Int
    private var texts: [Text]
    /// Index within these texts of the one that is being written.
    private var current = 0
    private var begun = false

    /// - Parameters:
    ///   - samples: numbers of the texts made side by side
    ///   - total: texts in all; a line stands between them
    init(samples: Range<Int>, total: Int, tokenizer: any Tokenizer, start: String, json: Bool) {
        self.total = total
        self.json = json
        self.start = start
        first = samples.lowerBound
        texts = samples.map { _ in Text(decoder: StreamingDecoder(tokenizer)) }
    }

    /// Tokens of all texts.
    var tokens: Int { texts.reduce(0) { $0 + $1.ids.count } }

    mutating func add(_ token: Int32, to index: Int) {
        texts[index].ids.append(Int(token))
        emit(texts[index].decoder.decode(UInt32(token)), to: index)
    }

    /// Writes what has not been written yet.
    mutating func finish() throws {
        while current < texts.count {
            begin()
            emit(texts[current].decoder.finish(), to: current)
            if json {
                let text = texts[current]
                let line = try JSONSerialization.data(
                    withJSONObject: ["sample": first + current, "text": text.text, "tokens": text.ids.count, "ids": text.ids],
                    options: [.sortedKeys, .withoutEscapingSlashes])
                Console.stream(String(decoding: line, as: UTF8.self) + "\n")
            } else {
                Console.stream(first + current + 1 < total ? "\n---------------\n" : "\n")
            }
            current += 1
            begun = false
        }
    }

    private mutating func emit(_ piece: String, to index: Int) {
        if !json, index == current {
            begin()
            Console.stream(piece)
        } else {
            texts[index].text += piece
        }
    }

    /// Writes what the current text has gathered while others were written.
    private mutating func begin() {
        guard !json, !begun else { return }
        begun = true
        Console.stream(start + texts[current].text)
    }
}
