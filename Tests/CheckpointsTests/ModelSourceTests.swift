// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import Storage
import Testing

@Suite struct ModelSourceTests {
    private static let conv1D = [".attn.c_attn.weight", ".attn.c_proj.weight", ".mlp.c_fc.weight", ".mlp.c_proj.weight"]

    private func expectSame(_ model: ModelSource, _ facts: ModelFacts = smallFacts, seed: UInt64 = 3) throws {
        #expect(model.facts == facts)
        #expect(model.tensors.map(\.name) == facts.parameters.map(\.name))
        for (read, written) in zip(model.tensors, sources(facts, seed: seed)) {
            #expect(read.shape == written.shape)
            #expect(try read.floats() == written.floats(), "\(read.name)")
        }
    }

    // MARK: Our own layouts

    @Test func runFoldersGiveTheBestOrTheOneAskedFor() throws {
        let run = try TemporaryFolder(), store = CheckpointStore(runFolder: run.path)
        for (step, best) in [(1, false), (2, true), (3, false)] {
            try store.commit(
                step: step, model: sources(smallFacts, seed: UInt64(step)), optimizer: [], state: state(step: step),
                facts: smallFacts,
                best: best)
        }
        for (choice, step) in [(nil, 2), (.best, 2), (.latest, 3), (.step(1), 1)] as [(CheckpointChoice?, Int)] {
            let model = try ModelSource.open(path: run.path, checkpoint: choice)
            #expect(model.step == step && model.kind == .run && model.skipped.isEmpty)
            try expectSame(model, seed: UInt64(step))
        }
        let folder = try ModelSource.open(path: run.path + "/checkpoints/step-00000003")
        #expect(folder.kind == .checkpoint)
        try expectSame(folder, seed: 3)
        try expectSame(try ModelSource.open(path: run.path + "/checkpoints/step-00000003/model.safetensors"), seed: 3)

        let path = run.file("checkpoints/step-00000002/model.safetensors")
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count - 1] ^= 1
        try overwrite(path, bytes)
        let fallback = try ModelSource.open(path: run.path)
        #expect(fallback.step == 3 && fallback.skipped.map(\.name) == ["step-00000002"])
        // Without training on, a damaged optimizer does no harm.
        let optimizer = run.file("checkpoints/step-00000003/optimizer.safetensors")
        var moments = try Data(contentsOf: URL(fileURLWithPath: optimizer))
        moments[0] ^= 1
        try overwrite(optimizer, moments)
        #expect(try ModelSource.open(path: run.path).step == 3)
        #expect(try store.latestValid()?.info.step == 1)
        #expect(throws: FileError.self) { try ModelSource.open(path: run.path, checkpoint: .best) }
        #expect(throws: FileError.self) { try ModelSource.open(path: run.path, checkpoint: .step(2)) }
        #expect(throws: FileError.self) { try ModelSource.open(path: run.path, checkpoint: .step(9)) }
    }

    @Test func aRunsRecordKnowsWhatShapesDoNotTell() throws {
        let run = try TemporaryFolder(), store = CheckpointStore(runFolder: run.path)
        var facts = smallFacts
        facts.activation = "gelu_tanh"
        try store.commit(step: 1, model: sources(facts), optimizer: [], state: state(step: 1))
        let error = #expect(throws: FileError.self) { try ModelSource.open(path: run.path) }
        #expect(error?.reason == "shapes do not tell the number of heads; give --n-head")
        _ = try run.write(Array(#"{"format_version": 1, "config": {"n_head": 2, "activation": "gelu_tanh"}}"#.utf8), "run.json")
        try expectSame(try ModelSource.open(path: run.path), facts)
    }

    @Test func choicesAreParsed() {
        #expect(
            CheckpointChoice("best") == .best && CheckpointChoice("latest") == .latest && CheckpointChoice("500") == .step(500))
        #expect(CheckpointChoice("-1") == nil && CheckpointChoice("newest") == nil)
    }

    @Test func emptyAndWrongPlacesAreExplained() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: FileError.self) { try ModelSource.open(path: folder.path) }
        #expect(error?.reason.contains("no nanoGPT folder (ckpt.pt) and no Hugging Face folder (config.json)") == true)
        try Folder.create(folder.file("checkpoints"))
        let run = #expect(throws: FileError.self) { try ModelSource.open(path: folder.path) }
        #expect(run?.reason == "the run has not saved one yet")
        let missing = #expect(throws: FileError.self) { try ModelSource.open(path: folder.file("none")) }
        #expect(missing?.code == ENOENT)
    }

    @Test func shapesThatContradictTheSizesAreNamed() throws {
        let folder = try TemporaryFolder()
        var wrong = smallFacts
        wrong.vocabSize = 11
        try SafetensorsWriter.write(path: folder.file("m.safetensors"), sources: sources(smallFacts), metadata: wrong.metadata)
        let error = #expect(throws: FileError.self) { try ModelSource.open(path: folder.file("m.safetensors")) }
        #expect(error?.reason == "its tensor 'transformer.wte.weight' has the shape [10, 8], [11, 8] is expected")
        wrong.nHead = 3
        try SafetensorsWriter.write(path: folder.file("m.safetensors"), sources: sources(smallFacts), metadata: wrong.metadata)
        let heads = #expect(throws: FileError.self) { try ModelSource.open(path: folder.file("m.safetensors")) }
        #expect(heads?.reason == "n_embd 8 is not divisible by n_head 3")
        wrong.nHead = 2
        wrong.nLayer = Int.max
        try SafetensorsWriter.write(path: folder.file("m.safetensors"), sources: sources(smallFacts), metadata: wrong.metadata)
        #expect(throws: FileError.self) { try ModelSource.open(path: folder.file("m.safetensors")) }
    }

    @Test func halfPrecisionIsWidenedExactly() throws {
        let folder = try TemporaryFolder()
        // 1, -2, the largest, the smallest normal, the smallest subnormal, -0, infinity; bits from IEEE 754-2019, 3.4
        let half: [UInt16] = [0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0x3555]
        let brain: [UInt16] = [0x3f80, 0xc000, 0x7f7f, 0x0080, 0x0001, 0x8000, 0x7f80, 0x3eab]
        let facts = ModelFacts(nLayer: 0, nHead: 1, nEmbd: 8, blockSize: 1, vocabSize: 1, bias: false)
        func source(_ name: String, _ dtype: DType, _ shape: [Int], _ bits: [UInt16]) -> TensorSource {
            TensorSource(name: name, dtype: dtype, shape: shape) { piece, _ in bits.withUnsafeBytes { piece.copyMemory(from: $0) }
            }
        }
        var metadata = facts.metadata
        metadata["n_layer"] = "1"
        var all = [
            source("transformer.wte.weight", .float16, [1, 8], half), source("transformer.wpe.weight", .bfloat16, [1, 8], brain),
        ]
        var one = facts
        one.nLayer = 1
        all += sources(one).dropFirst(2)
        try SafetensorsWriter.write(path: folder.file("m"), sources: all, metadata: metadata)
        let model = try ModelSource.open(path: folder.file("m"))
        let third: Float = Float(0x555) * 0x1p-12  // 0x3555 is (1024 + 341) x 2^-12
        #expect(
            try model.tensors[0].floats().map(\.bitPattern)
                == ([1, -2, 65504, 0x1p-14, 0x1p-24, -0.0, .infinity, third] as [Float]).map(\.bitPattern))
        #expect(try model.tensors[1].floats().map(\.bitPattern) == brain.map { UInt32($0) << 16 })
    }

    // MARK: Hugging Face

    /// GPT-2's names, with the Linear weights as Conv1D stores them.
    private func huggingFace(_ prefix: String) throws -> [TensorSource] {
        try sources(smallFacts).map { source in
            let name = prefix + source.name.dropFirst("transformer.".count)
            guard Self.conv1D.contains(where: { source.name.hasSuffix($0) }) else {
                return TensorSource(name: name, dtype: source.dtype, shape: source.shape, fill: source.fill)
            }
            let (rows, columns) = (source.shape[0], source.shape[1]), original = try source.floats()
            let flipped = (0..<rows * columns).map { original[$0 % rows * columns + $0 / rows] }
            return TensorSource(name: name, shape: [columns, rows], values: flipped)
        }
    }

    private func config(_ changes: [String: String] = [:]) -> [UInt8] {
        var fields = [
            "model_type": "\"gpt2\"", "n_layer": "2", "n_head": "2", "n_embd": "8", "n_positions": "6", "n_ctx": "6",
            "vocab_size": "10",
            "activation_function": "\"gelu_new\"", "layer_norm_epsilon": "1e-05", "n_inner": "null", "scale_attn_weights": "true",
        ]
        fields.merge(changes) { $1 }
        return Array("{\(fields.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ","))}".utf8)
    }

    private var tanhFacts: ModelFacts {
        var facts = smallFacts
        facts.activation = "gelu_tanh"
        return facts
    }

    @Test(arguments: ["", "transformer."]) func huggingFaceFoldersAreTransposed(_ prefix: String) throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(config(), "config.json")
        try SafetensorsWriter.write(path: folder.file("model.safetensors"), sources: huggingFace(prefix))
        let model = try ModelSource.open(path: folder.path)
        #expect(model.kind == .huggingFace)
        try expectSame(model, tanhFacts)
        // Any piece of a transposed matrix is right, also one that starts and ends within rows.
        let matrix = try #require(model.tensors.first { $0.name.hasSuffix("h.0.mlp.c_fc.weight") }), whole = try matrix.floats()
        for (start, count) in [(0, 1), (3, 7), (7, 2), (5, 100), (whole.count - 3, 3)] {
            var piece = [Float](repeating: .nan, count: count)
            try piece.withUnsafeMutableBytes { try matrix.fill($0, start * 4) }
            #expect(piece == Array(whole[start..<start + count]))
        }
    }

    @Test func shardedFoldersAreRead() throws {
        let folder = try TemporaryFolder(), all = try huggingFace("transformer.")
        _ = try folder.write(config(["activation_function": "\"gelu\""]), "config.json")
        let parts = [Array(all.prefix(5)), Array(all.dropFirst(5).prefix(9)), Array(all.dropFirst(14))]
        var map: [String] = []
        for (index, part) in parts.enumerated() {
            let name = "model-0000\(index + 1)-of-00003.safetensors"
            try SafetensorsWriter.write(path: folder.file(name), sources: part)
            map += part.map { "\"\($0.name)\": \"\(name)\"" }
        }
        _ = try folder.write(
            Array("{\"metadata\": {}, \"weight_map\": {\(map.joined(separator: ","))}}".utf8), "model.safetensors.index.json")
        try expectSame(try ModelSource.open(path: folder.path), smallFacts)
        #expect(try ShardedSafetensors(folder: folder.path).names == all.map(\.name).sorted())

        for (text, reason) in [
            ("{}", "it has no weight_map"), ("{\"weight_map\": {\"a\": \"../x\"}}", "is no plain file name"),
            ("{\"weight_map\": {\"a\": \"model-00001-of-00003.safetensors\"}}", "lacks the tensor 'a'"),
            ("{", "it is no valid JSON"),
        ] {
            _ = try folder.write(Array(text.utf8), "model.safetensors.index.json")
            let error = #expect(throws: FileError.self) { try ModelSource.open(path: folder.path) }
            #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
        }
    }

    @Test(arguments: [
        ("model_type", "\"llama\"", "model_type is 'llama'; only gpt2 is read"),
        ("activation_function", "\"relu\"", "activation_function is 'relu'; gelu and gelu_new are computed"),
        ("layer_norm_epsilon", "1e-6", "layer_norm_epsilon is 1e-06; only 1e-5 is computed"),
        ("n_inner", "100", "n_inner is 100; only 4 n_embd is computed"),
        ("scale_attn_by_inverse_layer_idx", "true", "scale_attn_by_inverse_layer_idx is true; only false is computed"),
        ("tie_word_embeddings", "false", "tie_word_embeddings is false; only true is computed"),
        ("n_layer", "\"two\"", "it has no number 'n_layer'"),
    ]) func whatIsNotComputedIsRefusedByName(_ key: String, _ value: String, _ reason: String) throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(config([key: value]), "config.json")
        let error = #expect(throws: FileError.self) { try ModelSource.open(path: folder.path) }
        #expect(error?.reason == reason)
    }

    @Test func aFolderWithoutWeightsIsExplained() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(config(), "config.json")
        let error = #expect(throws: FileError.self) { try ModelSource.open(path: folder.path) }
        #expect(error?.reason == "it has neither model.safetensors nor pytorch_model.bin")
    }
}
