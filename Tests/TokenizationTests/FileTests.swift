// SPDX-License-Identifier: MIT
import Foundation
import Storage
import Testing
import Tokenization

@Suite struct FileTests {
    private let folder: TemporaryFolder
    private let loader = TokenizerLoader(environment: [:])

    init() throws { folder = try TemporaryFolder() }

    // ---- Round trips ------------------------------------------------------------------------------------------------

    @Test func tokenizerJSONReadsBackByteForByte() throws {
        let tokenizer = try sampleTokenizer()
        let json = try tokenizer.tokenizerJSON()
        let loaded = try #require(loader.load(spec: folder.write("tokenizer.json", json)) as? BPETokenizer)
        #expect(try loaded.tokenizerJSON() == json)
        #expect(loaded.name == "bpe")
        #expect(loaded.fingerprint == tokenizer.fingerprint)
        #expect(loaded.endOfText == tokenizer.endOfText)
        #expect(loaded.vocabularySize == tokenizer.vocabularySize)
        #expect(try loaded.encode(sampleText) == tokenizer.encode(sampleText))
        #expect(try loader.load(spec: folder.path).tokenizerJSON() == json)
        #expect(try JSONSerialization.jsonObject(with: Data(json.utf8)) is [String: Any])
    }

    @Test(arguments: SplitPattern.allCases) func everyPatternReadsBack(pattern: SplitPattern) throws {
        let json = try self.json(pattern: pattern)
        let loaded = try #require(loader.load(spec: folder.write("\(pattern).json", json)) as? BPETokenizer)
        #expect(loaded.splitPattern == pattern)
        let written = try loaded.tokenizerJSON()
        let again = try loader.load(spec: folder.write("again-\(pattern).json", written))
        #expect(try again.tokenizerJSON() == written)
        #expect(try again.encode(sampleText) == loaded.encode(sampleText))
        #expect(try loaded.decode(loaded.encode(sampleText)) == sampleText)
    }

    /// Writes the sample tokenizer as `transformers` saves one in Python, with one token behind those of the merges.
    private func writeSlow(_ configuration: String?, added: String? = nil) throws {
        let root = try #require(
            JSONSerialization.jsonObject(with: Data(sampleTokenizer().tokenizerJSON().utf8)) as? [String: Any])
        let model = try #require(root["model"] as? [String: Any])
        let merges = try #require(model["merges"] as? [String])
        let vocabulary = try JSONSerialization.data(withJSONObject: try #require(model["vocab"]))
        _ = try folder.write("vocab.json", String(decoding: vocabulary, as: UTF8.self))
        _ = try folder.write("merges.txt", "#version: 0.2\n" + merges.joined(separator: "\n") + "\n")
        if let configuration { _ = try folder.write("tokenizer_config.json", configuration) }
        if let added { _ = try folder.write("added_tokens.json", added) }
    }

    @Test func slowTokenizersReadAsTheirJSONDoes() throws {
        let tokenizer = try sampleTokenizer()
        try writeSlow(nil)
        for spec in ["", "/vocab.json", "/merges.txt"] {
            let loaded = try #require(loader.load(spec: folder.path + spec) as? BPETokenizer)
            #expect(loaded.fingerprint == tokenizer.fingerprint)
            #expect(try loaded.tokenizerJSON() == tokenizer.tokenizerJSON())
        }
    }

    @Test func slowTokenizersOfQwenSplitAsItDoes() throws {
        let next = try sampleTokenizer().vocabularySize
        try writeSlow(
            """
            {"tokenizer_class": "Qwen2TokenizerFast", "add_prefix_space": false,
             "added_tokens_decoder": {"\(next)": {"content": "<|im_end|>", "special": true}}}
            """, added: "{\"<|im_end|>\": \(next), \"<tool>\": \(next + 1)}")
        let loaded = try #require(loader.load(spec: folder.path) as? BPETokenizer)
        #expect(loaded.splitPattern == .qwen2)
        #expect(loaded.normalizes)
        #expect(loaded.addedTokens.suffix(2).map(\.content) == ["<|im_end|>", "<tool>"])
        #expect(loaded.addedTokens.suffix(2).map(\.isSpecial) == [true, false])
        #expect(try loaded.encode("<tool>") == [UInt32(next + 1)])
        #expect(try loaded.encode("<|im_end|>").count > 1)
        // What it writes reads back as the same tokenizer.
        let again = try loader.load(spec: folder.write("again.json", loaded.tokenizerJSON()))
        #expect(try again.tokenizerJSON() == loaded.tokenizerJSON())
    }

    @Test(
        arguments: [
            ("{\"tokenizer_class\": \"LlamaTokenizer\"}", nil, "LlamaTokenizer"),
            ("{\"tokenizer_class\": \"GPT2Tokenizer\", \"add_prefix_space\": true}", nil, "add_prefix_space"),
            ("{\"added_tokens_decoder\": {\"x\": {\"content\": \"<a>\"}}}", nil, "'x'"),
            ("{\"added_tokens_decoder\": {\"400\": {\"content\": \"<a>\", \"lstrip\": true}}}", nil, "lstrip"),
            ("{}", "{\"<a>\": -1}", "'<a>'"), ("[", nil, "not valid JSON"),
        ] as [(String, String?, String)])
    func slowTokenizersThatAreNotUnderstoodAreRefused(configuration: String, added: String?, named: String) throws {
        try writeSlow(configuration, added: added)
        let error = #expect(throws: TokenizerError.self) { try loader.load(spec: folder.path) }
        #expect(error?.message.contains(named) == true, "\(error?.message ?? "")")
    }

    /// The sample tokenizer's file with another pattern.
    private func json(pattern: SplitPattern) throws -> String {
        let step = "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": \(pattern == .gpt2)}"
        guard let regex = pattern.regex, pattern != .gpt2 else { return try changed("pre_tokenizer", step) }
        let quoted = String(decoding: try JSONEncoder().encode(regex), as: UTF8.self)
        return try changed(
            "pre_tokenizer",
            """
            {"type": "Sequence", "pretokenizers": [
              {"type": "Split", "pattern": {"Regex": \(quoted)}, "behavior": "Isolated", "invert": false}, \(step)]}
            """)
    }

    /// The sample tokenizer's file with one member of the root, or of the model, replaced.
    private func changed(_ key: String, _ value: String, inModel: Bool = false) throws -> String {
        var root = try #require(
            JSONSerialization.jsonObject(with: Data(sampleTokenizer().tokenizerJSON().utf8)) as? [String: Any])
        let new = try JSONSerialization.jsonObject(with: Data(value.utf8), options: .fragmentsAllowed)
        if inModel {
            var model = try #require(root["model"] as? [String: Any])
            model[key] = new
            root["model"] = model
        } else {
            root[key] = new
        }
        return String(decoding: try JSONSerialization.data(withJSONObject: root), as: UTF8.self)
    }

    @Test func mergesMayBePairs() throws {
        let tokenizer = try sampleTokenizer()
        let root = try JSONSerialization.jsonObject(with: Data(tokenizer.tokenizerJSON().utf8)) as? [String: Any]
        let lines = try #require((root?["model"] as? [String: Any])?["merges"] as? [String])
        let pairs = try JSONSerialization.data(withJSONObject: lines.map { $0.split(separator: " ").map(String.init) })
        let json = try changed("merges", String(decoding: pairs, as: UTF8.self), inModel: true)
        let loaded = try loader.load(spec: folder.write("pairs.json", json))
        #expect(try loaded.tokenizerJSON() == tokenizer.tokenizerJSON())
    }

    @Test func nfcComposesTheText() throws {
        let json = try changed("normalizer", #"{"type": "NFC"}"#)
        let loaded = try #require(loader.load(spec: folder.write("nfc.json", json)) as? BPETokenizer)
        #expect(loaded.normalizes)
        #expect(try loaded.decode(loaded.encode("e\u{301} a\u{30A}b")).utf8.elementsEqual("\u{E9} \u{E5}b".utf8))
        #expect(try loader.load(spec: folder.write("2.json", loaded.tokenizerJSON())).tokenizerJSON() == loaded.tokenizerJSON())
    }

    @Test func addedTokensThatAreNotSpecialStandForTheirCharacters() throws {
        let json = try changed(
            "added_tokens",
            """
            [{"id": 319, "content": "<|endoftext|>", "special": true}, {"id": 410, "content": "<tool>", "special": false},
             {"id": 411, "content": "<tool>s", "special": false}]
            """)
        let loaded = try #require(loader.load(spec: folder.write("added.json", json)) as? BPETokenizer)
        #expect(loaded.vocabularySize == 412)
        #expect(try loaded.encode("a<tool>b<tool>s") == loaded.encode("a") + [410] + loaded.encode("b") + [411])
        #expect(try !loaded.encode("<|endoftext|>").contains(319))
        #expect(loaded.bytes(of: 405) == [])
        #expect(try loader.load(spec: folder.write("2.json", loaded.tokenizerJSON())).tokenizerJSON() == loaded.tokenizerJSON())
    }

    /// Hugging Face gives an added token that the vocabulary has already the id it has there: a "!" for padding is one.
    @Test func addedTokensOfTheVocabularyStayTokensOfTheModel() throws {
        let plain = try sampleTokenizer()
        let mark = try #require(plain.id(of: Array("!".utf8)))
        // Some token that a merge makes, and of which others are made.
        let whole = try #require(
            (256..<UInt32(plain.vocabularySize)).first { plain.bytes(of: $0).allSatisfy { (97...122).contains($0) } })
        let text = String(decoding: plain.bytes(of: whole), as: UTF8.self)
        let json = try changed(
            "added_tokens",
            """
            [{"id": \(mark), "content": "!", "special": true}, {"id": \(whole), "content": "\(text)", "special": true},
             {"id": 319, "content": "<|endoftext|>", "special": true}]
            """)
        let loaded = try #require(loader.load(spec: folder.write("known.json", json)) as? BPETokenizer)
        #expect(try loaded.encode(sampleText + "! \(text)!") == plain.encode(sampleText + "! \(text)!"))
        #expect(loaded.addedTokens.map(\.id).contains(mark) && loaded.bytes(of: mark) == [33])
        let written = try loaded.tokenizerJSON()
        let again = try #require(loader.load(spec: folder.write("again.json", written)) as? BPETokenizer)
        #expect(try again.tokenizerJSON() == written && again.fingerprint == loaded.fingerprint)
    }

    @Test func wholeWordsComeFirstWithIgnoreMerges() throws {
        // "abc" is a token, but no merge makes it.
        let letters = (UInt8.min...UInt8.max).map { String(Character(naiveByteCharacter($0))) } + ["abc"]
        let vocabulary = Dictionary(uniqueKeysWithValues: letters.enumerated().map { ($1, $0) })
        let text = String(decoding: try JSONSerialization.data(withJSONObject: vocabulary), as: UTF8.self)
        for ignore in [true, false] {
            let json = """
                {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
                 "model": {"type": "BPE", "ignore_merges": \(ignore), "vocab": \(text), "merges": []}}
                """
            let loaded = try loader.load(spec: folder.write("\(ignore).json", json))
            #expect(try loaded.encode("abc abcd").count == (ignore ? 1 + 5 : 3 + 5))
        }
    }

    @Test func rankFilesAreRead() throws {
        let tokenizer = try sampleTokenizer()
        let lines = (UInt32(0)..<319).map { "\(Data(tokenizer.bytes(of: $0)).base64EncodedString()) \($0)" }
        let path = try folder.write("sample.tiktoken", lines.joined(separator: "\n") + "\n")
        let loaded = try #require(loader.load(spec: path, split: .gpt2) as? BPETokenizer)
        #expect(try loaded.encode(sampleText) == tokenizer.encode(sampleText))
        #expect(loaded.endOfText == 319)
        let again = try loader.load(spec: folder.write("t.json", loaded.tokenizerJSON()))
        #expect(try again.encode(sampleText) == tokenizer.encode(sampleText))
        #expect(
            message { try loader.load(spec: path) } == "'\(path)' has 319 tokens and does not say how texts are split; known are "
                + "50256, 50280, 100256, 128000, 151643 tokens "
                + "(GPT-2, p50k, cl100k, Llama-3, Qwen); use the model's tokenizer.json"
        )
        let bad = try folder.write("bad.tiktoken", "IQ== 0\nIQ==\n")
        let valid = "not a token (at most 1024 bytes) in base64 and its rank below 65568"
        #expect(message { try loader.load(spec: bad) } == "'\(bad)', line 2: \(valid)")
        // One number or one line must not decide how much memory and time a small file takes.
        for line in ["Ig== 16777214", "Ig== 65568", Data(repeating: 7, count: 1025).base64EncodedString() + " 1"] {
            let path = try folder.write("costly.tiktoken", "IQ== 0\n\(line)\n")
            #expect(message { try loader.load(spec: path, split: .gpt2) } == "'\(path)', line 2: \(valid)")
        }
        let twice = try folder.write("twice.tiktoken", "IQ== 0\nIg== 0\n")
        #expect(message { try loader.load(spec: twice) } == "'\(twice)', line 2: rank 0 is there twice")
    }

    @Test func mergeFilesAreRead() throws {
        let path = try folder.write("vocab.bpe", "#version: 0.2\nh e\nĠ he\n")
        let loaded = try loader.load(spec: path)
        #expect(loaded.vocabularySize == 259)
        #expect(loaded.endOfText == 258)
        #expect(try loaded.encode("he he") == [256, 257])
        #expect(loaded.bytes(of: 257) == Array(" he".utf8))
        let bad = try folder.write("bad.bpe", "#version: 0.2\nh e\nhe\n")
        #expect(message { try loader.load(spec: bad) } == "'\(bad)', line 3: 'he' is not a merge (two tokens, one blank between)")
        let missing = try folder.write("missing.bpe", "hx e\n")
        #expect(message { try loader.load(spec: missing) } == "'\(missing)': merge 1 needs the token 'hx', which has no id")
    }

    // ---- Errors -----------------------------------------------------------------------------------------------------

    private func message(_ body: () throws -> Any) -> String {
        do { return "no error, but \(try body())" } catch { return "\(error)" }
    }

    @Test(arguments: [
        ("normalizer", #"{"type": "Lowercase"}"#, "the normalizer is \"Lowercase\" (NFC is known)"),
        ("pre_tokenizer", "null", "there is no pre_tokenizer, so tokens are not bytes"),
        ("pre_tokenizer", #"{"type": "Metaspace"}"#, "the pre_tokenizer \"Metaspace\" stands where Split or ByteLevel may"),
        ("pre_tokenizer", #"{"type": "ByteLevel", "add_prefix_space": true}"#, "the pre_tokenizer has add_prefix_space"),
        (
            "pre_tokenizer", #"{"type": "Split", "pattern": {"Regex": "\\d"}, "behavior": "Isolated", "invert": false}"#,
            "the pre_tokenizer splits by the pattern \\d"
        ),
        ("decoder", #"{"type": "WordPiece"}"#, "the decoder is \"WordPiece\""),
        ("added_tokens", #"[{"id": 1, "content": "x", "special": false, "lstrip": true}]"#, "the added token 'x' has lstrip"),
        ("model", #"{"type": "Unigram"}"#, "the model's type is \"Unigram\""),
        ("model", #"{"type": "BPE", "byte_fallback": true}"#, "the model has byte_fallback (SentencePiece)"),
        ("model", #"{"type": "BPE", "end_of_word_suffix": "</w>"}"#, "the model has end_of_word_suffix \"</w>\""),
    ]) func whatIsNotDoneIsRefusedByName(key: String, value: String, reason: String) throws {
        let path = try folder.write("t.json", changed(key, value))
        #expect(
            message { try loader.load(spec: path) }
                == "'\(path)': \(reason); Apus reads byte-level BPE tokenizers (GPT-2, GPT-4, Llama-3, Qwen-2) and its own")
    }

    @Test(arguments: [
        ("{}", "there is no \"model\"; is it a Hugging Face tokenizer.json?"),
        (#"{"model": {"type": "BPE"}}"#, "the model has no \"vocab\""),
        (#"{"model": {"vocab": {"a": 0, "b": 0}}}"#, "id 0 is given to two tokens, one of them 'b'"),
        (#"{"model": {"vocab": {"a": -1}}}"#, "token 'a' has no valid id (a whole number below 65552)"),
        (#"{"model": {"vocab": {"a": 1e300}}}"#, "token 'a' has no valid id (a whole number below 65552)"),
        (#"{"model": {"vocab": {"a": 16777214}}}"#, "token 'a' has no valid id (a whole number below 65552)"),
        (#"{"model": {"vocab": {"a": 0}, "merges": ["a"]}}"#, "merge 1 is neither \"a b\" nor [\"a\", \"b\"]"),
        (#"{"model": {"vocab": {"a": 0}, "merges": ["a a"]}}"#, "merge 1 needs the token 'aa', which has no id"),
        (#"{"model": {"vocab": {}}, "added_tokens": [{"id": 1}]}"#, "added token 1 has no valid \"id\" and \"content\""),
        (
            #"{"model": {"vocab": {}}, "added_tokens": [{"id": 1, "content": "x"}, {"id": 1, "content": "y"}]}"#,
            "the added tokens 'x' and 'y' have the same id 1"
        ),
        (
            #"{"model": {"type": "char", "vocab": {"b": 0, "a": 2}}}"#,
            "entry 2 of \"vocab\" is not one character, found nowhere else, with id 1"
        ),
    ]) func damagedFilesAreExplained(json: String, reason: String) throws {
        let path = try folder.write("t.json", json)
        #expect(message { try loader.load(spec: path) } == "'\(path)': \(reason)")
    }

    @Test func vocabulariesWithoutBytesAreRefused() throws {
        let one = try folder.write(
            "one.json", #"{"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "model": {"vocab": {"a": 0}}}"#)
        #expect(
            message { try loader.load(spec: one) }
                == "'\(one)': the vocabulary has no token for byte 0x0; Apus reads byte-level BPE, where each of the 256 bytes has one"
        )
        let piece = try folder.write("piece.json", #"{"model": {"vocab": {"▁a": 0}}}"#)
        #expect(
            message { try loader.load(spec: piece) }
                == "'\(piece)': token '▁a' (id 0) is not written in the byte-level alphabet; "
                + "Apus reads byte-level BPE such as GPT-2's, not SentencePiece")
    }

    @Test func whatIsNoJSONIsRefused() throws {
        let deep = String(repeating: "[", count: 100_000)
        let texts = [
            "", "{", "{\"a\": tru}", "[1,]", "{\"a\" 1}", "\"\\ud800\"", "\"\\x\"", "\"a\nb\"", "1 2", "{\"a\":1,}", "nul", deep,
            "\"\\u12", "{\"model\": {\"vocab\": {\"a\": 0, \"a\": 1}}}", "{\"a\": 01}", "{\"a\": 1e999}",
        ]
        for text in texts {
            let path = try folder.write("t.json", text)
            #expect(message { try loader.load(spec: path) }.hasPrefix("'\(path)' is not valid JSON: line "), "\(text.prefix(20))")
        }
        let twice = try folder.write("t.json", "{\n \"a\": 0,\n \"a\": 1}")
        #expect(
            message { try loader.load(spec: twice) }
                == "'\(twice)' is not valid JSON: line 3, byte 15 of 19: the key 'a' comes twice; fetch or write it again")
    }

    @Test func anythingElseIsExplained() throws {
        #expect(
            message { try loader.load(spec: "nothing/here") }
                == "there is no tokenizer 'nothing/here'; give 'gpt2', or the path of a "
                + "tokenizer.json, a .tiktoken file, a vocab.bpe, a vocab.json beside its merges.txt, or a folder with one of them"
        )
        let empty = folder.path
        #expect(
            message { try loader.load(spec: empty) }
                == "the folder '\(empty)' has no tokenizer.json, vocab.bpe, meta.pkl, vocab.json with merges.txt or (one) "
                + ".tiktoken file; give another folder or a file")
        let other = try folder.write("spiece.model", "x")
        #expect(
            message { try loader.load(spec: other) }
                == "'\(other)' is no known kind of tokenizer file; known are tokenizer.json, "
                + "*.tiktoken, vocab.bpe, vocab.json with merges.txt, and nanoGPT's meta.pkl")
        #expect(
            message { try loader.load(spec: "bpe:8192") }.hasPrefix("the tokenizer 'bpe:8192' is built from data: `apus prepare"))
        #expect(message { try loader.load(spec: "char") }.hasPrefix("the tokenizer 'char' is built from data: `apus prepare"))
    }

    // ---- GPT-2's files ----------------------------------------------------------------------------------------------

    @Test func gpt2IsLookedForAndFetched() throws {
        let place = folder.path
        #expect(
            message { try loader.load(spec: "gpt2") }
                == "neither XDG_CACHE_HOME nor HOME is set; name the folder of GPT-2's files with --vocab DIR")
        #expect(
            message { try loader.load(spec: "gpt2", vocabularyFolder: place) }.hasPrefix(
                "GPT-2's 'vocab.bpe' is not in '\(place)'; fetch https://"))
        let environment = ["XDG_CACHE_HOME": place + "/cache"]
        #expect(TokenizerLoader(environment: ["HOME": "/h"]).cacheFolder == "/h/.cache/apus/gpt2")
        #expect(message { try TokenizerLoader(environment: environment).load(spec: "gpt2") }.contains("--vocab DIR"))
        let broken = TokenizerLoader(download: { _, _ in throw CocoaError(.fileReadUnknown) }, environment: environment)
        #expect(message { try broken.load(spec: "gpt2") }.contains("could not be fetched"))
        let wrong = TokenizerLoader(
            download: { _, path in try Data("wrong".utf8).write(to: URL(fileURLWithPath: path)) }, environment: environment)
        #expect(message { try wrong.load(spec: "gpt2") }.contains("is not GPT-2's file: its SHA-256 is"))
        // What was fetched wrongly is not kept.
        #expect(Folder.names(place + "/cache/apus/gpt2") == [])
    }

    @Test func gpt2IsFetchedOnce() throws {
        guard let source = sharedPath("data/gpt2", for: "fetching GPT-2's files") else { return }
        let copy: TokenizerLoader.Download = { url, path in
            try FileManager.default.copyItem(atPath: source + "/" + (url as NSString).lastPathComponent, toPath: path)
        }
        let environment = ["XDG_CACHE_HOME": folder.path]
        let first = try TokenizerLoader(download: copy, environment: environment).load(spec: "gpt2")
        let second = try TokenizerLoader(environment: environment).load(spec: "gpt2")
        #expect(first.name == "gpt2" && second.name == "gpt2")
        #expect(Folder.names(folder.path + "/apus/gpt2") == ["encoder.json", "vocab.bpe"])
    }
}
