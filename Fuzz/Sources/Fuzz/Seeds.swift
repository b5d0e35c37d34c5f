// SPDX-License-Identifier: MIT
import Checkpoints
import Foundation
import FuzzKit
import RunLog
import Storage
import Tokenization

/// Small files of our own writers, from which the fuzzer starts.
enum Seeds {
    static func write(into root: String) throws {
        try checkpoints(root)
        try exports(root)
        try tokenizers(root)
        try texts(root)
    }

    private static func save(_ root: String, _ target: String, _ name: String, _ bytes: [UInt8]) throws {
        try Folder.create(root + "/" + target)
        try Data(bytes).write(to: URL(fileURLWithPath: "\(root)/\(target)/\(name)"))
    }

    private static func save(_ root: String, _ target: String, _ name: String, _ text: String) throws {
        try save(root, target, name, Array(text.utf8))
    }

    private static func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

    // ---- Checkpoints -------------------------------------------------------------------------------------------------

    private static let facts = ModelFacts(
        nLayer: 1, nHead: 1, nEmbd: 2, blockSize: 2, vocabSize: 4, bias: true, activation: "gelu")

    private static func checkpoints(_ root: String) throws {
        let folder = try FuzzFolder()
        let model = facts.parameters.map { parameter in
            TensorSource(
                name: parameter.name, shape: parameter.shape,
                values: (0..<parameter.shape.reduce(1, *)).map { Float($0) / 8 })
        }
        let optimizer = model.flatMap { source in
            ["exp_avg", "exp_avg_sq"].map {
                TensorSource(name: "\(source.name).\($0)", dtype: source.dtype, shape: source.shape, fill: source.fill)
            }
        }
        try NanoGPTCheckpointWriter(facts: facts, iterNum: 3, bestValLoss: 2.5)
            .write(path: folder("a.pt"), model: model, optimizer: [])
        let archive = try ZipArchive(file: MappedFile(path: folder("a.pt")))
        // The writer aligns to 64 bytes; the kit's own zip is smaller.
        let entries = archive.entries.values.sorted { $0.name < $1.name }.map { ($0.name, Array(archive.bytes($0))) }
        try save(root, "pytorch-zip", "nanogpt", StoredZip.file(entries))
        for entry in entries where entry.0.hasSuffix("data.pkl") { try save(root, "pickle", "nanogpt", entry.1) }
        try NanoGPTCheckpointWriter(facts: facts, iterNum: 3).write(path: folder("b.pt"), model: model, optimizer: optimizer)
        let full = try ZipArchive(file: MappedFile(path: folder("b.pt")))
        for entry in full.entries.values where entry.name.hasSuffix("data.pkl") {
            try save(root, "pickle", "nanogpt-optimizer", Array(full.bytes(entry)))
        }
        _ = try SafetensorsWriter.write(path: folder("c.safetensors"), sources: model, metadata: facts.metadata)
        let weights = try bytes(folder("c.safetensors"))
        try save(root, "safetensors", "model", weights)
        let config =
            #"{"model_type":"gpt2","n_layer":1,"n_head":1,"n_embd":2,"n_positions":2,"vocab_size":4,"activation_function":"gelu_new","layer_norm_epsilon":1e-05,"n_inner":null,"tie_word_embeddings":true}"#
        try save(root, "huggingface", "gpt2", Array(config.utf8) + [0xFF] + weights)
        try save(
            root, "huggingface-index", "two",
            #"{"metadata":{"total_size":8},"weight_map":{"a":"model-00001-of-00001.safetensors","b":"model-00001-of-00001.safetensors"}}"#
        )
        let store = CheckpointStore(runFolder: folder.path)
        let state = CheckpointState(step: 3, tokensSeen: 12, nextSample: 3, seed: 7, bestValLoss: 2.5, bestStep: 3)
        let info = try store.commit(step: 3, model: model, optimizer: optimizer, state: state, facts: facts)
        let files = try [bytes(info.path + "/manifest.json"), bytes(info.path + "/state.json")]
        try save(root, "checkpoint", "commit", files[0] + [0xFF] + files[1])
        // Files of the sizes that the target has, so that reading goes on behind the manifest.
        let small = String(decoding: files[0], as: UTF8.self).replacing(#/"bytes" : \d+/#, with: #""bytes" : 10"#)
        try save(root, "checkpoint", "small", Array(small.utf8) + [0xFF] + files[1])
    }

    /// Files for other programs, as `apus convert` writes them.
    private static func exports(_ root: String) throws {
        let folder = try FuzzFolder()
        let trainer = try BPETrainer(vocabularySize: 260)
        try Array("the cat and the hat".utf8).withUnsafeBytes { try trainer.add(document: $0) }
        let tokenizer = try ExportTokenizer(json: trainer.train().tokenizer.tokenizerJSON(), name: "bpe")
        var wide = facts
        wide.vocabSize = 260
        let forms: [(ExportFormat, ModelFacts, String, String)] = [
            (.gguf, wide, "a.gguf", "gguf"), (.llmc, facts, "a.bin", "llmc-model"),
        ]
        for (format, facts, name, target) in forms {
            let tensors = facts.parameters.map { parameter in
                let count = parameter.shape.reduce(1, *)
                return TensorSource(name: parameter.name, shape: parameter.shape, values: (0..<count).map { Float($0) / 8 })
            }
            var model = ModelExport(name: "a", facts: facts, tensors: tensors)
            if format == .gguf { model.tokenizer = tokenizer }
            _ = try format.exporter.write(model, dtype: .float32, to: folder(name), calls: .system)
            try save(root, target, "model", bytes(folder(name)))
        }
    }

    // ---- Tokenizers --------------------------------------------------------------------------------------------------

    private static func tokenizers(_ root: String) throws {
        let text = "the cat and the dog and the hat, 12 34 the end; the thing that they thank them for\n"
        let trainer = try BPETrainer(vocabularySize: 270)
        try Array(text.utf8).withUnsafeBytes { try trainer.add(document: $0) }
        let bpe = try trainer.train().tokenizer
        let json = try bpe.tokenizerJSON()
        try save(root, "tokenizer-json", "bpe", json)
        try save(
            root, "tokenizer-json", "characters", CharTokenizer(characters: "abc xyz é日".unicodeScalars).tokenizerJSON())
        let model = (try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])?["model"] as? [String: Any]
        let vocabulary = try JSONSerialization.data(withJSONObject: model?["vocab"] ?? [:])
        let merges = ((model?["merges"] as? [Any]) ?? []).map { ($0 as? [String])?.joined(separator: " ") ?? "\($0)" }
        let lines = "#version: 0.2\n" + merges.joined(separator: "\n") + "\n"
        try save(root, "gpt2-files", "merges", lines)
        try save(root, "gpt2-files", "both", Array(lines.utf8) + [0xFF] + Array(vocabulary))
        let next = bpe.vocabularySize
        let configuration = """
            {"tokenizer_class": "Qwen2Tokenizer", "add_prefix_space": false,
             "added_tokens_decoder": {"\(next)": {"content": "<|im_end|>", "special": true, "lstrip": false}}}
            """
        let slow = [Array(lines.utf8), Array(vocabulary), Array(configuration.utf8), Array("{\"<tool>\": \(next + 1)}".utf8)]
        try save(root, "slow-tokenizer", "qwen2", Array(slow.joined(separator: [0xFF])))
        let tokens = (0..<256).map { [UInt8($0)] } + ["th", "the", " th", "an"].map { Array($0.utf8) }
        let ranks = tokens.enumerated().map { "\(Data($1).base64EncodedString()) \($0)\n" }.joined()
        // {"vocab_size": 2, "itos": {0: "b", 1: "\n"}}, as pickle protocol 2 has it.
        func name(_ text: String) -> [UInt8] { [0x58, UInt8(text.utf8.count), 0, 0, 0] + Array(text.utf8) }
        let characters = Array("}(K".utf8) + [0] + name("b") + Array("K".utf8) + [1] + name("\n") + Array("u".utf8)
        let meta = Array("}(".utf8) + name("vocab_size") + Array("K".utf8) + [2] + name("itos") + characters + Array("u.".utf8)
        try save(root, "nanogpt-meta", "characters", [0x80, 2] + meta)
        try save(root, "tiktoken", "ranks", "\u{1}" + ranks)
    }

    // ---- Texts -------------------------------------------------------------------------------------------------------

    private static func texts(_ root: String) throws {
        let lines = [
            #"{"text": "a \u00e9\ud83d\ude00\n", "n": [1, {"a": null}]}"#, #"{"text":null}"#, #"{"id":-1.5e3,"text":"b"}"#,
        ]
        try save(root, "jsonl", "lines", lines.joined(separator: "\n") + "\n")
        try save(root, "text", "separated", "\u{3}one<|endoftext|>two é\n\nthree<|endoftext|>")
        try save(root, "text", "paragraphs", "\u{11}one\n\ntwo\n\n\nthree")
        try save(root, "token-file", "plain", [0] + (0..<64).map { UInt8($0 % 7) })
        try save(root, "token-file", "wide", [5] + (0..<64).map { UInt8($0 % 4 == 0 ? 9 : 0) })
        let header = [Int32(20_240_520), 1, 40].flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        try save(root, "token-file", "llmc", [0] + header + [UInt8](repeating: 0, count: 1012) + (0..<80).map { UInt8($0) })
        try save(
            root, "nanogpt-config", "plain",
            "# train\nn_layer = 6\nn_head=2 * 3\nlearning_rate = 1e-3 # peak\nwandb_log = f()\nmax_iters = 5000 // 2 ** 2\n"
                + "bias = False\nout_dir = 'a' \n")
        try save(
            root, "toml-config", "plain",
            "# train\nn_layer = 6\nlearning_rate = 1e-3\nbias = false\nlr_schedule = \"cosine\"\nout_dir = 'a'\nmax_iters = 1_000\n"
        )
        try save(
            root, "http-response", "redirect",
            "\u{20}HTTP/1.1 302 Found\r\nLocation: /b\r\n\r\nHTTP/2 206\r\nContent-Range: bytes 5-9/10\r\n"
                + "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\nETag: \"a\"\r\n\r\nbody")
    }
}
