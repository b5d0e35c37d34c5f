// SPDX-License-Identifier: MIT
import Compute
import Foundation
import Storage

/// Which of a run's checkpoints is meant.
public enum CheckpointChoice: Sendable, Equatable {
    /// The one with the lowest validation loss, or the one committed last.
    case best, latest
    /// The one after that many updates, 0 or more.
    case step(Int)

    /// "best", "latest" or a number of updates; nil for anything else.
    public init?(_ text: String) {
        switch text {
        case "best": self = .best
        case "latest": self = .latest
        default:
            guard let step = Int(text), step >= 0 else { return nil }
            self = .step(step)
        }
    }
}

/// A model's sizes and float32 weights, wherever they come from: a run folder, a checkpoint folder, a nanoGPT `ckpt.pt`
/// (or its folder), a Hugging Face GPT-2 folder, a GGUF file, an llm.c model, or a safetensors file with nanoGPT's names.
public struct ModelSource: Sendable {
    /// What a path turned out to be.
    public enum Kind: String, Sendable {
        /// A run is a folder with `checkpoints/`, a checkpoint one folder in it; the others are other programs' forms.
        case run, checkpoint, nanoGPT = "nanogpt", huggingFace = "huggingface", safetensors, gguf, llmc
    }

    /// The file or folder that the weights come from.
    public let path: String
    /// Found from the content of the folder or file, not from a choice.
    public let kind: Kind
    /// Checked: all sizes are within bounds.
    public let facts: ModelFacts
    /// All parameters in nanoGPT's order, float32, names and shapes as `facts.parameters`.
    public let tensors: [TensorSource]
    /// Updates completed; nil when the source does not say.
    public let step: Int?
    /// Checkpoints that were passed over because they are damaged.
    public let skipped: [SkippedCheckpoint]
    /// Makes a `tokenizer.json` of the tokenizer that the model's own file holds; nil for the kinds of file that hold none.
    public let tokenizerJSON: (@Sendable () throws -> String)?
    /// The name of the data in a nanoGPT checkpoint's settings: its files lie in `data/NAME`.
    public internal(set) var dataset: String?

    /// - Parameter weights: gives a float32 source for a name, or throws when there is none.
    init(
        path: String, kind: Kind, facts: ModelFacts, step: Int? = nil, skipped: [SkippedCheckpoint] = [],
        tokenizerJSON: (@Sendable () throws -> String)? = nil, weights: (String) throws -> TensorSource
    ) throws {
        try facts.check(path: path)
        self.path = path
        self.kind = kind
        self.facts = facts
        self.step = step
        self.skipped = skipped
        self.tokenizerJSON = tokenizerJSON
        tensors = try facts.parameters.map { parameter in
            let source = try weights(parameter.name)
            guard source.shape == parameter.shape, source.dtype == .float32 else {
                throw FileError(
                    path: path, operation: "use the model",
                    reason: "its tensor '\(parameter.name)' has the shape \(source.shape), \(parameter.shape) is expected")
            }
            return source
        }
    }

    /// Opens a model.
    ///
    /// - Parameters:
    ///   - path: see the type
    ///   - checkpoint: of a run folder; nil means the best, or the latest when none is marked best
    ///   - nHead: heads, for safetensors without metadata, whose shapes do not tell it; other sources know and do not ask
    ///   - activation: "gelu" or "gelu_tanh", for the same case
    /// - Throws: `FileError` saying what was expected.
    public static func open(
        path: String, checkpoint: CheckpointChoice? = nil, nHead: Int? = nil, activation: String? = nil
    ) throws -> ModelSource {
        if Folder.exists(path) {
            func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path + "/" + name) }
            if has("checkpoints") { return try run(path, checkpoint, nHead) }
            if has(CheckpointManifest.fileName), has(CheckpointStore.modelFile) {
                let info = try CheckpointStore.checkpoint(folder: path)
                return try load(info, kind: .checkpoint, skipped: [], nHead)
            }
            if has("config.json") { return try HuggingFaceFolder.open(path) }
            if has("ckpt.pt") { return try nanoGPT(path + "/ckpt.pt") }
            if has(LLMCExporter.modelFile) { return try LLMCModel.open(MappedFile(path: path + "/" + LLMCExporter.modelFile)) }
            throw FileError(
                path: path, operation: "find a model in",
                reason: "it is no run folder (checkpoints/), no checkpoint folder (manifest.json), no nanoGPT folder (ckpt.pt)"
                    + " and no Hugging Face folder (config.json)")
        }
        let file = try MappedFile(path: path)
        if file.bytes.starts(with: GGUFFile.magic) { return try GGUFModel.open(file) }
        if LLMCModel.isOne(file) { return try LLMCModel.open(file) }
        if file.bytes.starts(with: [0x50, 0x4b]) || path.hasSuffix(".pt") || path.hasSuffix(".pth") { return try nanoGPT(path) }
        return try safetensors(path, nHead: nHead, activation: activation)
    }

    private static func nanoGPT(_ path: String) throws -> ModelSource {
        let checkpoint = try NanoGPTCheckpoint(path: path)
        var source = try ModelSource(path: path, kind: .nanoGPT, facts: checkpoint.facts, step: checkpoint.iterNum) { name in
            guard let tensor = checkpoint.tensors[name] else {
                throw FileError(path: path, operation: "use the model", reason: "it has no tensor '\(name)'")
            }
            return try tensor.source(name, path: path)
        }
        source.dataset = checkpoint.config["dataset"]?.string
        return source
    }

    private static func run(_ path: String, _ choice: CheckpointChoice?, _ nHead: Int?) throws -> ModelSource {
        let store = CheckpointStore(runFolder: path)
        var skipped: [SkippedCheckpoint] = []
        if choice == nil || choice == .best, let best = store.best() {
            do {
                try store.verify(best, weightsOnly: true)
                return try load(best, kind: .run, skipped: [], nHead)
            } catch {
                // Asked for by name, a damaged checkpoint is an error; as a default, the newest valid one will do.
                if choice == .best { throw error }
                skipped.append(SkippedCheckpoint(name: best.name, reason: "\(error)"))
            }
        }
        if choice == .best {
            throw FileError(
                path: path, operation: "find the best checkpoint in",
                reason: "no valid checkpoint is marked as best; use --checkpoint latest or a step")
        }
        if case .step(let step)? = choice {
            let info = try store.checkpoint(step: step)
            try store.verify(info, weightsOnly: true)
            return try load(info, kind: .run, skipped: [], nHead)
        }
        guard let found = try store.latestValid(weightsOnly: true) else {
            throw FileError(path: path, operation: "find a checkpoint in", reason: "the run has not saved one yet")
        }
        // The best one may be among them again.
        let more = found.skipped.filter { other in !skipped.contains { $0.name == other.name } }
        return try load(found.info, kind: .run, skipped: skipped + more, nHead)
    }

    private static func load(
        _ info: CheckpointInfo, kind: Kind, skipped: [SkippedCheckpoint], _ nHead: Int?
    ) throws -> ModelSource {
        let model = try CheckpointStore.openWeights(info).model
        let facts: ModelFacts
        if let stored = ModelFacts(metadata: model.metadata) {
            facts = stored
        } else {
            // Without facts in the file, the run's record two folders up knows what shapes do not tell.
            let record = (try? MappedFile(path: info.path + "/../../run.json")).flatMap { try? StrictJSON.parse($0.bytes) }
            facts = try infer(
                model, nHead: record?["config"]?["n_head"]?.integer ?? nHead,
                activation: record?["config"]?["activation"]?.string ?? "gelu")
        }
        return try ModelSource(path: info.path, kind: kind, facts: facts, step: info.step, skipped: skipped) { name in
            try float32(model, name, as: name)
        }
    }

    private static func safetensors(_ path: String, nHead: Int?, activation: String?) throws -> ModelSource {
        let file = try SafetensorsFile(path: path)
        let facts = try ModelFacts(metadata: file.metadata) ?? infer(file, nHead: nHead, activation: activation ?? "gelu")
        return try ModelSource(path: path, kind: .safetensors, facts: facts) { try float32(file, $0, as: $0) }
    }

    private static func infer(_ file: SafetensorsFile, nHead: Int?, activation: String) throws -> ModelFacts {
        let shapes = Dictionary(file.entries.map { ($0.name, $0.shape) }, uniquingKeysWith: { $1 })
        guard let facts = ModelFacts.infer(shapes: shapes, nHead: nHead ?? 0, activation: activation) else {
            throw FileError(
                path: file.path, operation: "use the model",
                reason: "it has no transformer.wte.weight and transformer.wpe.weight; nanoGPT's names are expected")
        }
        guard nHead != nil else {
            throw FileError(
                path: file.path, operation: "use the model",
                reason: "shapes do not tell the number of heads; give --n-head")
        }
        return facts
    }

    /// A tensor of a safetensors file as float32.
    static func float32(_ file: SafetensorsFile, _ name: String, as newName: String) throws -> TensorSource {
        let entry = try file.entry(name)
        if entry.dtype == .float32 { return try file.source(name, as: newName) }
        let floats = try FloatSource(dtype: entry.dtype, path: file.path)
        return TensorSource(name: newName, dtype: .float32, shape: entry.shape) { piece, offset in
            let values = piece.bindMemory(to: Float.self), bytes = file.bytes(entry)
            for i in values.indices { values[i] = floats.value(bytes, offset / 4 + i) }
        }
    }
}

extension TensorSource {
    /// All values of a float32 source.
    ///
    /// - Throws: `FileError` when it is of another type, or what `fill` throws.
    public func floats() throws -> [Float] {
        guard dtype == .float32, let count else {
            throw FileError(path: name, operation: "read the tensor", reason: "it is \(dtype) of shape \(shape), not float32")
        }
        return try [Float](unsafeUninitializedCapacity: count) { buffer, filled in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            if count > 0 { try fill(UnsafeMutableRawBufferPointer(rebasing: bytes[0..<count * 4]), 0) }
            filled = count
        }
    }
}
