// SPDX-License-Identifier: MIT
import Compute
import Foundation
import Storage

/// Reads a Hugging Face GPT-2 folder: config.json, and model.safetensors (also in parts) or pytorch_model.bin.
enum HuggingFaceFolder {
    /// The parts of names whose weights GPT-2 stores as [in, out] (its "Conv1D"); nanoGPT's Linear has [out, in].
    static let transposed = [".attn.c_attn.weight", ".attn.c_proj.weight", ".mlp.c_fc.weight", ".mlp.c_proj.weight"]

    /// - Throws: `FileError` when a file is missing or damaged, or the model is none that Apus computes.
    static func open(_ path: String) throws -> ModelSource {
        let facts = try facts(path)
        let find = try tensors(path)
        return try ModelSource(path: path, kind: .huggingFace, facts: facts) { name in
            // Folders saved from GPT2Model lack the "transformer." that those of GPT2LMHeadModel have.
            let short = String(name.dropFirst("transformer.".count))
            guard let source = try find(name) ?? find(short) else {
                throw FileError(path: path, operation: "use the model", reason: "it has no tensor '\(short)'")
            }
            return transposed.contains { name.hasSuffix($0) } ? try transpose(source, as: name, path: path) : source
        }
    }

    /// - Throws: `FileError` naming the setting that Apus does not compute.
    private static func facts(_ path: String) throws -> ModelFacts {
        let file = try MappedFile(path: path + "/config.json")
        func refuse(_ reason: String) -> FileError { FileError(path: file.path, operation: "use the model of", reason: reason) }
        let json: StrictJSON
        do {
            json = try StrictJSON.parse(file.bytes)
        } catch {
            throw refuse("it is no valid JSON: \(error)")
        }
        guard json["model_type"]?.string ?? "gpt2" == "gpt2" else {
            throw refuse("model_type is '\(json["model_type"]?.string ?? "")'; only gpt2 is read")
        }
        func size(_ keys: String...) throws -> Int {
            for key in keys { if let value = json[key]?.integer { return value } }
            throw refuse("it has no number '\(keys[0])'")
        }
        let activations = ["gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu_fast": "gelu_tanh", "gelu": "gelu"]
        let stated = json["activation_function"]?.string ?? "gelu_new"
        guard let activation = activations[stated] else {
            throw refuse("activation_function is '\(stated)'; gelu and gelu_new are computed")
        }
        let facts = ModelFacts(
            nLayer: try size("n_layer"), nHead: try size("n_head"), nEmbd: try size("n_embd"),
            blockSize: try size("n_positions", "n_ctx"),
            vocabSize: try size("vocab_size"), bias: true, activation: activation)
        try facts.check(path: file.path)
        for (key, only) in [
            ("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false), ("tie_word_embeddings", true),
        ] {
            if let value = json[key]?.bool, value != only { throw refuse("\(key) is \(value); only \(only) is computed") }
        }
        if let epsilon = json["layer_norm_epsilon"]?.number, epsilon != 1e-5 {
            throw refuse("layer_norm_epsilon is \(epsilon); only 1e-5 is computed")
        }
        if let inner = json["n_inner"]?.integer, inner != 4 * facts.nEmbd {
            throw refuse("n_inner is \(inner); only 4 n_embd is computed")
        }
        return facts
    }

    /// A function that finds a tensor by name, as float32.
    private static func tensors(_ path: String) throws -> (String) throws -> TensorSource? {
        func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path + "/" + name) }
        if has("model.safetensors.index.json") {
            let sharded = try ShardedSafetensors(folder: path)
            return { name in try sharded.file(of: name).map { try ModelSource.float32($0, name, as: canonical(name)) } }
        }
        if has("model.safetensors") {
            let file = try SafetensorsFile(path: path + "/model.safetensors")
            return { name in file.contains(name) ? try ModelSource.float32(file, name, as: canonical(name)) : nil }
        }
        if has("pytorch_model.bin") {
            let checkpoint = try PyTorchCheckpoint(path: path + "/pytorch_model.bin")
            return { name in try checkpoint.root[name]?.tensor?.source(canonical(name), path: checkpoint.path) }
        }
        throw FileError(
            path: path, operation: "find the weights in", reason: "it has neither model.safetensors nor pytorch_model.bin")
    }

    /// nanoGPT's name of one of GPT-2's tensors.
    private static func canonical(_ name: String) -> String { name.hasPrefix("transformer.") ? name : "transformer." + name }

    /// [in, out] seen as [out, in], and the other way round.
    static func transpose(_ source: TensorSource, as name: String, path: String) throws -> TensorSource {
        guard source.shape.count == 2 else {
            throw FileError(
                path: path, operation: "use the model", reason: "'\(name)' has \(source.shape.count) dimensions instead of 2")
        }
        let (rows, columns) = (source.shape[0], source.shape[1])
        let matrix = TransposedMatrix(source: source, rows: rows, columns: columns)
        return TensorSource(name: name, dtype: .float32, shape: [columns, rows]) { try matrix.fill($0, $1) }
    }
}

/// Delivers the transpose of a matrix [rows, columns] piece by piece.
private struct TransposedMatrix: Sendable {
    let source: TensorSource
    let rows: Int
    let columns: Int

    /// Fills with elements of the transpose, which start in its row `offset / 4 / rows`.
    func fill(_ piece: UnsafeMutableRawBufferPointer, _ offset: Int) throws {
        let out = piece.bindMemory(to: Float.self)
        guard rows > 0, let first = out.indices.first else { return }
        let start = offset / 4
        let low = start / rows, high = (start + out.count - 1) / rows  // the source's columns that are needed
        let width = high - low + 1
        let slice = UnsafeMutableBufferPointer<Float>.allocate(capacity: width)
        defer { slice.deallocate() }
        // One pass over the source's rows, each read in one piece: sequential there, strided here.
        for row in 0..<rows {
            try source.fill(UnsafeMutableRawBufferPointer(slice), (row * columns + low) * 4)
            for column in low...high {
                let place = column * rows + row - start
                if place >= first, place < out.count { out[place] = slice[column - low] }
            }
        }
    }
}

/// A model in several safetensors files with an index.
public final class ShardedSafetensors: Sendable {
    /// Has `model.safetensors.index.json` and the files that it names.
    public let folder: String
    private let files: [String: SafetensorsFile]
    private let places: [String: String]

    /// Reads `model.safetensors.index.json` and opens all files that it names.
    ///
    /// - Throws: `FileError` when the index or a file is damaged, or a file lacks a tensor that the index promises.
    public init(folder: String) throws {
        self.folder = folder
        let index = try MappedFile(path: folder + "/model.safetensors.index.json")
        func refuse(_ reason: String) -> FileError { FileError(path: index.path, operation: "read the index", reason: reason) }
        let json: StrictJSON
        do {
            json = try StrictJSON.parse(index.bytes)
        } catch {
            throw refuse("it is no valid JSON: \(error)")
        }
        guard case .object(let members)? = json["weight_map"] else { throw refuse("it has no weight_map") }
        var files: [String: SafetensorsFile] = [:], places: [String: String] = [:]
        for member in members {
            guard let name = member.value.string, Paths.isPlainName(name) else {
                throw refuse("the place of '\(member.key)' is no plain file name")
            }
            let file = try files[name] ?? SafetensorsFile(path: folder + "/" + name)
            files[name] = file
            guard file.contains(member.key) || file.otherTypes[member.key] != nil else {
                throw refuse("'\(name)' lacks the tensor '\(member.key)'")
            }
            places[member.key] = name
        }
        self.files = files
        self.places = places
    }

    /// All tensors' names, sorted.
    public var names: [String] { places.keys.sorted() }

    /// The file that holds a tensor; nil when there is none of that name.
    public func file(of name: String) -> SafetensorsFile? { places[name].flatMap { files[$0] } }
}
