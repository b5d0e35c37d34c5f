// SPDX-License-Identifier: MIT
import Checkpoints
import Foundation
import Storage
import Tokenization

/// The parsers of checkpoints and models.
public enum CheckpointTargets {
    public static let all: [FuzzTarget] = [
        FuzzTarget("safetensors", safetensors), FuzzTarget("pytorch-zip", longest: 8192, pytorch), FuzzTarget("pickle", pickle),
        FuzzTarget("checkpoint", checkpoint), FuzzTarget("huggingface", longest: 8192, huggingFace),
        FuzzTarget("huggingface-index", huggingFaceIndex), FuzzTarget("gguf", longest: 8192, gguf),
        FuzzTarget("llmc-model", llmc),
    ]

    private static func safetensors(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let file = try SafetensorsFile(file: MappedFile(path: "input.safetensors", contents: input))
        try touch(file)
        if let facts = ModelFacts(metadata: file.metadata) { _ = facts.parameters.count }
    }

    private static func touch(_ file: SafetensorsFile) throws {
        var crc = CRC32C()
        for entry in file.entries {
            crc.update(file.bytes(entry))
            guard entry.count * entry.dtype.size == entry.range.count else { throw CocoaError(.fileReadCorruptFile) }
        }
    }

    private static func pytorch(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let checkpoint = try PyTorchCheckpoint(file: MappedFile(path: "input.pt", contents: input))
        var budget = 10_000
        try walk(checkpoint.root, &budget)
        let model = try NanoGPTCheckpoint(checkpoint)
        try read(model.modelSources() + model.optimizerSources())
    }

    /// The values of a checkpoint and the numbers of its small tensors.
    private static func walk(_ value: PyTorchValue, _ budget: inout Int) throws {
        budget -= 1
        guard budget > 0 else { return }
        switch value {
        case .list(let items), .tuple(let items): for item in items { try walk(item, &budget) }
        case .dictionary(let pairs):
            for pair in pairs {
                try walk(pair.key, &budget)
                try walk(pair.value, &budget)
            }
        case .tensor(let tensor):
            if tensor.count <= 10_000 { _ = try? tensor.floats() }
            _ = value.number
        default: break
        }
    }

    private static func read(_ sources: [TensorSource]) throws {
        var piece = [UInt8](repeating: 0, count: 256)
        for source in sources.prefix(100) {
            guard let count = source.byteCount, count >= piece.count else { continue }
            try piece.withUnsafeMutableBytes {
                try source.fill($0, 0)
                try source.fill($0, (count - $0.count) / 4 * 4)
            }
        }
    }

    /// The input as data.pkl of a checkpoint with one storage of 64 bytes.
    private static func pickle(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let zip = StoredZip.file([("archive/data.pkl", Array(input)), ("archive/data/0", [UInt8](repeating: 7, count: 64))])
        try zip.withUnsafeBytes { try pytorch($0, folder) }
    }

    /// manifest.json (its checksum of itself put right, or nothing else would be reached) and state.json.
    private static func checkpoint(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let files = pieces(input, 2)
        try folder.write("manifest.json", mended(Array(files[0])))
        let state = try folder.write("state.json", files[1])
        let empty: [UInt8] = [2, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D]
        for name in ["model.safetensors", "optimizer.safetensors"] { try folder.write(name, empty) }
        let info = Result { try CheckpointStore.checkpoint(folder: folder.path) }
        let read = Result { try CheckpointState.read(path: state) }
        if case .success(let state) = read { _ = try state.encoded() }
        let found = try info.get()
        _ = (found.byteCount, found.step)
        _ = try read.get()
        _ = try? CheckpointStore(runFolder: folder.path).verify(found)
    }

    private static func mended(_ text: [UInt8]) -> [UInt8] {
        let key = Array("\"manifest_crc32c\"".utf8)
        guard text.count > key.count,
            let start = (0..<text.count - key.count).first(where: { text[$0..<$0 + key.count].elementsEqual(key) }),
            let quote = text[(start + key.count)...].firstIndex(of: 0x22), quote + 9 < text.count
        else { return text }
        var mended = text
        let digits = quote + 1..<quote + 9
        mended.replaceSubrange(digits, with: Array("00000000".utf8))
        mended.replaceSubrange(digits, with: Array(CRC32C.text(mended.withUnsafeBytes { CRC32C.of($0) }).utf8))
        return mended
    }

    /// config.json and model.safetensors.
    private static func huggingFace(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let files = pieces(input, 2)
        try folder.write("config.json", files[0])
        try folder.write("model.safetensors", files[1])
        try read(ModelSource.open(path: folder.path).tensors)
    }

    /// The file itself, the model and the tokenizer in it.
    private static func gguf(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let file = try GGUFFile(file: MappedFile(path: "input.gguf", contents: input))
        var crc = CRC32C()
        for entry in file.entries { crc.update(file.bytes(entry)) }
        for value in file.metadata.values {
            // Arrays are read only when somebody asks for them.
            if let array = value.array { _ = (try? array.strings(), try? array.integers()) }
        }
        let model = try ModelSource.open(path: folder.write("input.gguf", input))
        try read(model.tensors)
        guard let json = try model.tokenizerJSON?() else { return }
        try DataTargets.exercise(TokenizerLoader(environment: [:]).load(json: json, path: "input.gguf"))
    }

    /// A model of llm.c's: the header and what it makes of the bytes.
    private static func llmc(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        try read(ModelSource.open(path: folder.write("input.bin", input)).tensors)
    }

    /// The index of a model in parts, beside one part.
    private static func huggingFaceIndex(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let tensors = [
            #""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#, #""b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#,
        ]
        let header = Array("{\(tensors.joined(separator: ","))}".utf8)
        let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
        try folder.write("model-00001-of-00001.safetensors", length + header + [UInt8](repeating: 0, count: 8))
        try folder.write("model.safetensors.index.json", input)
        let parts = try ShardedSafetensors(folder: folder.path)
        for name in parts.names { try parts.file(of: name).map(touch) }
    }
}

/// A zip file of stored entries as bytes: enough of one to carry an input.
public enum StoredZip {
    public static func file(_ entries: [(name: String, bytes: [UInt8])]) -> [UInt8] {
        func little(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        var file: [UInt8] = [], directory: [UInt8] = []
        for (name, bytes) in entries {
            let name = Array(name.utf8)
            let common =
                little(20, 2) + little(0, 2) + little(0, 2) + little(0, 4) + little(0, 4) + little(bytes.count, 4)
                + little(bytes.count, 4) + little(name.count, 2) + little(0, 2)
            directory +=
                little(0x0201_4b50, 4) + little(20, 2) + common + little(0, 2) + little(0, 2) + little(0, 2)
                + little(0, 4) + little(file.count, 4) + name
            file += little(0x0403_4b50, 4) + common + name + bytes
        }
        let end =
            little(0x0605_4b50, 4) + little(0, 2) + little(0, 2) + little(entries.count, 2) + little(entries.count, 2)
            + little(directory.count, 4) + little(file.count, 4) + little(0, 2)
        return file + directory + end
    }
}
