// SPDX-License-Identifier: MIT
import Foundation
import Testing
import Tokenization

/// GPT-2's own ids, by tiktoken, for 1500 hard texts.
@Suite struct GoldenTests {
    private struct Case: Decodable {
        let text: String
        let ids: [UInt32]
    }

    @Test func gpt2IdsAreTiktokens() throws {
        guard let cases = sharedPath("golden/gpt2_tokens.jsonl", for: "GPT-2's golden ids"),
            let folder = sharedPath("data/gpt2", for: "GPT-2's golden ids")
        else { return }
        let tokenizer = try TokenizerLoader().load(spec: "gpt2", vocabularyFolder: folder)
        #expect(tokenizer.name == "gpt2")
        #expect(tokenizer.vocabularySize == 50257)
        #expect(tokenizer.endOfText == 50256)
        let encoder = tokenizer.makeEncoder()
        var count = 0
        for line in try Data(contentsOf: URL(fileURLWithPath: cases)).split(separator: 10) {
            let golden = try JSONDecoder().decode(Case.self, from: line)
            let ids = try encoder.ids(Array(golden.text.utf8))
            #expect(ids == golden.ids, "\(golden.text.prefix(60).debugDescription)")
            #expect(tokenizer.decode(ids).utf8.elementsEqual(golden.text.utf8))
            count += 1
        }
        #expect(count == 1500)
    }

    @Test func gpt2IsTheSameFromEveryFile() throws {
        guard let source = sharedPath("data/gpt2", for: "GPT-2 from other files") else { return }
        let loader = TokenizerLoader(environment: [:])
        let tokenizer = try #require(loader.load(spec: source) as? BPETokenizer)
        let folder = try TemporaryFolder()
        let json = try tokenizer.tokenizerJSON()
        let fromJSON = try loader.load(spec: folder.write("tokenizer.json", json))
        #expect(fromJSON.name == "gpt2")
        #expect(try fromJSON.tokenizerJSON() == json)
        // Without encoder.json the ids follow the order of the merges.
        try FileManager.default.copyItem(atPath: source + "/vocab.bpe", toPath: folder.path + "/vocab.bpe")
        #expect(try #require(loader.load(spec: folder.path + "/vocab.bpe") as? BPETokenizer).fingerprint == tokenizer.fingerprint)
        let lines = (0..<50256).map { "\(Data(tokenizer.bytes(of: UInt32($0))).base64EncodedString()) \($0)" }
        let ranks = try #require(loader.load(spec: folder.write("r50k.tiktoken", lines.joined(separator: "\n"))) as? BPETokenizer)
        #expect(ranks.endOfText == 50256)
        #expect(try ranks.encode(sampleText) == tokenizer.encode(sampleText))
        // The merges that the rank file does not state are found again.
        let merges =
            try json.components(separatedBy: "\"merges\"").last
            == ranks.tokenizerJSON().components(separatedBy: "\"merges\"").last
        #expect(merges)
    }
}
