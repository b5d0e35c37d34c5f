// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import Storage
import Testing

struct TextTests {
    private func repaired(_ bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes { UTF8Text.repaired($0) ?? bytes } }

    @Test func illFormedTextBecomesWhatSwiftMakesOfIt() {
        var random = TestRandom(7)
        // Bytes from the interesting corners: leads, continuations, the borders of tables 3-7.
        let corners: [UInt8] = [
            0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1,
            0xF4,
            0xF5, 0xFF,
        ]
        for round in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                round % 3 == 0 ? UInt8.random(in: 0...255, using: &random) : corners.randomElement(using: &random) ?? 0
            }
            let expected = Array(String(decoding: bytes, as: UTF8.self).utf8)
            let mended = repaired(bytes)
            #expect(mended == expected, "\(bytes)")
            let count = mended.withUnsafeBytes { UTF8Text.codePoints($0) }
            #expect(count == String(decoding: bytes, as: UTF8.self).unicodeScalars.count)
        }
    }

    @Test func wellFormedTextIsLeftAlone() {
        for text in ["", "plain ASCII that is long enough for the fast path", "äöü € 𝄞 日本語\u{FFFD}\u{10FFFF}\u{E000}\u{D7FF}"] {
            #expect(Array(text.utf8).withUnsafeBytes { UTF8Text.repaired($0) } == nil)
        }
    }

    @Test func positionOfACodePoint() {
        let text = Array("aä€𝄞z".utf8)
        let positions = (0...6).map { index in text.withUnsafeBytes { UTF8Text.position(ofCodePoint: index, in: $0) } }
        #expect(positions == [0, 1, 3, 6, 10, 11, 11])
    }

    @Test func nonTextIsTheSameAtEveryPlaceOfAWord() {
        let marks = ["\u{0}", "\u{1F}", "\u{7F}", "\u{85}", "\u{FFFD}", "\t", "\n", "~", " ", "é", "\u{A0}", "\u{FFFC}"]
        for (index, mark) in marks.enumerated() {
            for before in 0..<20 {
                for after in [0, 1, 7, 8, 9, 30] {
                    let text = String(repeating: "x", count: before) + mark + String(repeating: "y", count: after)
                    let expected = index < 5 ? mark.utf8.count : 0
                    #expect(Array(text.utf8).withUnsafeBytes { UTF8Text.nonTextBytes($0) } == expected)
                }
            }
        }
    }

    @Test func nonTextIsControlsAndReplacements() {
        func count(_ text: String) -> Int { Array(text.utf8).withUnsafeBytes { UTF8Text.nonTextBytes($0) } }
        #expect(count("a\tb\r\nc äöü ® ÿ") == 0)
        #expect(count("\u{0}\u{1B}\u{7F}") == 3)
        #expect(count("\u{85}") == 2)
        #expect(count("x\u{FFFD}y") == 3)
    }

    @Test func foldersOfPaths() {
        let folders = ["a": ".", "ab": ".", "a/": ".", "a/b": "a", "/a": "/", "/a/b/": "/a", "../x": "..", "é": ".", "/": "/"]
        for (path, folder) in folders { #expect(Paths.parent(of: path) == folder, "\(path)") }
    }

    @Test func cutsLieBetweenWordsOnly() {
        func cut(_ text: String, after start: Int = 0) -> Int? {
            Array(text.utf8).withUnsafeBytes { SingleDocument.lastCut($0, after: start) }
        }
        #expect(cut("one two") == 3)
        #expect(cut("one\ntwo") == 3)
        #expect(cut("one two three") == 7)
        #expect(cut("one  two") == nil)
        #expect(cut("one. two") == nil)
        #expect(cut("one 2") == nil)
        #expect(cut("ä b") == nil)
        #expect(cut("one two", after: 3) == nil)
        #expect(cut("") == nil)
        #expect(cut("a") == nil)
    }
}
