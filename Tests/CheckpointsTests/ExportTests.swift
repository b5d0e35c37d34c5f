// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import Storage
import TestKit
import Testing

/// A byte-level tokenizer of ten tokens, two of them made by merges, as Apus writes `tokenizer.json`.
private let smallTokenizer = """
    {"version": "1.0", "added_tokens": [{"id": 9, "content": "<|endoftext|>", "special": true}], "normalizer": null,
     "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
     "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "Ġ": 2, "Ċ": 3, "\\"": 4, "é": 5, "c": 6, "ab": 7, "Ġab": 8,
     "<|endoftext|>": 9}, "merges": ["a b", ["Ġ", "ab"]]}}
    """

@Suite struct ExportTests {
    /// A model as a run's checkpoint gives it, with padding: 12 rows for 10 tokens.
    private func model(bias: Bool = true, activation: String = "gelu", tokenizer: Bool = true) throws -> ModelExport {
        var facts = smallFacts
        facts.bias = bias
        facts.activation = activation
        facts.vocabSize = 12
        var export = ModelExport(name: "tiny", facts: facts, tensors: sources(facts), optimizer: moments(facts))
        if tokenizer { export.tokenizer = try ExportTokenizer(json: smallTokenizer, name: "bpe") }
        return export
    }

    private func write(_ model: ModelExport, _ format: ExportFormat, _ dtype: ExportDType = .float32, to path: String) throws
        -> ExportResult
    {
        let exporter = format.exporter, path = exporter.destination(path)
        try Folder.create(Paths.parent(of: path))
        return try exporter.write(model, dtype: dtype, to: path, calls: .system)
    }

    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    private func expectSame(_ read: ModelSource, _ written: ModelExport) throws {
        #expect(read.facts == written.facts)
        for (one, other) in zip(read.tensors, written.tensors) {
            #expect(one.name == other.name)
            #expect(one.shape == other.shape)
            #expect(try one.floats() == other.floats(), "\(one.name)")
        }
    }

    // MARK: Rounding

    /// The value of a half by its definition (IEEE 754-2019, 3.4).
    private func value(_ bits: UInt16) -> Double {
        let exponent = Int(bits >> 10 & 31), fraction = Double(bits & 1023)
        let size = exponent == 0 ? fraction * 0x1p-24 : (1024 + fraction) * scalbn(1, exponent - 25)
        return bits & 0x8000 == 0 ? size : -size
    }

    @Test func halvesAreTheNearestTiesToEven() {
        for (float, bits) in [
            (1, 0x3c00), (-2, 0xc000), (65504, 0x7bff), (65519.996, 0x7bff), (65520, 0x7c00), (-1e30, 0xfc00), (0, 0),
            (-0.0, 0x8000),
            (1 + 0x1p-11, 0x3c00), (1 + 3 * 0x1p-11, 0x3c02), ((1 + 0x1p-11 as Float).nextUp, 0x3c01), (0x1p-14, 0x0400),
            (0x1p-24, 1), (0x1p-25, 0), ((0x1p-25 as Float).nextUp, 1), (1.5 * 0x1p-24, 2), (2.5 * 0x1p-24, 2),
            (1023.5 * 0x1p-24, 0x0400), (1022.5 * 0x1p-24, 0x03fe), (.infinity, 0x7c00), (.leastNonzeroMagnitude, 0),
        ] as [(Float, UInt16)] {
            #expect(Half.bits(float) == bits, "\(float)")
        }
        let nan = Half.bits(.nan)
        #expect(nan & 0x7c00 == 0x7c00 && nan & 0x3ff != 0)
        // Random bit patterns of halves' range: no neighbour is nearer, and of two equally near ones the even one is taken.
        var generator = SeededGenerator(11)
        for _ in 0..<200_000 {
            let pattern = UInt32.random(in: 0x3280_0000..<0x477f_e000, using: &generator)  // 2^-26 to 65504
            let float = Float(bitPattern: pattern), bits = Half.bits(float), error = abs(value(bits) - Double(float))
            for neighbour in [bits &- 1, bits &+ 1] where neighbour < 0x7c00 {
                let other = abs(value(neighbour) - Double(float))
                #expect(error < other || (error == other && bits & 1 == 0), "\(float)")
            }
        }
        for bits in 0..<UInt16(0x7c00) { #expect(Half.bits(Float(value(bits))) == bits) }
    }

    @Test func narrowWeightsAreReadBackRounded() throws {
        let folder = try TemporaryFolder(), model = try model()
        for (dtype, round) in [
            (ExportDType.bfloat16, { BFloat16.float(BFloat16.bits($0)) }), (.float16, { Float(self.value(Half.bits($0))) }),
        ] as [(ExportDType, (Float) -> Float)] {
            let path = folder.file(dtype.rawValue)
            let result = try write(model, .safetensors, dtype, to: path)
            let read = try ModelSource.open(path: path)
            #expect(read.facts == model.facts)
            // The tokenizer, which the file cannot hold, comes beside it once.
            #expect(result.notes == (dtype == .bfloat16 ? ["the tokenizer is in '\(folder.file("tokenizer.json"))'"] : []))
            for (one, other) in zip(read.tensors, model.tensors) { #expect(try one.floats() == other.floats().map(round)) }
        }
        var large = model
        large.tensors[0] = TensorSource(
            name: "transformer.wte.weight", shape: [12, 8], values: [Float](repeating: 7e4, count: 96))
        let error = #expect(throws: FileError.self) { try write(large, .safetensors, .float16, to: folder.file("x")) }
        #expect(error?.reason.contains("its element 0 is 70000.0 and float16 ends at 65504") == true, "\(error?.reason ?? "")")
        #expect(!FileManager.default.fileExists(atPath: folder.file("x")))
    }

    // MARK: nanoGPT

    @Test func aRunsCheckpointKeepsItsOptimizer() throws {
        let run = try TemporaryFolder(), store = CheckpointStore(runFolder: run.path)
        var state = state(step: 77)
        state.extra["updates"] = "75"  // two were skipped
        try store.commit(
            step: 77, model: sources(smallFacts), optimizer: moments(smallFacts), state: state, facts: smallFacts, best: true)
        var export = try ModelExport(try ModelSource.open(path: run.path), name: "tiny", withOptimizer: true)
        #expect(export.training.step == 77 && export.training.tokensSeen == 77 * 1024 && export.training.bestValLoss == 4.25)
        export.training.settings = [("data", .string("data/letters")), ("dataset", .string("")), ("beta2", .number(0.99))]
        let result = try write(export, .nanoGPT, to: run.file("out"))
        let read = try NanoGPTCheckpoint(path: run.file("out/ckpt.pt"))
        #expect(read.iterNum == 77 && read.optimizer.values.allSatisfy { $0.step == 75 } && read.bestValLoss == 4.25)
        #expect(read.config["dataset"]?.string == "letters" && read.groups.first?.beta2 == 0.99)
        #expect(result.notes.isEmpty && result.bytes > 0)
        for (one, other) in zip(try read.optimizerSources(), moments(smallFacts)) {
            #expect(one.name == other.name)
            #expect(try one.floats() == other.floats())
        }
        // And from nanoGPT's file once more: the same checkpoint.
        let again = try ModelExport(try ModelSource.open(path: run.file("out")), name: "tiny", withOptimizer: true)
        _ = try write(again, .nanoGPT, to: run.file("again.pt"))
        let second = try NanoGPTCheckpoint(path: run.file("again.pt"))
        #expect(second.iterNum == 77 && second.optimizer.values.allSatisfy { $0.step == 75 } && second.groups == read.groups)
        #expect(try second.optimizerSources().map { try $0.floats() } == read.optimizerSources().map { try $0.floats() })
        // A damaged optimizer is not passed on.
        let path = run.file("checkpoints/step-00000077/optimizer.safetensors")
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count - 1] ^= 1
        try overwrite(path, bytes)
        let source = try ModelSource.open(path: run.path)
        #expect(throws: FileError.self) { try ModelExport(source, name: "tiny", withOptimizer: true) }
        #expect(throws: Never.self) { try ModelExport(source, name: "tiny", withOptimizer: false) }
    }

    @Test func charactersGetTheirTable() throws {
        let folder = try TemporaryFolder()
        var model = try model(tokenizer: false)
        model.optimizer = []
        model.tokenizer = try ExportTokenizer(
            json: #"{"model": {"type": "char", "vocab": {"\n": 0, "a": 1, "é": 2}}}"#, name: "char")
        let result = try write(model, .nanoGPT, to: folder.file("out"))
        #expect(
            result.notes.contains { $0.contains("AdamW's averages at zero") } && result.notes.contains { $0.contains("meta.pkl") }
        )
        // A dictionary of plain values, protocol 2: what Python's pickle.load reads.
        let meta = try Array(Data(contentsOf: URL(fileURLWithPath: folder.file("out/meta.pkl"))))
        #expect(meta.starts(with: [0x80, 2, 0x7d]) && meta.last == 0x2e)
        for name in ["vocab_size", "itos", "stoi", "é"] {
            let bytes = Array(name.utf8)
            #expect(meta.indices.contains { meta[$0...].starts(with: bytes) }, "\(name)")
        }
    }

    // MARK: Hugging Face

    @Test(arguments: ["gelu", "gelu_tanh"]) func aHuggingFaceFolderComesBack(_ activation: String) throws {
        let folder = try TemporaryFolder(), model = try model(activation: activation)
        let result = try write(model, .huggingFace, to: folder.file("hf"))
        #expect(result.notes.count == 1 && result.notes[0].hasPrefix("2 rows of the vocabulary matrix that no token has"))
        let read = try ModelSource.open(path: folder.file("hf"))
        #expect(read.kind == .huggingFace && read.facts.vocabSize == 10)
        try expectSame(read, model.withoutPadding())
        #expect(
            Folder.names(folder.file("hf")) == [
                "README.md", "config.json", "generation_config.json", "merges.txt", "model.safetensors", "tokenizer.json",
                "tokenizer_config.json", "vocab.json",
            ])
        #expect(Folder.names(folder.path) == ["hf"])
        let config = try text(folder.file("hf/config.json"))
        #expect(config.contains("\"activation_function\": \"\(activation == "gelu" ? "gelu" : "gelu_new")\""))
        #expect(config.contains("\"eos_token_id\": 9") && config.contains("\"vocab_size\": 10"))
        // Conv1D stores [in, out].
        let file = try SafetensorsFile(path: folder.file("hf/model.safetensors"))
        #expect(try file.entry("transformer.h.0.attn.c_attn.weight").shape == [8, 24])
        #expect(!file.contains("lm_head.weight") && file.metadata["format"] == "pt")
        #expect(try text(folder.file("hf/merges.txt")) == "#version: 0.2\na b\nĠ ab\n")
        #expect(try text(folder.file("hf/vocab.json")).hasPrefix(#"{"a": 0, "b": 1, "Ġ": 2, "Ċ": 3, "\"": 4,"#))
    }

    @Test func biasesThatAModelLacksAreZeros() throws {
        let folder = try TemporaryFolder(), model = try model(bias: false, tokenizer: false)
        let result = try write(model, .huggingFace, .bfloat16, to: folder.file("hf"))
        #expect(result.notes.count == 1 && result.notes[0].contains("zeros were written"))
        let read = try ModelSource.open(path: folder.file("hf"))
        #expect(read.facts.bias && read.facts.vocabSize == 12)  // without a tokenizer no row is known to be padding
        let biases = read.tensors.filter { $0.name.hasSuffix(".bias") }
        #expect(biases.count == 6 * 2 + 1)
        for bias in biases { #expect(try bias.floats().allSatisfy { $0 == 0 }) }
        let weights = read.tensors.filter { !$0.name.hasSuffix(".bias") }
        for (one, other) in zip(weights, model.tensors) {
            #expect(try one.floats() == other.floats().map { BFloat16.float(BFloat16.bits($0)) }, "\(one.name)")
        }
        #expect(!Folder.names(folder.file("hf")).contains("tokenizer.json"))
        #expect(try text(folder.file("hf/config.json")).contains("\"torch_dtype\": \"bfloat16\""))
    }

    @Test func cardsSayWhatIsNotKnown() throws {
        let folder = try TemporaryFolder()
        var model = try model(tokenizer: false)
        model.name = "x\"\n# injected | `code` <script>"
        _ = try write(model, .huggingFace, to: folder.file("unknown"))
        let unknown = try text(folder.file("unknown/README.md"))
        #expect(unknown.contains("## Data\n\nNot known") && unknown.contains("## Result\n\nNot known"))
        #expect(!unknown.contains("\n# injected") && !unknown.contains("<script>"))
        model.training.step = 500
        model.training.tokensSeen = 4_096_000
        model.training.valLoss = 3.14159
        model.training.settings = [("learning_rate", .number(0.001)), ("batch_size", .integer(Int.max))]
        model.training.data = [("sources", "stories")]
        _ = try write(model, .huggingFace, to: folder.file("known"))
        let known = try text(folder.file("known/README.md"))
        for line in [
            "| updates | 500 |", "| tokens seen | 4096000 |", "| validation loss | 3.1416 nats per token |",
            "| sources | stories |",
        ] {
            #expect(known.contains(line), "\(line)")
        }
    }

    @Test func aFailingCallLeavesNothing() throws {
        let folder = try TemporaryFolder(), model = try model(), exporter = ExportFormat.huggingFace.exporter
        let counter = FaultyCalls(failing: -1)
        _ = try exporter.write(model, dtype: .float32, to: folder.file("good"), calls: counter.calls)
        // The last three calls flush the folder that holds it; before the renaming the folder itself is closed, which cannot harm.
        for number in 0..<counter.total - 3 where number != counter.total - 5 {
            #expect(throws: FileError.self, "call \(number)") {
                try exporter.write(model, dtype: .float32, to: folder.file("bad"), calls: FaultyCalls(failing: number).calls)
            }
            #expect(Folder.names(folder.path) == ["good"], "call \(number)")
        }
        // A folder that came into being meanwhile is not replaced.
        try Folder.create(folder.file("taken/inside"))
        #expect(throws: FileError.self) {
            try exporter.write(model, dtype: .float32, to: folder.file("taken"), calls: .system)
        }
        #expect(Folder.names(folder.file("taken")) == ["inside"] && Folder.names(folder.path) == ["good", "taken"])
    }

    // MARK: Tokenizers

    @Test func tokenizersAreRead() throws {
        let tokenizer = try ExportTokenizer(json: smallTokenizer, name: "bpe")
        #expect(tokenizer.kind == .byteLevelBPE && tokenizer.endOfText == 9 && tokenizer.isSplitLikeGPT2)
        #expect(tokenizer.tokens == ["a", "b", "Ġ", "Ċ", "\"", "é", "c", "ab", "Ġab", "<|endoftext|>"])
        #expect(tokenizer.merges.map(\.left) == ["a", "Ġ"] && tokenizer.merges.map(\.right) == ["b", "ab"])
        #expect(tokenizer.added.map(\.id) == [9] && tokenizer.added.map(\.content) == ["<|endoftext|>"])
        for (json, reason) in [
            ("{", "no valid JSON"), ("{}", "it has no vocabulary"), (#"{"model": {"vocab": {"a": -1}}}"#, "'a' has no valid id"),
            (#"{"model": {"vocab": {"a": 99999999999}}}"#, "'a' has no valid id"),
            (#"{"model": {"vocab": {"a": 0}, "merges": ["ab"]}}"#, "is no pair of tokens"),
        ] {
            let error = #expect(throws: FileError.self) { try ExportTokenizer(json: json, name: "x") }
            #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
        }
    }
}
