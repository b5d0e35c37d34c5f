// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import Storage
import TestKit
import Testing

/// A small model for hermetic tests of nanoGPT's layout.
let smallFacts = ModelFacts(nLayer: 2, nHead: 2, nEmbd: 8, blockSize: 6, vocabSize: 10, bias: true)

func sources(_ facts: ModelFacts, seed: UInt64 = 3) -> [TensorSource] {
    facts.parameters.enumerated().map { index, parameter in
        TensorSource(
            name: parameter.name, shape: parameter.shape,
            values: values(parameter.shape.reduce(1, *), seed: seed &+ UInt64(index)))
    }
}

func moments(_ facts: ModelFacts) -> [TensorSource] {
    facts.parameters.enumerated().flatMap { index, parameter in
        ["exp_avg", "exp_avg_sq"].enumerated().map { k, suffix in
            TensorSource(
                name: "\(parameter.name).\(suffix)", shape: parameter.shape,
                values: values(parameter.shape.reduce(1, *), seed: UInt64(1000 + 2 * index + k)))
        }
    }
}

@Suite struct PyTorchTests {
    private func write(_ folder: TemporaryFolder, bias: Bool = true, optimizer: Bool = true) throws -> (String, ModelFacts) {
        var facts = smallFacts
        facts.bias = bias
        let writer = NanoGPTCheckpointWriter(
            facts: facts, iterNum: 77, bestValLoss: 3.5, learningRate: 2e-3, beta2: 0.99, weightDecay: 0.2,
            config: [
                ("dataset", .string("stories")), ("big", .integer(1 << 40)), ("negative", .integer(-5)), ("compile", .bool(true)),
            ])
        try writer.write(path: folder.file("ckpt.pt"), model: sources(facts), optimizer: optimizer ? moments(facts) : [])
        return (folder.file("ckpt.pt"), facts)
    }

    @Test(arguments: [true, false]) func whatIsWrittenIsReadBack(bias: Bool) throws {
        let folder = try TemporaryFolder(), (path, facts) = try write(folder, bias: bias)
        let checkpoint = try NanoGPTCheckpoint(path: path)
        #expect(checkpoint.facts == facts && checkpoint.iterNum == 77 && checkpoint.bestValLoss == 3.5)
        #expect(checkpoint.config["dataset"]?.string == "stories" && checkpoint.config["compile"]?.bool == true)
        #expect(checkpoint.config["big"]?.integer == 1 << 40 && checkpoint.config["negative"]?.integer == -5)
        #expect(checkpoint.tensors.count == facts.parameters.count)  // the tied head is not counted twice
        #expect(checkpoint.groups.map(\.weightDecay) == [0.2, 0])
        #expect(checkpoint.groups.first?.beta2 == 0.99 && checkpoint.groups.first?.learningRate == 2e-3)
        for (read, written) in zip(try checkpoint.modelSources(), sources(facts)) {
            #expect(read.name == written.name)
            #expect(try read.floats() == written.floats())
        }
        for (read, written) in zip(try checkpoint.optimizerSources(), moments(facts)) {
            #expect(read.name == written.name)
            #expect(try read.floats() == written.floats())
        }
        #expect(checkpoint.optimizer.values.allSatisfy { $0.step == 77 })
    }

    @Test func dataAreAlignedForMapping() throws {
        let folder = try TemporaryFolder(), (path, _) = try write(folder)
        let archive = try ZipArchive(file: MappedFile(path: path))
        #expect(archive.entries.values.allSatisfy { $0.range.lowerBound.isMultiple(of: 64) })
        #expect(archive.entries["ckpt/version"].map { archive.bytes($0).elementsEqual([0x33, 0x0a]) } == true)
    }

    /// Sizes and places of 64 bits, as files of 4 GiB and more have them.
    @Test func zip64EntriesAreFound() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(storedZip([("first", [1, 2, 3]), ("second", [4, 5])], zip64: true), "x.zip")
        let archive = try ZipArchive(file: MappedFile(path: path))
        #expect(archive.entries["first"].map { Array(archive.bytes($0)) } == [1, 2, 3])
        #expect(archive.entries["second"].map { Array(archive.bytes($0)) } == [4, 5])
    }

    @Test func crc32HasTheStandardCheckValue() {
        var crc = CRC32()
        Array("123456789".utf8).withUnsafeBytes { crc.update($0) }
        #expect(crc.value == 0xcbf4_3926)  // the check value of CRC-32/ISO-HDLC
        for cut in 0..<9 {
            var parts = CRC32()
            Array("123456789".utf8.prefix(cut)).withUnsafeBytes { parts.update($0) }
            Array("123456789".utf8.dropFirst(cut)).withUnsafeBytes { parts.update($0) }
            #expect(parts.value == crc.value)
        }
    }

    @Test func withoutOptimizerThereAreNoMoments() throws {
        let folder = try TemporaryFolder(), (path, _) = try write(folder, optimizer: false)
        #expect(try NanoGPTCheckpoint(path: path).optimizer.isEmpty)
    }

    @Test func theWriterSaysWhatItLacks() throws {
        let folder = try TemporaryFolder()
        var tanh = smallFacts
        tanh.activation = "gelu_tanh"
        let activation = #expect(throws: FileError.self) {
            try NanoGPTCheckpointWriter(facts: tanh, iterNum: 0).write(
                path: folder.file("a"), model: sources(tanh), optimizer: [])
        }
        #expect(activation?.reason.contains("nanoGPT only computes gelu") == true)
        let missing = #expect(throws: FileError.self) {
            try NanoGPTCheckpointWriter(facts: smallFacts, iterNum: 0).write(
                path: folder.file("a"), model: Array(sources(smallFacts).dropLast()), optimizer: [])
        }
        #expect(missing?.reason.contains("'transformer.ln_f.bias' is missing") == true)
        #expect(Folder.names(folder.path).isEmpty)
    }

    @Test func everyFailingCallLeavesTheOldFile() throws {
        let folder = try TemporaryFolder(), (path, _) = try write(folder)
        let before = try Data(contentsOf: URL(fileURLWithPath: path)), counter = FaultyCalls(failing: -1)
        let writer = NanoGPTCheckpointWriter(facts: smallFacts, iterNum: 1)
        try writer.write(path: folder.file("b"), model: sources(smallFacts), optimizer: [], calls: counter.calls)
        // The last three calls flush the folder, after the new file is in place.
        for number in 0..<counter.total - 3 {
            #expect(throws: FileError.self, "call \(number)") {
                try writer.write(
                    path: path, model: sources(smallFacts), optimizer: [], calls: FaultyCalls(failing: number).calls)
            }
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
            #expect(Folder.names(folder.path) == ["b", "ckpt.pt"])
        }
    }

    // MARK: Pickles that are not plain

    /// Packs a pickle as torch.save does, and opens it.
    private func open(_ pickle: [UInt8], data: [UInt8] = [], in folder: TemporaryFolder) throws -> PyTorchCheckpoint {
        try PyTorchCheckpoint(path: folder.write(storedZip([("a/data.pkl", pickle), ("a/data/0", data)]), "x.pt"))
    }

    @Test func codeIsNeverRun() throws {
        let folder = try TemporaryFolder()
        // cos\nsystem\n(S'...'tR. and the same by protocol 4's way of naming.
        for (pickle, name) in [
            (
                Array("\u{80}\u{2}".unicodeScalars.map { UInt8($0.value) }) + Array("cos\nsystem\n(X\u{4}\0\0\0true".utf8)
                    + Array("tR.".utf8), "os.system"
            ),
            ([0x80, 4, 0x8c, 8] + Array("builtins".utf8) + [0x8c, 4] + Array("eval".utf8) + [0x93, 0x2e], "builtins.eval"),
            ([0x80, 2] + Array("ctorch._utils\n_rebuild_wrapper\n.".utf8), "torch._utils._rebuild_wrapper"),
        ] as [([UInt8], String)] {
            let error = #expect(throws: FileError.self) { try open(pickle, in: folder) }
            #expect(
                error?.reason.hasPrefix("it asks for '\(name)', which tensors do not need; Apus runs no code") == true,
                "\(error?.reason ?? "")")
        }
    }

    @Test(arguments: [
        ("", "it ends early"), (".", "its stack runs empty"), ("(.", "a mark stands where a value belongs"),
        ("t.", "a mark is missing"), ("h\u{1}.", "it refers to a value it has not"), ("NNa.", "no list"),
        ("N(Nu.", "has no value"),
        ("N(NNu.", "no dictionary"), ("NNR.", "calls something that is no function"),
        ("NQ.", "refers to something in an unknown way"),
        ("NNb.", "no dictionary"), ("I01\n.", "the pickle opcode 0x49"), ("i", "the pickle opcode 0x69"),
        ("X\u{ff}", "it ends early"),
        ("ctorch\nShortStorage\n.", "torch.ShortStorage"), ("ctorch\nSize\n)R.", "without an argument"),
    ]) func damagedPicklesAreNamed(_ text: String, _ reason: String) throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: FileError.self) {
            try open([0x80, 2] + text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }, in: folder)
        }
        #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
    }

    @Test func deepAndRecursivePicklesAreRefused() throws {
        let folder = try TemporaryFolder()
        let deep = [UInt8](repeating: UInt8(ascii: "]"), count: 1_000_000) + [UInt8](repeating: UInt8(ascii: "a"), count: 999_999)
        // A list that holds itself, and twenty lists that each hold the one before ten times.
        let cyclic = Array("]q\u{0}h\u{0}a.".utf8)
        var wide = Array("](NNNNNNNNNNe".utf8)
        for _ in 0..<20 { wide += Array("q\u{0}](h\u{0}h\u{0}h\u{0}h\u{0}h\u{0}h\u{0}h\u{0}h\u{0}h\u{0}h\u{0}e".utf8) }
        for (pickle, reason) in [
            (deep + [0x2e], "nested deeper than 100"), (cyclic, "nested deeper than 100"),
            (wide + [0x2e], "more than 1000000 values"),
        ] as [([UInt8], String)] {
            let error = #expect(throws: FileError.self) { try open([0x80, 2] + pickle, in: folder) }
            #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
        }
    }

    /// ctorch._utils._rebuild_tensor_v2 of a float32 storage of 12 elements.
    private func tensorPickle(offset: UInt8, shape: [UInt8], strides: [UInt8], count: UInt8 = 12) -> [UInt8] {
        func tuple(_ items: [UInt8]) -> [UInt8] { [0x28] + items.flatMap { [0x4b, $0] } + [0x74] }
        func text(_ text: String) -> [UInt8] { [0x58, UInt8(text.utf8.count), 0, 0, 0] + Array(text.utf8) }
        return [0x80, 2] + Array("ctorch._utils\n_rebuild_tensor_v2\n((".utf8) + text("storage")
            + Array("ctorch\nFloatStorage\n".utf8)
            + text("0") + text("cpu") + [0x4b, count, 0x74, 0x51, 0x4b, offset] + tuple(shape) + tuple(strides)
            + [0x89, 0x4e, 0x74, 0x52, 0x2e]
    }

    @Test func stridedTensorsAreCopiedInOrder() throws {
        let folder = try TemporaryFolder(), data = (0..<12).map(Float.init).withUnsafeBytes { Array($0) }
        for (offset, shape, strides, expected) in [
            (0, [3, 4], [4, 1], (0..<12).map(Float.init)), (0, [4, 3], [1, 4], [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]),
            (1, [2, 2], [4, 2], [1, 3, 5, 7]), (11, [], [], [11]), (5, [1, 2], [99, 1], [5, 6]), (12, [0], [1], []),
        ] as [(UInt8, [UInt8], [UInt8], [Float])] {
            let checkpoint = try open(tensorPickle(offset: offset, shape: shape, strides: strides), data: data, in: folder)
            #expect(try checkpoint.root.tensor?.floats() == expected, "\(shape) \(strides)")
        }
        for (offset, shape, strides, count) in [
            (1, [3, 4], [4, 1], 12), (0, [3, 4], [5, 1], 12), (0, [13], [0], 12), (0, [1], [1], 13), (12, [1], [1], 12),
            (0, [2], [255], 12),
        ] as [(UInt8, [UInt8], [UInt8], UInt8)] {
            let error = #expect(throws: FileError.self) {
                try open(tensorPickle(offset: offset, shape: shape, strides: strides, count: count), data: data, in: folder)
            }
            #expect(error?.reason.contains("does not fit its data 'a/data/0' of 48 bytes") == true, "\(error?.reason ?? "")")
        }
    }

    @Test func otherFilesAreExplained() throws {
        let folder = try TemporaryFolder()
        let text = #expect(throws: FileError.self) { try PyTorchCheckpoint(path: folder.write(Array("hello".utf8), "text.pt")) }
        #expect(text?.reason == "it is no zip file, so torch.save did not write it")
        let empty = #expect(throws: FileError.self) { try PyTorchCheckpoint(path: folder.write(storedZip([]), "empty.pt")) }
        #expect(empty != nil)
        var packed = storedZip([("a/data.pkl", [0x2e])])
        packed[packed.count - 22 - 56 + 10] = 8  // the method in the directory's only entry, 46 + 10 bytes long
        let deflated = #expect(throws: FileError.self) { try PyTorchCheckpoint(path: folder.write(packed, "packed.pt")) }
        #expect(
            deflated?.reason.contains("is compressed (method 8), which torch.save never does") == true,
            "\(deflated?.reason ?? "")")
        let plain = #expect(throws: FileError.self) {
            try NanoGPTCheckpoint(path: folder.write(storedZip([("a/data.pkl", Array("}.".utf8))]), "p.pt"))
        }
        #expect(plain?.reason == "it lacks 'model' or 'model_args', which nanoGPT's train.py saves")
    }

    /// 20,000 damaged files, half of the damage in the pickle: each is refused or read within its bounds.
    @Test func mutationsNeverTrap() throws {
        let folder = try TemporaryFolder(), (path, _) = try write(folder)
        let whole = try Array(Data(contentsOf: URL(fileURLWithPath: path)))
        let archive = try ZipArchive(file: MappedFile(path: path))
        let records = archive.entries.values.sorted { $0.range.lowerBound < $1.range.lowerBound }.map {
            ($0.name, Array(archive.bytes($0)))
        }
        var generator = SeededGenerator(5), refused = 0
        for round in 0..<20_000 {
            var bytes: [UInt8]
            if round.isMultiple(of: 2) {
                bytes = mutated(whole, &generator)
            } else {
                bytes = storedZip(records.map { $0.0.hasSuffix("data.pkl") ? ($0.0, mutated($0.1, &generator)) : $0 })
            }
            if bytes.count > 2 { bytes[0...1] = [0x50, 0x4b] }
            let file = try bytes.withUnsafeBytes { try MappedFile(path: "mutated", contents: $0) }
            do {
                let checkpoint = try NanoGPTCheckpoint(PyTorchCheckpoint(file: file))
                for source in try checkpoint.modelSources() { _ = try source.floats() }
                for source in try checkpoint.optimizerSources() { _ = try source.floats() }
            } catch is FileError {
                refused += 1
            }
        }
        #expect(refused > 5_000)
    }
}

/// A zip file of stored entries without alignment or checksums: the simplest that readers accept.
///
/// - Parameter zip64: say sizes and places in the 64-bit fields only
func storedZip(_ entries: [(String, [UInt8])], zip64: Bool = false) -> [UInt8] {
    func little(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    var file: [UInt8] = [], directory: [UInt8] = []
    for (name, bytes) in entries {
        let offset = file.count, name = Array(name.utf8), sizes = little(0, 4) + little(bytes.count, 4) + little(bytes.count, 4)
        file +=
            little(0x0403_4b50, 4) + little(20, 2) + little(0, 8) + sizes + little(name.count, 2) + little(0, 2) + name + bytes
        directory += little(0x0201_4b50, 4) + little(20, 2) + little(20, 2) + little(0, 8)
        directory += (zip64 ? little(0, 4) + little(-1, 8) : sizes) + little(name.count, 2)
        directory += little(zip64 ? 34 : 0, 2) + little(0, 10) + little(zip64 ? -1 : offset, 4) + name
        if zip64 {
            // Another extra field first, then the 64-bit one: size, stored size, place.
            directory += little(0x7075, 2) + little(2, 2) + [7, 7]
            directory += little(1, 2) + little(24, 2) + little(bytes.count, 8) + little(bytes.count, 8) + little(offset, 8)
        }
    }
    let start = file.count
    file += directory
    if zip64 {
        let record = file.count
        file += little(0x0606_4b50, 4) + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8)
        file += little(entries.count, 8) + little(entries.count, 8) + little(directory.count, 8) + little(start, 8)
        file += little(0x0706_4b50, 4) + little(0, 4) + little(record, 8) + little(1, 4)
        return file + little(0x0605_4b50, 4) + little(0, 4) + little(-1, 12) + little(0, 2)
    }
    return file + little(0x0605_4b50, 4) + little(0, 4) + little(entries.count, 2) + little(entries.count, 2)
        + little(directory.count, 4) + little(start, 4) + little(0, 2)
}
