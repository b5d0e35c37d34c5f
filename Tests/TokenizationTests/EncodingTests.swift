// SPDX-License-Identifier: MIT
import Foundation
import Testing
import Tokenization

@Suite struct EncodingTests {
    @Test func decodingGivesTheTextBack() throws {
        let tokenizer = try sampleTokenizer()
        let encoder = tokenizer.makeEncoder()
        var generator = SeededGenerator(state: 11)
        for round in 0..<2000 {
            let text = randomText(
                &generator, length: Int.random(in: 0...120, using: &generator), wild: round % 2 == 0 ? 0.1 : 0.9)
            let ids = try encoder.ids(Array(text.utf8))
            #expect(tokenizer.decode(ids).utf8.elementsEqual(text.utf8))
            #expect(ids.allSatisfy { $0 < tokenizer.vocabularySize })
        }
    }

    @Test func equalsPlainMergingWordByWord() throws {
        let tokenizer = try sampleTokenizer()
        let naive = try NaiveBPE(json: tokenizer.tokenizerJSON())
        var generator = SeededGenerator(state: 12)
        let encoder = tokenizer.makeEncoder()
        for _ in 0..<600 {
            let text = randomText(&generator, length: Int.random(in: 0...200, using: &generator), wild: 0.02)
            let expected = tokenizer.splitPattern.words(in: text.utf8).flatMap { naive.encode(word: $0.utf8) }
            #expect(try encoder.ids(Array(text.utf8)) == expected, "\(text.debugDescription)")
        }
        let expected = tokenizer.splitPattern.words(in: sampleText.utf8).flatMap { naive.encode(word: $0.utf8) }
        #expect(try tokenizer.encode(sampleText) == expected)
        #expect(expected.count < sampleText.utf8.count * 2 / 3)
    }

    /// Merges that no training would give, in any order: the rule alone decides.
    @Test func equalsPlainMergingForMergesInAnyOrder() throws {
        let folder = try TemporaryFolder()
        var generator = SeededGenerator(state: 13)
        for round in 0..<40 {
            let json = MergeFile.random(&generator, letters: ["a", "b", "c"].prefix(round % 3 + 1).map { $0 }, merges: 3 + round)
            let path = try folder.write("t\(round).json", json)
            let tokenizer = try TokenizerLoader().load(spec: path)
            let naive = try NaiveBPE(json: json)
            for length in [1, 2, 7, 15, 16, 60, 96, 97, 130, 255, 256, 700] {
                let word = (0..<length).map { _ in "abc".utf8.randomElement(using: &generator) ?? 97 }
                let ids = try tokenizer.makeEncoder().ids(word)
                #expect(ids == naive.encode(word: word), "\(String(decoding: word, as: UTF8.self))")
            }
        }
    }

    @Test func longWordsAreMergedInWindows() throws {
        let folder = try TemporaryFolder()
        var generator = SeededGenerator(state: 14)
        for round in 0..<12 {
            let json = MergeFile.random(&generator, letters: ["a", "b"], merges: 4 + 3 * round)
            let tokenizer = try #require(
                TokenizerLoader().load(spec: folder.write("t\(round).json", json)) as? BPETokenizer)
            let naive = try NaiveBPE(json: json)
            let word = (0..<2500).map { _ in "aaab".utf8.randomElement(using: &generator) ?? 97 }
            #expect(try tokenizer.makeEncoder(cacheBytes: 0, window: 510).ids(word) == naive.encode(word: word))
        }
    }

    /// Tokens longer than the window leave no place to cut: the rest is merged at once.
    @Test func aWordThatCannotBeCutIsMergedWhole() throws {
        let folder = try TemporaryFolder()
        let json = MergeFile.json(
            letters: ["a"],
            merges: (0..<10).map { power in
                let half = String(repeating: "a", count: 1 << power)
                return (half, half)
            })
        let tokenizer = try #require(TokenizerLoader().load(spec: folder.write("t.json", json)) as? BPETokenizer)
        let word = [UInt8](repeating: 97, count: 5000)
        let expected = try NaiveBPE(json: json).encode(word: word)
        #expect(try tokenizer.makeEncoder(cacheBytes: 0, window: 510).ids(word) == expected)
        #expect(try tokenizer.makeEncoder().ids(word) == expected)
        #expect(expected.count == 4 + 4)  // 5000 = 4 * 1024 + 512 + 256 + 128 + 8, in tokens of powers of two
    }

    @Test func aMillionEqualLettersAreNoTrouble() throws {
        let tokenizer = try sampleTokenizer()
        let word = [UInt8](repeating: UInt8(ascii: "z"), count: 3_000_000)
        let ids = try tokenizer.makeEncoder().ids(word)
        #expect(ids.reduce(0) { $0 + tokenizer.bytes(of: $1).count } == word.count)
    }

    @Test func aTinyCacheChangesNothing() throws {
        let tokenizer = try sampleTokenizer()
        var generator = SeededGenerator(state: 15)
        let small = tokenizer.makeEncoder(cacheBytes: 0, window: 0), large = tokenizer.makeEncoder()
        for _ in 0..<60 {
            let text = Array(randomText(&generator, length: 2000, wild: 0.3).utf8)
            #expect(try small.ids(text) == large.ids(text))
        }
        #expect(try #require(small as? BPEEncoder).cacheSize < 64 << 10)
        #expect(try #require(large as? BPEEncoder).cacheSize < 64 << 20)
    }

    @Test func illFormedTextIsReadAsReplacementCharacters() throws {
        let tokenizer = try sampleTokenizer()
        let encoder = tokenizer.makeEncoder()
        // Unicode 16, table 3-8 and 3-11: maximal subparts, overlong forms, surrogates, truncated sequences.
        let cases: [([UInt8], String)] = [
            (
                [0x61, 0xF1, 0x80, 0x80, 0xE1, 0x80, 0xC2, 0x62, 0x80, 0x63, 0x80, 0xBF, 0x64],
                "a\u{FFFD}\u{FFFD}\u{FFFD}b\u{FFFD}c\u{FFFD}\u{FFFD}d"
            ),
            ([0xC0, 0xAF, 0xE0, 0x80, 0xBF, 0xF0, 0x81, 0x82, 0x41], String(repeating: "\u{FFFD}", count: 8) + "A"),
            ([0xED, 0xA0, 0x80, 0xED, 0xBF, 0xBF, 0x41], String(repeating: "\u{FFFD}", count: 6) + "A"),
            ([0xF4, 0x91, 0x92, 0x93, 0xFF, 0x41], String(repeating: "\u{FFFD}", count: 5) + "A"),
            ([0xE2, 0x82], "\u{FFFD}"), ([0xF0, 0x9F, 0x98], "\u{FFFD}"),
        ]
        for (bytes, text) in cases {
            #expect(try encoder.ids(bytes) == tokenizer.encode(text))
            #expect(try tokenizer.decode(encoder.ids(bytes)) == text)
        }
        var generator = SeededGenerator(state: 16)
        for _ in 0..<3000 {
            let bytes = (0..<Int.random(in: 0...90, using: &generator)).map { _ -> UInt8 in
                let lead: [UInt8] = [0x20, 0x61, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0x80, 0xBF, 0x9F]
                return Bool.random(using: &generator)
                    ? lead.randomElement(using: &generator) ?? 0 : .random(in: 0...255, using: &generator)
            }
            #expect(try encoder.ids(bytes) == tokenizer.encode(String(decoding: bytes, as: UTF8.self)), "\(bytes)")
        }
    }

    @Test func specialTokensInATextAreOrdinaryTextUnlessAllowed() throws {
        let tokenizer = try sampleTokenizer()
        let text = "a<|endoftext|>b"
        let end = try #require(tokenizer.endOfText)
        #expect(end == UInt32(tokenizer.vocabularySize - 1))
        #expect(try !tokenizer.encode(text).contains(end))
        #expect(try tokenizer.decode(tokenizer.encode(text)) == text)
        let ids = try tokenizer.makeEncoder(allowingSpecialTokens: true).ids(Array(text.utf8))
        #expect(ids == (try tokenizer.encode("a") + [end] + tokenizer.encode("b")))
        #expect(tokenizer.decode(ids) == text)
        #expect(tokenizer.id(of: Array("<|endoftext|>".utf8)) == end)
        #expect(tokenizer.bytes(of: 1 << 30) == [])
    }

    @Test func streamingGivesOnlyWholeCharacters() throws {
        let tokenizer = try sampleTokenizer(size: 257)
        var generator = SeededGenerator(state: 17)
        var decoder = StreamingDecoder(tokenizer)
        let pieces = try tokenizer.encode("é😀a").map { decoder.decode($0) }
        #expect(pieces == ["", "é", "", "", "", "😀", "a"])
        for _ in 0..<2000 {
            let ids = (0..<Int.random(in: 0...12, using: &generator)).map { _ in UInt32.random(in: 0...256, using: &generator) }
            var decoder = StreamingDecoder(tokenizer)
            let text = ids.map { decoder.decode($0) }.joined() + decoder.finish()
            #expect(Array(text.unicodeScalars) == Array(tokenizer.decode(ids).unicodeScalars), "\(ids)")
        }
    }
}

/// Writes `tokenizer.json` files with the merges that a test wants.
enum MergeFile {
    /// Merges of random existing tokens, their order shuffled afterwards.
    static func random(_ generator: inout SeededGenerator, letters: [String], merges count: Int) -> String {
        var tokens = letters, merges: [(String, String)] = []
        for _ in 0..<count {
            guard let left = tokens.randomElement(using: &generator), let right = tokens.randomElement(using: &generator),
                left.count + right.count <= 12
            else { continue }
            if !tokens.contains(left + right) { tokens.append(left + right) }
            if !merges.contains(where: { $0 == (left, right) }) { merges.append((left, right)) }
        }
        merges.shuffle(using: &generator)
        return json(letters: letters, merges: merges)
    }

    static func json(letters: [String], merges: [(String, String)]) -> String {
        var vocabulary: [String] = []
        for byte in UInt8.min...UInt8.max { vocabulary.append(String(Character(naiveByteCharacter(byte)))) }
        for (left, right) in merges where !vocabulary.contains(left + right) { vocabulary.append(left + right) }
        let entries = vocabulary.enumerated().map { id, token in
            "\"\(token.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\""))\": \(id)"
        }
        let lines = merges.map { "\"\($0) \($1)\"" }
        return """
            {"version": "1.0", "added_tokens": [], "normalizer": null,
             "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
             "model": {"type": "BPE", "vocab": {\(entries.joined(separator: ", "))},
                       "merges": [\(lines.joined(separator: ", "))]}}
            """
    }
}
