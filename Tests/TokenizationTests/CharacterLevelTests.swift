// SPDX-License-Identifier: MIT
import Foundation
import Testing
import Tokenization

@Suite struct CharacterLevelTests {
    private func tokenizer(_ text: String) -> CharTokenizer { Array(text.utf8).withUnsafeBytes { CharTokenizer(text: $0) } }

    @Test func idsFollowCodePoints() throws {
        let tokenizer = tokenizer("héllo\n wörld 中😀e\u{301}")
        #expect(tokenizer.characters.map(\.value) == tokenizer.characters.map(\.value).sorted())
        #expect(tokenizer.characters.first == "\n")
        #expect(tokenizer.vocabularySize == 14)
        #expect(tokenizer.endOfText == nil)
        #expect(try tokenizer.encode("\n 😀") == [0, 1, 13])
        // A combining mark is a character of its own, as in Python.
        #expect(try tokenizer.encode("é").count == 1)
        #expect(try tokenizer.encode("e\u{301}").count == 2)
    }

    @Test func decodingGivesTheTextBack() throws {
        let tokenizer = tokenizer(sampleText)
        #expect(try tokenizer.decode(tokenizer.encode(sampleText)) == sampleText)
        #expect(tokenizer.bytes(of: 100_000) == [])
    }

    @Test func itsFileReadsBackTheSame() throws {
        let folder = try TemporaryFolder()
        let tokenizer = tokenizer(sampleText + "\"\\\u{1}\u{7F}/\t\u{E9}e\u{301}\u{C5}\u{212B}")
        let json = try tokenizer.tokenizerJSON()
        let loaded = try TokenizerLoader().load(spec: folder.write("tokenizer.json", json))
        #expect(loaded.name == "char")
        #expect(try loaded.tokenizerJSON() == json)
        #expect(try #require(loaded as? CharTokenizer).characters == tokenizer.characters)
        #expect(try JSONSerialization.jsonObject(with: Data(json.utf8)) is [String: Any])
    }

    @Test func anUnknownCharacterIsNamed() throws {
        #expect(
            throws: TokenizerError(
                .unknownCharacter,
                "the character 'é' (U+00E9) is not among the 3 characters that this tokenizer knows; "
                    + "leave it out, or prepare the data again with a text that has it")
        ) { try tokenizer("abc").encode("abé") }
        #expect(
            throws: TokenizerError(
                .unknownCharacter,
                "the character U+000A is not among the 3 characters that this tokenizer knows; "
                    + "leave it out, or prepare the data again with a text that has it")
        ) { try tokenizer("abc").encode("a\n") }
    }

    @Test func illFormedTextCountsAsReplacementCharacter() throws {
        let tokenizer = [0x61, 0xFF, 0xE2, 0x82 as UInt8].withUnsafeBytes { CharTokenizer(text: $0) }
        #expect(tokenizer.characters == ["a", "\u{FFFD}"])
        #expect(try tokenizer.makeEncoder().ids([0xE2, 0x82, 0x61, 0xC0, 0xAF]) == [1, 0, 1, 1])
    }

    @Test func collectorsAddUp() {
        var one = CharacterCollector(), other = CharacterCollector()
        Array("abc".utf8).withUnsafeBytes { one.add($0) }
        Array("cd😀".utf8).withUnsafeBytes { other.add($0) }
        one.add(other)
        #expect(one.characters == ["a", "b", "c", "d", "😀"])
        #expect(CharTokenizer(characters: one.characters).vocabularySize == 5)
        #expect(CharTokenizer(characters: []).vocabularySize == 0)
    }

    @Test func equalsNanoGPTOnTinyShakespeare() throws {
        guard let path = sharedPath("data/tinyshakespeare.txt", for: "character level on Tiny Shakespeare") else { return }
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let tokenizer = data.withUnsafeBytes { CharTokenizer(text: $0) }
        // The vocabulary that nanoGPT's prepare.py prints.
        let expected = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        #expect(String(String.UnicodeScalarView(tokenizer.characters)) == expected)
        let ids = try tokenizer.makeEncoder().ids(Array(data))
        #expect(ids.count == 1_115_394)
        #expect(Array(ids.prefix(5)) == [18, 47, 56, 57, 58])  // "First"
    }
}
