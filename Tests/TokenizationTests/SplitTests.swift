// SPDX-License-Identifier: MIT
import Foundation
import Testing
import Tokenization

@Suite struct SplitTests {
    private func gpt2(_ text: String) -> [String] { SplitPattern.gpt2.words(in: text.utf8) }

    @Test func contractionsAreWords() {
        #expect(
            gpt2("it's we'll I'm you've they're he'd don't") == [
                "it", "'s", " we", "'ll", " I", "'m", " you", "'ve", " they", "'re", " he", "'d", " don", "'t",
            ])
        // Only in lower case, only without a blank before, and the next word begins right behind.
        #expect(gpt2("IT'S 's 'll''s'street'lx") == ["IT", "'", "S", " '", "s", " '", "ll", "''", "s", "'s", "treet", "'", "lx"])
    }

    @Test func whiteSpaceLeavesItsLastBlankToTheNextWord() {
        #expect(gpt2("a  b   c") == ["a", " ", " b", "  ", " c"])
        #expect(gpt2("a\n\nb") == ["a", "\n", "\n", "b"])
        #expect(gpt2("a \n b\t!") == ["a", " \n", " b", "\t", "!"])
        #expect(gpt2("a   ") == ["a", "   "])
        #expect(gpt2("   ") == ["   "])
        #expect(gpt2("") == [])
        #expect(
            gpt2("x\u{85}y\u{A0}\u{A0}z\u{3000}1\u{2003} w") == [
                "x", "\u{85}", "y", "\u{A0}", "\u{A0}", "z", "\u{3000}", "1", "\u{2003}", " w",
            ])
        // U+001C...U+001F and U+200B are no white space.
        #expect(gpt2("a\u{1C}b\u{200B}c") == ["a", "\u{1C}", "b", "\u{200B}", "c"])
    }

    @Test func lettersNumbersAndOthersAreApart() {
        #expect(gpt2("abc123!?x ½٣Ⅷ 中文a\u{301}b") == ["abc", "123", "!?", "x", " ½٣Ⅷ", " 中文a", "\u{301}", "b"])
    }

    @Test func theFamilyOfGPT4() {
        let text = "IT'S 12345 (a)\n\n  b\u{A0}c'ſd !!\r\n x  "
        #expect(
            SplitPattern.cl100k.words(in: text.utf8) == [
                "IT", "'S", " ", "123", "45", " (", "a", ")\n\n", " ", " b", "\u{A0}c", "'ſ", "d", " !!\r\n", " x", "  ",
            ])
        #expect(SplitPattern.qwen2.words(in: "a 123".utf8) == ["a", " ", "1", "2", "3"])
        #expect(SplitPattern.cl100k.words(in: "a\n  ".utf8) == ["a", "\n", "  "])
        #expect(SplitPattern.cl100kTiktoken.words(in: "a\n  ".utf8) == ["a", "\n  "])
        #expect(SplitPattern.none.words(in: "a b\n c".utf8) == ["a b\n c"])
    }

    @Test func equalsAPlainSplitterOnRandomTexts() {
        var generator = SeededGenerator(state: 3)
        for round in 0..<6000 {
            let length = Int.random(in: 0...[4, 30, 70, 200][round % 4], using: &generator)
            let text = randomText(&generator, length: length, wild: round % 3 == 0 ? 0 : 0.1)
            for pattern in SplitPattern.allCases {
                #expect(
                    pattern.words(in: text.utf8) == NaiveSplitter(text, pattern).words(), "\(pattern) \(text.debugDescription)")
            }
        }
    }
}

/// Tries the alternatives of a pattern one after another, as a regular expression does.
struct NaiveSplitter {
    private let scalars: [Unicode.Scalar]
    private let pattern: SplitPattern
    private enum Kind { case letter, number, space, other }

    init(_ text: String, _ pattern: SplitPattern) {
        scalars = Array(text.unicodeScalars)
        self.pattern = pattern
    }

    func words() -> [String] {
        var words: [String] = []
        var at = 0
        while at < scalars.count {
            let end = pattern == .none ? scalars.count : pattern == .gpt2 ? gpt2(at) : gpt4(at)
            words.append(String(String.UnicodeScalarView(scalars[at..<end])))
            at = end
        }
        return words
    }

    private func kind(_ at: Int) -> Kind? {
        guard at < scalars.count else { return nil }
        // The C tables are of Unicode 16, and Swift's may be newer: ask for the class the product uses.
        switch UnicodeClass(scalars[at]) {
        case .letter: return .letter
        case .number: return .number
        case .space: return .space
        case .other: return .other
        }
    }

    private func run(_ at: Int, _ wanted: Kind) -> Int {
        var end = at
        while kind(end) == wanted { end += 1 }
        return end
    }

    private func starts(_ at: Int, _ text: String, folding: Bool) -> Bool {
        let wanted = Array(text.unicodeScalars)
        guard at + wanted.count <= scalars.count else { return false }
        return zip(scalars[at...], wanted).allSatisfy { have, want in
            if !folding { return have == want }
            return have == want || have.properties.lowercaseMapping == String(want) || (have == "ſ" && want == "s")
        }
    }

    private func contraction(_ at: Int, _ forms: [String], folding: Bool) -> Int? {
        forms.first { starts(at, "'" + $0, folding: folding) }.map { at + 1 + $0.unicodeScalars.count }
    }

    private func gpt2(_ at: Int) -> Int {
        if let end = contraction(at, ["s", "d", "m", "t", "ll", "ve", "re"], folding: false) { return end }
        let first = scalars[at] == " " ? at + 1 : at
        for wanted in [Kind.letter, .number, .other] where kind(first) == wanted { return run(first, wanted) }
        return space(at)
    }

    private func space(_ at: Int) -> Int {
        let end = run(at, .space)
        return end < scalars.count && end > at + 1 ? end - 1 : end
    }

    private func isNewline(_ at: Int) -> Bool { at < scalars.count && (scalars[at] == "\n" || scalars[at] == "\r") }

    private func gpt4(_ at: Int) -> Int {
        if let end = contraction(at, ["s", "t", "re", "ve", "m", "ll", "d"], folding: true) { return end }
        if kind(at) == .letter { return run(at, .letter) }
        if kind(at) == .number { return min(run(at, .number), at + (pattern == .qwen2 ? 1 : 3)) }
        if !isNewline(at), kind(at + 1) == .letter { return run(at + 1, .letter) }
        let first = scalars[at] == " " ? at + 1 : at
        if kind(first) == .other {
            var end = run(first, .other)
            while isNewline(end) { end += 1 }
            return end
        }
        let end = run(at, .space)
        if pattern == .cl100kTiktoken, end == scalars.count { return end }
        if let newline = (at..<end).last(where: isNewline) { return newline + 1 }
        return space(at)
    }
}
