// SPDX-License-Identifier: MIT
import CTokenization
import Corpus
import Foundation
import Testing

@Suite struct JSONTextTests {
    /// Sixteen bytes are looked at together: every place of every kind of byte, before, in and after them.
    @Test func plainBytesEndWhereTheyShould() {
        var wrong: [String] = []
        for length in 0...40 {
            for place in 0..<length {
                for byte in 0...255 as ClosedRange<UInt8> {
                    let ends = byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
                    var text = [UInt8](repeating: UInt8(ascii: "a"), count: length)
                    text[place] = byte
                    if apus_json_plain(text, length) != (ends ? place : length) {
                        wrong.append("\(byte) at \(place) of \(length)")
                    }
                }
            }
        }
        #expect(wrong == [])
    }

    static let pieces = [
        "a", "\"", "\\", "/", "\n", "\t", "\r", "\u{8}", "\u{C}", "\u{1}", "é", "\u{2028}", "😀", "some more words ",
    ]

    /// Strings of all kinds of characters, as Foundation writes them.
    @Test func textIsWhatFoundationWrote() throws {
        var random = TestRandom(11)
        func text(_ count: Int) -> String { (0..<count).map { _ in Self.pieces.randomElement(using: &random)! }.joined() }
        for _ in 0..<500 {
            // The field stands before or behind one that is passed over.
            let wanted = text(Int.random(in: 0...60, using: &random)), other = text(Int.random(in: 0...30, using: &random))
            let line = try JSONEncoder().encode(["other": other, "text": wanted])
            var got: [UInt8] = []
            try line.withUnsafeBytes { try JSONText.field("text", of: $0, line: 1, into: &got) }
            #expect(String(decoding: got, as: UTF8.self) == wanted)
        }
    }

    static let broken = [
        #"{"text":"a"#, #"{"text":"a\"#, #"{"text":"a\""#, "{\"text\":\"a\u{1}\"}", #"{"a":"b\"#,
        "{\"a\":\"b\u{2}\",\"text\":\"\"}",
    ]

    @Test(arguments: broken)
    func aBrokenStringIsRefused(_ line: String) {
        var got: [UInt8] = []
        #expect(throws: CorpusError.self) {
            try Array(line.utf8).withUnsafeBytes { try JSONText.field("text", of: $0, line: 1, into: &got) }
        }
    }
}
