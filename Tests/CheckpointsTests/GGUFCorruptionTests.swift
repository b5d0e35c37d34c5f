// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import Storage
import Testing

/// Builds GGUF files by hand, right and wrong.
private struct Forge {
    var bytes: [UInt8] = Array("GGUF".utf8)

    init(version: UInt32 = 3, tensors: UInt64, keys: UInt64) {
        add(version)
        add(tensors)
        add(keys)
    }

    mutating func add(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func add(_ text: String) {
        add(UInt64(text.utf8.count))
        bytes += text.utf8
    }

    mutating func tensor(_ name: String, _ shape: [UInt64], type: UInt32 = 0, offset: UInt64) {
        add(name)
        add(UInt32(shape.count))
        for size in shape { add(size) }
        add(type)
        add(offset)
    }

    mutating func data(_ count: Int) {
        bytes += [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32 + count)
    }
}

@Suite struct GGUFCorruptionTests {
    private func open(_ forge: Forge) throws -> GGUFFile {
        let folder = try TemporaryFolder()
        return try GGUFFile(path: folder.write(forge.bytes, "x.gguf"))
    }

    private func refusal(_ forge: Forge) -> String {
        let error = #expect(throws: FileError.self) { try open(forge) }
        return error?.reason ?? "none"
    }

    /// A file with these tensors and that much data.
    private func tensors(_ list: [(String, [UInt64], UInt32, UInt64)], data: Int) -> Forge {
        var forge = Forge(tensors: UInt64(list.count), keys: 0)
        for (name, shape, type, offset) in list { forge.tensor(name, shape, type: type, offset: offset) }
        forge.data(data)
        return forge
    }

    @Test func aRightFileIsRead() throws {
        let file = try open(tensors([("a", [3, 2], 0, 0), ("b", [32], 8, 32)], data: 66))
        #expect(file.entries.map(\.shape) == [[2, 3], [32]])
        #expect(file.entries.map(\.range.count) == [24, 34])
    }

    @Test func absurdCountsAreRefusedBeforeAnythingIsReserved() {
        for count: UInt64 in [1 << 20, 1 << 40, .max, UInt64(Int.max) + 1] {
            #expect(refusal(Forge(tensors: count, keys: 0)).contains("it claims \(count) tensors"))
            #expect(refusal(Forge(tensors: 0, keys: count)).contains("it claims \(count) keys"))
        }
        var many = Forge(tensors: 0, keys: 70_000)
        many.bytes += [UInt8](repeating: 0, count: 1_000_000)
        #expect(refusal(many).contains("at most"))
    }

    @Test func arraysAndTextsEndInsideTheFile() {
        for (element, count): (UInt32, UInt64) in [(4, 1 << 62), (8, 1 << 30), (0, .max), (12, 3)] {
            var forge = Forge(tensors: 0, keys: 1)
            forge.add("k")
            forge.add(UInt32(9))
            forge.add(element)
            forge.add(count)
            #expect(refusal(forge).contains("it claims \(count) values of an array"))
        }
        for length: UInt64 in [5, 1 << 33, .max] {
            var forge = Forge(tensors: 0, keys: 1)
            forge.add("k")
            forge.add(UInt32(8))
            forge.add(length)
            forge.bytes += [97, 98]
            #expect(refusal(forge).contains("it claims \(length) bytes of text"))
        }
        var long = Forge(tensors: 0, keys: 1)
        long.add(String(repeating: "k", count: 70_000))
        long.add(UInt32(0))
        long.bytes.append(1)
        #expect(refusal(long).contains("a text of 70000 bytes, at most 65535"))
    }

    @Test func nestedArraysAndUnknownTypesAreRefused() {
        var nested = Forge(tensors: 0, keys: 1)
        nested.add("k")
        nested.add(UInt32(9))
        for _ in 0..<10_000 {
            nested.add(UInt32(9))
            nested.add(UInt64(1))
        }
        #expect(refusal(nested).contains("an array of arrays"))
        var unknown = Forge(tensors: 0, keys: 1)
        unknown.add("k")
        unknown.add(UInt32(13))
        unknown.bytes += [0, 0]
        #expect(refusal(unknown).contains("the unknown type 13"))
        var truth = Forge(tensors: 0, keys: 1)
        truth.add("k")
        truth.add(UInt32(7))
        truth.bytes += [2]
        #expect(refusal(truth).contains("a truth value is 2"))
        #expect(refusal(tensors([("a", [4], 99, 0)], data: 64)).contains("the unknown type 99"))
    }

    @Test func namesAreUniqueAndReadable() {
        var twice = Forge(tensors: 0, keys: 2)
        for _ in 0..<2 {
            twice.add("k")
            twice.add(UInt32(0))
            twice.bytes.append(1)
        }
        #expect(refusal(twice).contains("the key 'k' comes twice"))
        #expect(refusal(tensors([("a", [8], 0, 0), ("a", [8], 0, 32)], data: 64)).contains("the tensor 'a' comes twice"))
        #expect(refusal(tensors([(String(repeating: "n", count: 65), [8], 0, 0)], data: 64)).contains("at most 64"))
        var broken = Forge(tensors: 0, keys: 1)
        broken.add(UInt64(1))
        broken.bytes += [0xff, 0, 0, 0, 0, 1]
        #expect(refusal(broken).contains("no UTF-8"))
    }

    @Test func placesFollowEachOther() {
        let overlap = tensors([("a", [16], 0, 0), ("b", [16], 0, 32)], data: 128)
        #expect(refusal(overlap).contains("the tensor 'b' begins at data byte 32, 64 is where the one before it ends"))
        let backwards = tensors([("a", [8], 0, 32), ("b", [8], 0, 0)], data: 64)
        #expect(refusal(backwards).contains("the tensor 'a' begins at data byte 32"))
        #expect(refusal(tensors([("a", [8], 0, 0), ("b", [8], 0, 64)], data: 128)).contains("begins at data byte 64"))
        #expect(refusal(tensors([("a", [8], 0, .max)], data: 64)).contains("begins at data byte \(UInt64.max)"))
        #expect(refusal(tensors([("a", [8], 0, 1)], data: 64)).contains("begins at data byte 1"))
        #expect(refusal(tensors([("a", [16], 0, 0)], data: 60)).contains("it was cut off"))
    }

    @Test func shapesMustBeCountable() {
        for shape: [UInt64] in [
            [1 << 40, 1 << 40], [1 << 40, 1 << 22, 1 << 10], [1 << 30, 1 << 30, 1 << 3], [1 << 20], [.max], [0], [],
            [1, 1, 1, 1, 1],
        ] {
            let reason = refusal(tensors([("a", shape, 0, 0)], data: 64))
            #expect(
                reason.contains("does not fit the file") || reason.contains("a dimension of") || reason.contains("dimensions;"))
        }
        // Q8_0 needs rows of whole blocks.
        #expect(refusal(tensors([("a", [33], 8, 0)], data: 64)).contains("does not fit the file"))
        #expect(refusal(tensors([("a", [16, 2], 8, 0)], data: 64)).contains("does not fit the file"))
    }

    @Test func versionsAndByteOrdersAreNamed() {
        #expect(refusal(Forge(version: 1, tensors: 0, keys: 0)).contains("version 1; 2 and 3 are read"))
        #expect(refusal(Forge(version: UInt32(3).byteSwapped, tensors: 0, keys: 0)).contains("big-endian"))
        var other = Forge(tensors: 0, keys: 0)
        other.bytes[3] = 0x47
        #expect(refusal(other).contains("does not begin with 'GGUF'"))
        for alignment: UInt32 in [0, 24, 1 << 21] {
            var forge = Forge(tensors: 0, keys: 1)
            forge.add("general.alignment")
            forge.add(UInt32(4))
            forge.add(alignment)
            #expect(refusal(forge).contains("general.alignment"))
        }
    }

    @Test func modelsThatApusDoesNotComputeAreRefusedByName() throws {
        let folder = try TemporaryFolder(), path = folder.file("m.gguf")
        let facts = ModelFacts(nLayer: 1, nHead: 2, nEmbd: 32, blockSize: 4, vocabSize: 9, bias: true, activation: "gelu_tanh")
        let base: [(key: String, value: GGUFWriter.Value)] = [
            ("general.architecture", .string("gpt2")), ("gpt2.block_count", .uint32(1)), ("gpt2.context_length", .uint32(4)),
            ("gpt2.embedding_length", .uint32(32)), ("gpt2.feed_forward_length", .uint32(128)),
            ("gpt2.attention.head_count", .uint32(2)), ("gpt2.attention.layer_norm_epsilon", .float32(1e-5)),
        ]
        let right = folder.file("right.gguf")
        _ = try ExportFormat.gguf.exporter.write(try gguf(facts), dtype: .float32, to: right, calls: .system)
        let read = try ModelSource.open(path: right)
        let names = try GGUFFile(path: right).entries.map(\.name)
        let tensors = zip(names, read.tensors).map { GGUFWriter.Tensor(name: $0, type: .f32, source: $1) }
        func refusal(
            _ changes: [(key: String, value: GGUFWriter.Value)] = [], _ tensors: [GGUFWriter.Tensor]
        ) throws -> String {
            let kept = base.filter { pair in !changes.contains { $0.key == pair.key } }
            try GGUFWriter.write(path: path, metadata: kept + changes, tensors: tensors)
            let error = #expect(throws: FileError.self) { try ModelSource.open(path: path) }
            return error?.reason ?? "none"
        }
        try GGUFWriter.write(path: path, metadata: base, tensors: tensors)
        #expect(try ModelSource.open(path: path).facts == facts)
        #expect(try refusal([("general.architecture", .string("llama"))], tensors).contains("its architecture is 'llama'"))
        #expect(try refusal([("gpt2.attention.head_count", .uint32(5))], tensors).contains("not divisible by n_head 5"))
        #expect(try refusal([("gpt2.attention.head_count_kv", .uint32(1))], tensors).contains("1 heads of keys"))
        #expect(try refusal([("gpt2.feed_forward_length", .uint32(64))], tensors).contains("feed_forward_length is 64"))
        #expect(try refusal([("gpt2.attention.layer_norm_epsilon", .float32(1e-6))], tensors).contains("layer_norm_epsilon"))
        #expect(
            try refusal([("gpt2.block_count", .uint32(9_999))], tensors).contains("it has no tensor 'blk.1.attn_norm.weight'"))
        #expect(try refusal([("gpt2.context_length", .uint32(5))], tensors).contains("[5, 32] is expected"))
        #expect(try refusal([], Array(tensors[..<2] + tensors[3...])).contains("no tensor 'blk.0.attn_norm.weight'"))
        let extra = GGUFWriter.Tensor(
            name: "rope_freqs.weight", type: .f32, source: TensorSource(name: "", shape: [1], values: [1]))
        #expect(try refusal([], tensors + [extra]).contains("'rope_freqs.weight', which a gpt2 of its sizes has not"))
        // A head of its own is refused, a repeated embedding is what older converters wrote.
        let head = GGUFWriter.Tensor(name: "output.weight", type: .f32, source: read.tensors[0])
        try GGUFWriter.write(path: path, metadata: base, tensors: tensors + [head])
        #expect(try ModelSource.open(path: path).facts == facts)
        let other = TensorSource(name: "", shape: [9, 32], values: values(288, seed: 77))
        let untied = GGUFWriter.Tensor(name: "output.weight", type: .f32, source: other)
        #expect(try refusal([], tensors + [untied]).contains("is not the same as token_embd.weight"))
    }

    /// Every truncation, and many single changed bytes: refused or read, never a trap.
    @Test func damagedFilesNeverTrap() throws {
        let folder = try TemporaryFolder(), path = folder.file("m.gguf")
        let facts = ModelFacts(nLayer: 1, nHead: 2, nEmbd: 32, blockSize: 4, vocabSize: 9, bias: true, activation: "gelu_tanh")
        _ = try ExportFormat.gguf.exporter.write(try gguf(facts), dtype: .q8_0, to: path, calls: .system)
        let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        func read(_ bytes: [UInt8]) throws -> ModelSource {
            let mapped = try bytes.withUnsafeBytes { try MappedFile(path: path, contents: $0) }
            _ = try GGUFFile(file: mapped)
            return try ModelSource.open(path: folder.write(bytes, "changed.gguf"))
        }
        let header = try #require(try GGUFFile(path: path).entries.first).range.lowerBound
        for length in stride(from: 0, to: header, by: 7) {
            #expect(throws: FileError.self) { try read(Array(whole[..<length])) }
        }
        var generator = SeededGenerator(9), refused = 0
        for _ in 0..<1500 {
            var bytes = whole
            bytes[Int.random(in: 0..<header, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            do {
                let model = try read(bytes)
                _ = try? model.tokenizerJSON?()
                for tensor in model.tensors { _ = try tensor.floats() }
            } catch is FileError {
                refused += 1
            }
        }
        #expect(refused > 300)
    }
}
