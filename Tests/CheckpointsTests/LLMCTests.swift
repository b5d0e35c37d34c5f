// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import Storage
import Testing

@Suite struct LLMCTests {
    private let facts = ModelFacts(
        nLayer: 3, nHead: 2, nEmbd: 8, blockSize: 6, vocabSize: 10, bias: true, activation: "gelu_tanh")

    private func write(_ model: ModelExport, _ dtype: ExportDType, _ path: String) throws -> [String] {
        try ExportFormat.llmc.exporter.write(model, dtype: dtype, to: path, calls: .system).notes
    }

    private func bytes(_ path: String) throws -> [UInt8] { try [UInt8](Data(contentsOf: URL(fileURLWithPath: path))) }

    private func words(_ bytes: [UInt8], _ count: Int) -> [Int32] {
        bytes.withUnsafeBytes { bytes in (0..<count).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self) } }
    }

    /// The file written a second time, from llm.c's description: each kind of tensor for all layers together.
    private func reference(_ model: ModelExport) throws -> [Float] {
        let facts = model.facts
        let tensors = Dictionary(uniqueKeysWithValues: model.tensors.map { ($0.name, $0) })
        var all = try tensors["transformer.wte.weight"]?.floats() ?? []
        all += [Float](repeating: 0, count: 128 * facts.nEmbd - all.count)
        all += try tensors["transformer.wpe.weight"]?.floats() ?? []
        for name in ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"] {
            for kind in ["weight", "bias"] {
                for layer in 0..<facts.nLayer { all += try tensors["transformer.h.\(layer).\(name).\(kind)"]?.floats() ?? [] }
            }
        }
        return try all + (tensors["transformer.ln_f.weight"]?.floats() ?? []) + (tensors["transformer.ln_f.bias"]?.floats() ?? [])
    }

    @Test func theFileIsWhatLlmCDescribes() throws {
        let folder = try TemporaryFolder(), path = folder.file("model.bin"), model = try gguf(facts, tokenizer: nil)
        #expect(try write(model, .float32, path).isEmpty)
        let written = try bytes(path), header = words(written, 256)
        #expect(header[..<8] == [20_240_326, 3, 6, 10, 3, 2, 8, 128] && header[8...].allSatisfy { $0 == 0 })
        let floats = written.withUnsafeBytes { bytes in
            (0..<(bytes.count - 1024) / 4).map { bytes.loadUnaligned(fromByteOffset: 1024 + $0 * 4, as: Float.self) }
        }
        #expect(try floats == reference(model))
        let read = try ModelSource.open(path: path)
        #expect(read.kind == .llmc && read.facts == facts)
        for (source, given) in zip(read.tensors, model.tensors) {
            #expect(try source.floats() == given.floats(), "\(source.name)")
        }
    }

    @Test func bfloat16HasVersionFive() throws {
        let folder = try TemporaryFolder(), path = folder.file("model_bf16.bin"), model = try gguf(facts, tokenizer: nil)
        _ = try write(model, .bfloat16, path)
        let written = try bytes(path)
        #expect(words(written, 2)[1] == 5)
        #expect(try written.count == 1024 + 2 * reference(model).count)
        for (source, given) in zip(try ModelSource.open(path: path).tensors, model.tensors) {
            #expect(try source.floats() == given.floats().map { BFloat16.float(BFloat16.bits($0)) }, "\(source.name)")
        }
    }

    @Test func aFolderHasTheTokenizerToo() throws {
        let folder = try TemporaryFolder(), path = folder.file("out")
        var facts = facts
        facts.bias = false
        facts.activation = "gelu"
        let notes = try write(try gguf(facts), .float32, path)
        #expect(notes.count == 2 && notes[0].contains("no biases") && notes[1].contains("tanh form"))
        #expect(Folder.names(path).sorted() == ["gpt2_tokenizer.bin", "model.bin", "tokenizer.json"])
        let table = try bytes(path + "/gpt2_tokenizer.bin")
        #expect(words(table, 5) == [20_240_328, 2, 9, 8, 0])
        // Length and bytes of every id; Ġ and Ċ are the blank and the new line, é the byte 0xe9, id 7 a gap.
        let expected: [[UInt8]] = [
            [97], [98], [32], [10], [97, 98], [32, 97], [0xe9], [63], Array("<|endoftext|>".utf8),
        ]
        #expect(Array(table[1024...]) == expected.flatMap { [UInt8($0.count)] + $0 })
        let read = try ModelSource.open(path: path)
        // The tenth row is padding, which llm.c has no logit for; the biases are zeros.
        #expect(read.facts.vocabSize == 9 && read.facts.bias && read.facts.activation == "gelu_tanh")
        #expect(words(try bytes(path + "/model.bin"), 8)[3...7] == [9, 3, 2, 8, 128])
        let bias = try #require(read.tensors.first { $0.name == "transformer.h.2.attn.c_attn.bias" })
        #expect(try bias.floats() == [Float](repeating: 0, count: 24))
    }

    @Test func wrongFilesAreRefusedInSentences() throws {
        let folder = try TemporaryFolder(), path = folder.file("model.bin")
        _ = try write(try gguf(facts, tokenizer: nil), .float32, path)
        let right = try bytes(path)
        func refusal(_ changes: [(word: Int, value: Int32)], length: Int? = nil) throws -> String {
            var wrong = right
            for (word, value) in changes {
                withUnsafeBytes(of: value.littleEndian) { wrong.replaceSubrange(word * 4..<word * 4 + 4, with: $0) }
            }
            if let length { wrong = Array(wrong.prefix(length)) + [UInt8](repeating: 0, count: max(0, length - wrong.count)) }
            let changed = try folder.write(wrong, "changed.bin")
            let error = #expect(throws: FileError.self) { try ModelSource.open(path: changed) }
            return error?.reason ?? "none"
        }
        #expect(try refusal([(1, 1)]).contains("it has version 1; 3 (float32) and 5 (bfloat16) are read"))
        #expect(try refusal([], length: right.count - 4).contains("it was cut off"))
        #expect(try refusal([], length: right.count + 4).contains("it was damaged"))
        #expect(try refusal([], length: 1024).contains("it was cut off"))
        #expect(try refusal([(7, 9)]).contains("is padded to 9"))
        #expect(try refusal([(7, .max)]).contains("is padded to"))
        #expect(try refusal([(5, 3)]).contains("not divisible"))
        for word in 2...6 {
            for value: Int32 in [0, -1, .min, .max] {
                #expect(try !refusal([(word, value)]).isEmpty, "word \(word) = \(value)")
            }
        }
        #expect(try refusal([(2, 1 << 27), (3, 1 << 27), (4, 9_999), (6, 1 << 27), (7, 1 << 27)]).contains("cut off"))
        #expect(try refusal([(1, 5)]).contains("it was damaged"))
    }

    @Test func aFailedExportLeavesNothing() throws {
        let folder = try TemporaryFolder()
        var model = try gguf(facts)
        model.tensors.removeLast()
        #expect(throws: FileError.self) { try write(model, .float32, folder.file("out")) }
        #expect(throws: FileError.self) { try write(model, .float32, folder.file("model.bin")) }
        #expect(Folder.names(folder.path).isEmpty)
    }
}
