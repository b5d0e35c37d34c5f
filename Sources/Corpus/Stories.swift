// SPDX-License-Identifier: MIT

/// Small English stories made up by a grammar: training text that needs no download, all of it ours.
///
/// A story has a hero with a name and pronouns, a friend, an elder, somebody of the village, an animal, things and places,
/// chosen once and kept through the story, so that a small model has names, pronouns and objects to keep track of.
/// A plot leads from a wish or a trouble to an ending; most sentences have several forms.
///
/// A story is a function of (seed, index) alone, so any thread can make any of them.
package enum Stories {
    /// Stories behind the plain name `stories`: about 12 MB, some minutes of training for a model of a million parameters.
    package static let defaultCount = 20_000
    /// About the mean length of a story in bytes, for progress.
    static let typicalBytes = 610

    /// - Returns: the story's UTF-8, ending with a line end.
    package static func story(seed: UInt64, index: Int) -> [UInt8] {
        var random = StoryRandom(seed: seed, index: index)
        let cast = StoryCast(&random)
        let grammar = StoryGrammar.shared
        var writer = StoryWriter()
        grammar.expand(rule: "opening", cast, &random, &writer)
        writer.text(" ")
        grammar.expand(rule: "events", cast, &random, &writer)
        writer.text(" ")
        grammar.expandPlot(cast, &random, &writer)
        if random.below(3) == 0 {
            writer.text(" ")
            grammar.expand(rule: "moral", cast, &random, &writer)
        }
        writer.text("\n")
        return withArticles(writer.bytes)
    }
}

extension Stories {
    /// Names that templates use but nobody defines: none, which a test checks.
    package static func undefinedNames() -> [String] {
        var random = StoryRandom(seed: 0, index: 0)
        return StoryGrammar.shared.undefinedNames(StoryCast(&random))
    }

    package static var plotCount: Int { StoryGrammar.shared.plotCount }

    /// Writes "an" for "a" in front of a vowel; templates say "a" throughout.
    static func withArticles(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count + 16)
        for (i, byte) in text.enumerated() {
            result.append(byte)
            guard byte | 0x20 == UInt8(ascii: "a"), i + 3 < text.count, text[i + 1] == 0x20 else { continue }
            // A word of its own: nothing, a blank or a quotation mark in front.
            guard i == 0 || [0x20, 0x0A, UInt8(ascii: "\"")].contains(text[i - 1]) else { continue }
            let next = text[(i + 2)...]
            // "useful" and "unicorn" begin with a consonant's sound, "honest" and "hour" with a vowel's.
            let isVowel =
                "aeiou".utf8.contains(text[i + 2])
                ? !next.starts(with: "use".utf8) && !next.starts(with: "uni".utf8)
                : next.starts(with: "hones".utf8) || next.starts(with: "hour".utf8)
            if isVowel { result.append(UInt8(ascii: "n")) }
        }
        return result
    }
}

/// The random choices of one story, in their order.
struct StoryRandom {
    private let seed: UInt64
    private let stream: UInt64
    private var counter: UInt64 = 0

    init(seed: UInt64, index: Int) {
        self.seed = seed
        // A stream of its own, apart from those of the batch orders.
        stream = CounterHash.mix(0x7374_6F72_7921) ^ UInt64(bitPattern: Int64(index))
    }

    mutating func below(_ bound: Int) -> Int {
        counter += 1
        return CounterHash.below(bound, seed, stream, counter)
    }

    mutating func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }
}

/// Collects a story's text, beginning sentences with a capital letter and writing one blank at a time.
struct StoryWriter {
    private(set) var bytes: [UInt8] = []
    private var beginsSentence = true

    mutating func text(_ text: String) { append(Array(text.utf8)) }

    mutating func append(_ part: [UInt8]) {
        for byte in part {
            let last = bytes.last
            let isQuote = byte == UInt8(ascii: "\"")
            // Alternatives may be empty, which would leave two blanks, or one before a line end.
            if byte == 0x20 && (last == nil || last == 0x20 || last == 0x0A) { continue }
            if byte == 0x0A && last == 0x20 { bytes.removeLast() }
            switch byte {
            case UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "?"), 0x0A:
                beginsSentence = true
                bytes.append(byte)
            case 0x20:
                bytes.append(byte)
            case UInt8(ascii: "a")...UInt8(ascii: "z") where beginsSentence:
                bytes.append(byte - 32)
                beginsSentence = false
            default:
                // `"Stop!" said Tom`: what follows a closing quotation mark goes on with the sentence, and what an
                // opening one interrupts (`"Yes," he said, "but ..."`) does too.
                let opens = last == 0x20 || last == nil || last == 0x0A
                beginsSentence = isQuote && opens && bytes.dropLast().last != UInt8(ascii: ",")
                bytes.append(byte)
            }
        }
    }
}
