// SPDX-License-Identifier: MIT
@preconcurrency import Foundation
import Checkpoints
import Compute
import Storage
import Testing

/// A tokenizer.json in the form that Apus writes: 256 bytes are not needed here, the exporter only copies texts.
let smallTokenizerJSON = """
    {"version": "1.0", "added_tokens": [{"id": 8, "content": "<|endoftext|>", "special": true}], "normalizer": null,
     "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}, "decoder": {"type": "ByteLevel"},
     "model": {"type": "BPE", "ignore_merges": false,
      "vocab": {"a": 0, "b": 1, "Ġ": 2, "Ċ": 3, "ab": 4, "Ġa": 5, "é": 6, "<|endoftext|>": 8},
      "merges": ["a b", "Ġ a"]}}
    """

func gguf(_ facts: ModelFacts, tokenizer: String? = smallTokenizerJSON, name: String = "bpe", seed: UInt64 = 3) throws
    -> ModelExport
{
    ModelExport(
        name: "small", facts: facts, tensors: sources(facts, seed: seed),
        tokenizer: try tokenizer.map { try ExportTokenizer(json: $0, name: name) })
}

@Suite struct GGUFTests {
    /// Whole blocks of 32, so that Q8_0 is possible; one row of padding beyond the nine ids of the tokenizer.
    private let facts = ModelFacts(
        nLayer: 2, nHead: 2, nEmbd: 32, blockSize: 6, vocabSize: 10, bias: true, activation: "gelu_tanh")

    private func write(_ model: ModelExport, _ dtype: ExportDType, _ folder: TemporaryFolder) throws -> (
        path: String, notes: [String]
    ) {
        let path = folder.file("model-\(dtype.rawValue).gguf")
        let result = try ExportFormat.gguf.exporter.write(model, dtype: dtype, to: path, calls: .system)
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int == result.bytes)
        return (path, result.notes)
    }

    // MARK: Values

    /// Q8_0 written a second time, from its definition: d = max|x| / 127, q = round half away (x / d by its reciprocal).
    private func reference(_ values: [Float]) -> [UInt8] {
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: values.count, by: 32) {
            let block = values[start..<start + 32]
            var largest: Float = 0
            for value in block { if abs(value) > largest { largest = abs(value) } }
            let d = largest / 127, inverse: Float = d == 0 ? 0 : 1 / d
            let half = halfByDouble(d)
            bytes += [UInt8(half & 255), UInt8(half >> 8)]
            for value in block {
                let scaled = Double(value * inverse)
                let away = scaled < 0 ? -floor(-scaled + 0.5) : floor(scaled + 0.5)
                bytes.append(UInt8(bitPattern: Int8(away)))
            }
        }
        return bytes
    }

    /// The nearest half of a number from 0 to 65504, ties to even, by search among all of them.
    private func halfByDouble(_ value: Float) -> UInt16 {
        func real(_ bits: UInt16) -> Double {
            let exponent = Int(bits >> 10), fraction = Double(bits & 1023)
            return exponent == 0 ? fraction * pow(2, -24) : (1024 + fraction) * pow(2, Double(exponent - 25))
        }
        var low: UInt16 = 0, high: UInt16 = 0x7bff
        while low < high {  // the first half that is not below the value
            let middle = (low + high) / 2
            if real(middle) < Double(value) { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return 0 }
        let above = real(low) - Double(value), below = Double(value) - real(low - 1)
        return below < above || (below == above && (low - 1) % 2 == 0) ? low - 1 : low
    }

    private func encode(_ values: [Float]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xee, count: values.count / 32 * 34)
        values.withUnsafeBufferPointer { values in bytes.withUnsafeMutableBytes { GGUFBlocks.encodeQ8(values, into: $0) } }
        return bytes
    }

    @Test func q8BlocksAreThoseOfTheirDefinition() {
        let random = values(4096, seed: 11)
        #expect(encode(random) == reference(random))
        for scale: Float in [1e-6, 3e-5, 0.02, 1, 700] {
            let scaled = random.map { $0 * scale }
            #expect(encode(scaled) == reference(scaled), "scale \(scale)")
        }
        // Halves are rounded away from zero: with 127 as the largest number the scale is exactly 1.
        var halves = [Float](repeating: 0, count: 32)
        for (i, value) in ([127, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 126.5] as [Float]).enumerated() { halves[i] = value }
        #expect(encode(halves) == reference(halves))
        #expect(encode(halves)[2..<10].map { Int8(bitPattern: $0) } == [127, 1, -1, 2, -2, 3, -3, 127])
        #expect(encode([Float](repeating: 0, count: 32)) == [UInt8](repeating: 0, count: 34))
        // The reciprocal of this block's scale is infinite; it must become zeros and not a trap.
        let tiny = [Float](repeating: .leastNonzeroMagnitude, count: 32)
        #expect(encode(tiny) == [UInt8](repeating: 0, count: 34))
    }

    @Test func q8BlocksAreReadFromAnyElement() {
        let numbers = values(128, seed: 5), bytes = encode(numbers)
        for first in [0, 1, 31, 32, 47, 100] {
            var read = [Float](repeating: 0, count: 128 - first)
            bytes.withUnsafeBytes { bytes in
                read.withUnsafeMutableBufferPointer { GGUFBlocks.decode(bytes, .q8_0, from: first, into: $0) }
            }
            for (i, value) in read.enumerated() {
                // Half a step of the block, and the scale's own rounding to 11 bits.
                #expect(abs(value - numbers[first + i]) <= 1 / 127 * 0.5 + 0.0006, "element \(first + i)")
            }
        }
    }

    // MARK: Files

    @Test func aModelComesBackBitForBit() throws {
        let folder = try TemporaryFolder(), model = try gguf(facts)
        let (path, notes) = try write(model, .float32, folder)
        #expect(notes.count == 1 && notes[0].hasPrefix("the vocabulary matrix's 1 rows of padding"))
        let read = try ModelSource.open(path: path)
        var expected = facts
        expected.vocabSize = 9
        #expect(read.kind == .gguf && read.facts == expected)
        for (source, given) in zip(read.tensors, model.withoutPadding().tensors) {
            #expect(try source.floats() == given.floats(), "\(source.name)")
        }
    }

    @Test func narrowTypesAreRoundedAndVectorsStayWhole() throws {
        let folder = try TemporaryFolder(), model = try gguf(facts, tokenizer: nil)
        for (dtype, type) in [(.float16, .f16), (.bfloat16, .bf16), (.q8_0, .q8_0)] as [(ExportDType, GGUFTensorType)] {
            let (path, _) = try write(model, dtype, folder), file = try GGUFFile(path: path)
            let read = try ModelSource.open(path: path)
            for (source, given) in zip(read.tensors, model.tensors) {
                let (new, old) = (try source.floats(), try given.floats())
                if given.shape.count == 1 || given.name == "transformer.wpe.weight" {
                    #expect(new == old, "\(given.name)")
                    continue
                }
                switch dtype {
                case .float16: #expect(new == old.map { Float(Float16($0)) }, "\(given.name)")
                case .bfloat16: #expect(new == old.map { BFloat16.float(BFloat16.bits($0)) }, "\(given.name)")
                default: #expect(zip(new, old).allSatisfy { abs($0 - $1) < 0.0045 }, "\(given.name)")
                }
            }
            #expect(file.entry("token_embd.weight")?.type == type && file.entry("blk.1.ffn_down.weight")?.type == type)
            #expect(file.entry("position_embd.weight")?.type == .f32 && file.entry("blk.0.attn_qkv.bias")?.type == .f32)
            #expect(file.metadata["general.file_type"]?.integer == [.float16: 1, .bfloat16: 32, .q8_0: 7][dtype])
        }
    }

    @Test func theMetadataIsWhatLlamaCppWants() throws {
        let folder = try TemporaryFolder(), (path, _) = try write(try gguf(facts), .float32, folder)
        let file = try GGUFFile(path: path), data = file.metadata
        #expect(file.version == 3)
        #expect(data["general.architecture"]?.string == "gpt2" && data["general.name"]?.string == "small")
        let sizes = ["block_count": 2, "context_length": 6, "embedding_length": 32, "feed_forward_length": 128, "vocab_size": 9]
        for (key, value) in sizes { #expect(data["gpt2." + key]?.integer == value, "\(key)") }
        #expect(data["gpt2.attention.head_count"]?.integer == 2)
        #expect(data["gpt2.attention.layer_norm_epsilon"]?.number == Double(Float(1e-5)))
        #expect(data["tokenizer.ggml.model"]?.string == "gpt2" && data["tokenizer.ggml.pre"]?.string == "gpt-2")
        #expect(
            try data["tokenizer.ggml.tokens"]?.array?.strings() == [
                "a", "b", "Ġ", "Ċ", "ab", "Ġa", "é", "[PAD7]", "<|endoftext|>",
            ])
        #expect(try data["tokenizer.ggml.token_type"]?.array?.integers() == [1, 1, 1, 1, 1, 1, 1, 5, 3])
        #expect(try data["tokenizer.ggml.merges"]?.array?.strings() == ["a b", "Ġ a"])
        #expect(data["tokenizer.ggml.eos_token_id"]?.integer == 8 && data["tokenizer.ggml.bos_token_id"]?.integer == 8)
        #expect(data["tokenizer.ggml.add_bos_token"]?.bool == false)
        // ne[0] is the fastest dimension in the file; here the slowest comes first.
        #expect(file.entry("blk.0.ffn_up.weight")?.shape == [128, 32] && file.entry("blk.0.attn_qkv.weight")?.shape == [96, 32])
        #expect(file.entries.allSatisfy { $0.range.lowerBound % 32 == 0 })
        #expect(file.entry("output.weight") == nil)
    }

    @Test func theTokenizerComesBack() throws {
        let folder = try TemporaryFolder(), (path, _) = try write(try gguf(facts), .float32, folder)
        let json = try #require(try ModelSource.open(path: path).tokenizerJSON?())
        let (given, read) = (
            try ExportTokenizer(json: smallTokenizerJSON, name: "bpe"), try ExportTokenizer(json: json, name: "bpe")
        )
        #expect(read.tokens == given.tokens && read.added == given.added && read.endOfText == 8 && read.splitRegex == nil)
        #expect(read.merges.map { $0.left + " " + $0.right } == given.merges.map { $0.left + " " + $0.right })
    }

    @Test func charactersComeBackWithoutAnEnd() throws {
        // The last two differ in their bytes only.
        let characters = "\t\n\r \\aéж\u{C5}\u{212B}"
        let members = characters.unicodeScalars.enumerated().map { "\(StrictJSON.quote(String($1))): \($0)" }
        let json = "{\"model\": {\"type\": \"char\", \"vocab\": {\(members.joined(separator: ", "))}}}"
        var facts = facts
        facts.vocabSize = 10
        let folder = try TemporaryFolder(),
            (path, _) = try write(try gguf(facts, tokenizer: json, name: "char"), .float32, folder)
        let data = try GGUFFile(path: path).metadata
        #expect(data["tokenizer.ggml.model"]?.string == "rwkv" && data["tokenizer.ggml.eos_token_id"] == nil)
        #expect(
            try data["tokenizer.ggml.tokens"]?.array?.strings() == [
                "\\t", "\\n", "\\r", " ", "\\\\", "a", "é", "ж", "\u{C5}", "\u{212B}",
            ])
        let back = try #require(try ModelSource.open(path: path).tokenizerJSON?())
        #expect(try ExportTokenizer(json: back, name: "char").tokens == ExportTokenizer(json: json, name: "char").tokens)
    }

    @Test func whatLlamaCppComputesDifferentlyIsSaid() throws {
        let folder = try TemporaryFolder()
        var facts = facts
        facts.bias = false
        facts.activation = "gelu"
        facts.vocabSize = 9
        let (path, notes) = try write(try gguf(facts), .float32, folder)
        #expect(notes.contains { $0.contains("no biases") } && notes.contains { $0.contains("tanh form") } && notes.count == 2)
        let read = try ModelSource.open(path: path)
        #expect(read.facts.bias && read.facts.activation == "gelu")
        let bias = try #require(read.tensors.first { $0.name == "transformer.h.1.mlp.c_fc.bias" })
        #expect(try bias.floats().allSatisfy { $0 == 0 })
        // Without the note of Apus it is what llama.cpp computes.
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        let key = try #require(bytes.range(of: Data("apus.activation".utf8)))
        bytes[key.lowerBound] = UInt8(ascii: "b")
        try overwrite(path, bytes)
        #expect(try ModelSource.open(path: path).facts.activation == "gelu_tanh")
    }

    @Test func oddWidthsFallBackAndImpossibleNumbersAreRefused() throws {
        let folder = try TemporaryFolder()
        let odd = try gguf(smallFacts, tokenizer: nil)
        let (path, notes) = try write(odd, .q8_0, folder)
        #expect(notes.contains { $0.contains("no multiple of 32") })
        #expect(try GGUFFile(path: path).entry("token_embd.weight")?.type == .f16)
        var bad = try gguf(facts, tokenizer: nil)
        for (value, dtype) in [(Float.nan, ExportDType.q8_0), (.infinity, .q8_0), (1e5, .float16)] {
            var numbers = values(320, seed: 1)
            numbers[77] = value
            bad.tensors[0] = TensorSource(name: bad.tensors[0].name, shape: [10, 32], values: numbers)
            let error = #expect(throws: FileError.self) {
                try ExportFormat.gguf.exporter.write(bad, dtype: dtype, to: folder.file("bad.gguf"), calls: .system)
            }
            #expect(error?.reason.contains("element 77") == true)
        }
        // Nothing stays behind.
        #expect(Folder.names(folder.path) == ["model-q8_0.gguf"])
    }

    @Test func aTokenizerOfAnotherModelIsRefused() throws {
        let folder = try TemporaryFolder()
        var facts = facts
        facts.vocabSize = 7
        let error = #expect(throws: FileError.self) { try write(try gguf(facts), .float32, folder) }
        #expect(error?.reason.contains("the tokenizer has 9 ids and the model 7") == true)
    }
}
