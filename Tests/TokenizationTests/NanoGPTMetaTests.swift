// SPDX-License-Identifier: MIT
import Foundation
import Testing
import Tokenization

/// nanoGPT's meta.pkl: a pickle, which may hold anything and of which only a vocabulary is taken.
@Suite struct NanoGPTMetaTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// {'vocab_size': 3, 'itos': {0: 'b', 1: '\n', 2: 'é'}, 'stoi': {...}} as CPython 3.13 pickles it.
    static let protocols = [
        "80027d710028580a000000766f6361625f73697a6571014b03580400000069746f7371027d7103284b0058010000006271044b0158010000000a7105"
            + "4b025802000000c3a9710675580400000073746f6971077d71082868044b0068054b0168064b0275752e",
        "80049549000000000000007d94288c0a766f6361625f73697a65944b038c0469746f73947d94284b008c0162944b018c010a944b028c02c3a994758c"
            + "0473746f69947d942868044b0068054b0168064b0275752e",
    ]

    private func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = Array(hexadecimal)
        return stride(from: 0, to: digits.count - 1, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
    }

    private func write(_ pickle: [UInt8]) throws -> String {
        let path = folder.path + "/meta.pkl"
        try Data(pickle).write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test(arguments: protocols) func whatPythonWritesIsRead(_ text: String) throws {
        let path = try write(bytes(text))
        let meta = try NanoGPTMeta.read(path)
        #expect(meta.vocabSize == 3)
        // The ids are the file's, not those of the order of code points.
        let tokenizer = try #require(meta.tokenizer)
        #expect(try tokenizer.encode("é\nb") == [2, 1, 0] && tokenizer.decode([0, 2, 1]) == "bé\n" && tokenizer.name == "char")
        // As a run keeps it.
        let kept = try TokenizerLoader().load(spec: folder.write("tokenizer.json", tokenizer.tokenizerJSON()))
        #expect(try kept.encode("é\nb") == [2, 1, 0] && kept.tokenizerJSON() == tokenizer.tokenizerJSON())
        #expect(try TokenizerLoader().load(spec: path).decode([2, 0]) == "éb")
    }

    /// Opcodes for a text, a number, a dictionary.
    private static func text(_ text: String) -> [UInt8] { [0x8c, UInt8(text.utf8.count)] + Array(text.utf8) }
    private static func dictionary(_ pairs: [([UInt8], [UInt8])]) -> [UInt8] {
        Array("}(".utf8) + pairs.flatMap { $0.0 + $0.1 } + Array("u".utf8)
    }
    private static func meta(_ pairs: [(String, [UInt8])]) -> [UInt8] {
        [0x80, 4] + dictionary(pairs.map { (text($0.0), $0.1) }) + [0x2e]
    }
    private static func number(_ value: UInt8) -> [UInt8] { [0x4b, value] }

    @Test func otherFormsAreUnderstood() throws {
        let list = Array("](".utf8) + Self.text("x") + Self.text("y") + Array("e".utf8)
        let byList = try NanoGPTMeta.read(write(Self.meta([("vocab_size", Self.number(2)), ("itos", list)])))
        #expect(try byList.tokenizer?.encode("yx") == [1, 0])
        let stoi = Self.dictionary([(Self.text("q"), Self.number(1)), (Self.text("p"), Self.number(0))])
        let byText = try NanoGPTMeta.read(write(Self.meta([("vocab_size", Self.number(2)), ("stoi", stoi)])))
        #expect(try byText.tokenizer?.encode("pq") == [0, 1])
        // A number alone tells the size of the model, and texts of several characters are some other tokenizer's.
        let alone = try NanoGPTMeta.read(write(Self.meta([("vocab_size", Self.number(200))])))
        #expect(alone.vocabSize == 200 && alone.tokenizer == nil)
        let words = Self.dictionary([(Self.number(0), Self.text("the"))])
        let path = try write(Self.meta([("vocab_size", Self.number(1)), ("itos", words)]))
        #expect(try NanoGPTMeta.read(path).tokenizer == nil)
        #expect(throws: TokenizerError.self) { try TokenizerLoader().load(spec: path) }
    }

    @Test func anythingElseIsRefusedWithASentence() throws {
        let size = Self.number(3)
        let system = bytes(
            "80049539000000000000007d94288c0a766f6361625f73697a65948c05706f736978948c0673797374656d9493948c047472756594859452948c"
                + "0469746f73947d94752e")
        let cases: [([UInt8], String)] = [
            (system, "it asks for 'posix.system', which vocabularies do not need; Apus runs no code from a file"),
            ([0x80, 2] + Array("cos\nsystem\n.".utf8), "it asks for 'os.system'"),
            ([0x80, 4] + Self.text("builtins") + Self.text("eval") + [0x93, 0x2e], "it asks for 'builtins.eval'"),
            ([0x80, 2] + Array("ctorch\nFloatStorage\n.".utf8), "it asks for 'torch.FloatStorage'"),
            ([0x80, 2] + Array("(tQ.".utf8), "it refers to something outside of it, which vocabularies do not need"),
            ([0x80, 4, 0x97, 0x2e], "the pickle opcode 0x97, which vocabularies do not need"),
            ([0x80, 4] + Self.text("no"), "it ends early"), ([0x80, 4, 0x4e, 0x2e], "it holds no dictionary"),
            ([], "it ends early"),
            (Self.meta([("itos", size)]), "it has no whole number vocab_size"),
            (Self.meta([("vocab_size", [0x8a, 4, 0, 0, 0, 0x7f])]), "it has no whole number vocab_size from 1 to 16777216"),
            (Self.meta([("vocab_size", size), ("itos", size)]), "its itos is neither a dictionary nor a list"),
            (Self.meta([("vocab_size", size), ("stoi", size)]), "its stoi is no dictionary"),
            (Self.meta([("vocab_size", size), ("itos", Self.dictionary([]))]), "fewer entries than vocab_size 3"),
            (
                Self.meta([("vocab_size", size), ("itos", Self.dictionary([(Self.number(3), Self.text("a"))]))]),
                "is not a text with an id below vocab_size 3"
            ),
        ]
        for (pickle, reason) in cases {
            let path = try write(pickle)
            let error = #expect(throws: TokenizerError.self) { try NanoGPTMeta.read(path) }
            let sentence = error?.description ?? ""
            #expect(sentence.contains(reason) && sentence.hasPrefix("'\(path)' is not used: "), "\(sentence)")
        }
    }

    /// Every byte of a good file changed in turn: refused or read, never a trap.
    @Test func damageNeverTraps() throws {
        let whole = bytes(Self.protocols[1])
        var refused = 0
        for place in whole.indices {
            for change in [UInt8(1), 0x20, 0x80, 0xff] {
                var pickle = whole
                pickle[place] ^= change
                do { _ = try NanoGPTMeta.read(write(pickle)) } catch is TokenizerError { refused += 1 }
            }
        }
        #expect(refused > 100)
    }
}
