// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import Storage
import Testing

/// nanoGPT checkpoints as other programs and other times wrote them, made by hand opcode by opcode.
@Suite struct ForeignCheckpointTests {
    private static let facts = ModelFacts(nLayer: 1, nHead: 1, nEmbd: 2, blockSize: 2, vocabSize: 3, bias: false)
    /// Small numbers that all three types hold exactly.
    private static func values(_ parameter: ModelFacts.Parameter) -> [Float] {
        (0..<parameter.shape.reduce(1, *)).map { Float($0 % 7) / 4 - Float(parameter.name.utf8.count % 5) / 2 }
    }

    private static func text(_ text: String) -> [UInt8] { [0x58, UInt8(text.utf8.count), 0, 0, 0] + Array(text.utf8) }
    private static func number(_ value: Int) -> [UInt8] { [0x4a] + (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    private static func tuple(_ items: [[UInt8]]) -> [UInt8] { [0x28] + items.flatMap { $0 } + [0x74] }
    private static func dictionary(_ pairs: [([UInt8], [UInt8])]) -> [UInt8] {
        [0x7d, 0x28] + pairs.flatMap { $0.0 + $0.1 } + [0x75]
    }
    private static func pickle(_ value: [UInt8]) -> [UInt8] { [0x80, 2] + value + [0x2e] }

    private static func tensor(_ key: Int, _ shape: [Int], type: String, isLegacy: Bool) -> [UInt8] {
        let count = shape.reduce(1, *), strides = shape.indices.map { shape[($0 + 1)...].reduce(1, *) }
        let storage = tuple(
            [text("storage"), Array("ctorch\n\(type)\n".utf8), text(String(key)), text("cpu"), number(count)]
                + (isLegacy ? [[0x4e]] : []))
        return Array("ctorch._utils\n_rebuild_tensor_v2\n".utf8)
            + tuple([storage + [0x51], number(0), tuple(shape.map(number)), tuple(strides.map(number)), [0x89], [0x4e]]) + [0x52]
    }

    private static func stored(_ values: [Float], _ type: String) -> [UInt8] {
        values.flatMap { value -> [UInt8] in
            switch type {
            case "HalfStorage":
                // Normal numbers of few digits: exponent and fraction are moved, nothing is rounded.
                let bits = value.bitPattern
                let half =
                    value == 0
                    ? UInt16(bits >> 16 & 0x8000)
                    : UInt16(bits >> 16 & 0x8000) | UInt16((Int(bits >> 23 & 255) - 112) << 10) | UInt16(bits >> 13 & 1023)
                return [UInt8(half & 255), UInt8(half >> 8)]
            case "BFloat16Storage": return [UInt8(value.bitPattern >> 16 & 255), UInt8(value.bitPattern >> 24)]
            default: return withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
            }
        }
    }

    /// A checkpoint with weights of a type, names behind a prefix, causal masks and the tied head.
    private static func checkpoint(prefix: String, type: String, isLegacy: Bool = false) -> [UInt8] {
        let parameters = facts.parameters
        func tensor(_ key: Int, _ shape: [Int]) -> [UInt8] { Self.tensor(key, shape, type: type, isLegacy: isLegacy) }
        var model = parameters.enumerated().map { (text(prefix + $1.name), tensor($0, $1.shape)) }
        model.append((text(prefix + "transformer.h.0.attn.bias"), tensor(0, [3, 2])))
        model.append((text(prefix + "lm_head.weight"), tensor(0, parameters[0].shape)))
        let sizes = [("n_layer", 1), ("n_head", 1), ("n_embd", 2), ("block_size", 2), ("vocab_size", 3)].map {
            (text($0.0), number($0.1))
        }
        let root = pickle(
            dictionary([
                (text("model"), dictionary(model)), (text("model_args"), dictionary(sizes + [(text("bias"), [0x89])])),
                (text("iter_num"), number(300)),
            ]))
        let data = parameters.map { stored(values($0), type) }
        guard isLegacy else {
            return storedZip([("a/data.pkl", root)] + data.enumerated().map { ("a/data/\($0)", $1) })
        }
        let magic: [UInt8] = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]
        let keys = pickle([0x5d, 0x28] + data.indices.flatMap { text(String($0)) } + [0x65])
        let counts = parameters.map { parameter in
            (0..<8).map { UInt8(truncatingIfNeeded: parameter.shape.reduce(1, *) >> (8 * $0)) }
        }
        return magic + pickle(number(1001)) + pickle(dictionary([(text("little_endian"), [0x88])])) + root + keys
            + zip(counts, data).flatMap { $0 + $1 }
    }

    private func expectModel(_ bytes: [UInt8], _ comment: String) throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(bytes, "ckpt.pt")
        let model = try ModelSource.open(path: folder.path)
        #expect(model.facts == Self.facts && model.kind == .nanoGPT && model.step == 300, "\(comment)")
        for (tensor, parameter) in zip(model.tensors, Self.facts.parameters) {
            #expect(tensor.name == parameter.name && tensor.shape == parameter.shape, "\(comment)")
            #expect(try tensor.floats() == Self.values(parameter), "\(comment) \(parameter.name)")
        }
    }

    @Test(arguments: ["", "_orig_mod.", "module.", "module._orig_mod.", "_orig_mod.module."])
    func prefixesAreRemoved(_ prefix: String) throws {
        try expectModel(Self.checkpoint(prefix: prefix, type: "FloatStorage"), prefix)
    }

    @Test(arguments: ["FloatStorage", "HalfStorage", "BFloat16Storage"], [false, true])
    func storagesOfEveryTypeAreWidened(_ type: String, isLegacy: Bool) throws {
        try expectModel(Self.checkpoint(prefix: "_orig_mod.", type: type, isLegacy: isLegacy), "\(type) \(isLegacy)")
    }

    @Test func aHeadOfItsOwnIsRefused() throws {
        let folder = try TemporaryFolder()
        var bytes = Self.checkpoint(prefix: "", type: "FloatStorage")
        // The head's key "0", the last one in the file, becomes "6": other numbers of another shape.
        let name = Array("lm_head.weight".utf8)
        let place = try #require((0..<bytes.count - name.count).last { bytes[$0..<$0 + name.count].elementsEqual(name) })
        let key = try #require((place..<bytes.count - 1).first { bytes[$0..<$0 + 5].elementsEqual([0x58, 1, 0, 0, 0]) }) + 5
        bytes[key] = UInt8(ascii: "6")
        let error = #expect(throws: FileError.self) { try ModelSource.open(path: folder.write(bytes, "ckpt.pt")) }
        #expect(
            error?.reason.contains("its lm_head.weight differs from transformer.wte.weight") == true, "\(error?.reason ?? "")")
    }

    /// PyTorch's old layout, cut off everywhere and with every byte changed: refused or read, never a trap.
    @Test func damagedOldFilesNeverTrap() throws {
        let whole = Self.checkpoint(prefix: "", type: "FloatStorage", isLegacy: true)
        func read(_ bytes: [UInt8]) throws {
            let file = try bytes.withUnsafeBytes { try MappedFile(path: "old", contents: $0) }
            for source in try NanoGPTCheckpoint(PyTorchCheckpoint(file: file)).modelSources() { _ = try source.floats() }
        }
        try read(whole)
        for length in 0..<whole.count {
            #expect(throws: FileError.self, "cut at \(length)") { try read(Array(whole.prefix(length))) }
        }
        var refused = 0
        for place in whole.indices {
            for change in [UInt8(1), 0x40, 0xff] {
                var bytes = whole
                bytes[place] ^= change
                do { try read(bytes) } catch is FileError { refused += 1 }
            }
        }
        #expect(refused > whole.count / 2)
        // A storage that claims more elements than any file has.
        var huge = whole
        let count = whole.count - Self.values(Self.facts.parameters[8]).count * 4 - 8
        for i in 0..<7 { huge[count + i] = 0xff }
        let error = #expect(throws: FileError.self) { try read(huge) }
        #expect(error?.reason == "it ends before the data of storage 8")
        let code = Array(whole.prefix(15)) + [0x80, 2] + Array("cos\nsystem\n.".utf8)
        let refusal = #expect(throws: FileError.self) { try read(code) }
        #expect(refusal?.reason.contains("it asks for 'os.system'") == true)
    }
}
