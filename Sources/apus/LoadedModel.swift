// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import Modeling
import Remote
import Storage
import Tokenization
import Training

/// A model read from disk, ready to be used, with what is known about it.
struct LoadedModel {
    let source: ModelSource
    let weights: GPTWeights
    /// For people: where it comes from and how large it is.
    let description: String

    /// What is named by a path: a run, a checkpoint, nanoGPT's file or folder, a Hugging Face folder.
    static func source(_ path: String, checkpoint: String? = nil) throws -> ModelSource {
        var choice: CheckpointChoice?
        if let checkpoint {
            choice = CheckpointChoice(checkpoint)
            if choice == nil { throw UsageError("unknown checkpoint '\(checkpoint)'; choose best, latest or a step such as 500") }
        }
        let source = try ModelSource.open(path: try place(of: path), checkpoint: choice)
        for skipped in source.skipped { Console.warning("checkpoint \(skipped.name) is not used: \(skipped.reason)") }
        return source
    }

    /// A path as it is; a model of the hub (`gpt2`, `hf://OWNER/NAME`) as the folder it is kept in, fetched when it is not there yet.
    ///
    /// A file or folder of that name comes first.
    static func place(of name: String) throws -> String {
        guard !FileManager.default.fileExists(atPath: name), let address = try HubModels.Address(name) else { return name }
        return try HubModels(note: { Console.note($0) }).folder(address)
    }

    static func open(_ path: String, checkpoint: String?, dtype: String, backend: any Backend) throws -> LoadedModel {
        guard let type = DType(rawValue: dtype), [.float32, .bfloat16].contains(type) else {
            throw UsageError("unknown dtype '\(dtype)'; choose float32 or bfloat16")
        }
        let source = try source(path, checkpoint: checkpoint), facts = source.facts
        guard let activation = Activation(rawValue: facts.activation) else {
            throw UsageError("\(source.path): its activation '\(facts.activation)' is not known here")
        }
        let config = try GPTConfig(
            nLayer: facts.nLayer, nHead: facts.nHead, nEmbd: facts.nEmbd, blockSize: facts.blockSize, vocabSize: facts.vocabSize,
            bias: facts.bias, activation: activation)
        try Backends.prepare(backend, dtype: type, headSize: config.headSize, training: false)
        let weights = try GPTWeights(config, dtype: type, on: backend)
        try weights.load(source)
        let name = source.kind == .run || source.kind == .checkpoint ? path : source.path
        return LoadedModel(
            source: source, weights: weights, description: source.step.map { "\(name) at step \($0)" } ?? name)
    }

    /// The tokenizer of this model: the one asked for, the one kept in its file or beside it, or GPT-2's for a vocabulary of its size.
    func tokenizer(spec: String?, vocab: String?) throws -> any Tokenizer {
        try Self.tokenizer(of: source, spec: spec, vocab: vocab)
    }

    /// - Parameter mayFetch: whether GPT-2's vocabulary may be downloaded
    static func tokenizer(
        of source: ModelSource, spec: String?, vocab: String?, mayFetch: Bool = true
    ) throws -> any Tokenizer {
        let loader = TokenizerLoader(download: mayFetch ? Downloads.fetch : nil)
        if let spec { return try checked(loader.load(spec: spec, vocabularyFolder: vocab), source) }
        if let json = source.tokenizerJSON { return try checked(loader.load(json: json(), path: source.path), source) }
        // A checkpoint lies two folders below its run.
        let folders = [source.path, source.path + "/../..", Paths.parent(of: source.path)]
        for folder in folders where FileManager.default.fileExists(atPath: folder + "/tokenizer.json") {
            return try checked(loader.load(spec: folder + "/tokenizer.json"), source)
        }
        if let path = datasetTokenizer(source) { return try checked(loader.load(spec: path), source) }
        if (50257...50304).contains(source.facts.vocabSize) { return try loader.load(spec: "gpt2", vocabularyFolder: vocab) }
        throw UsageError(
            "no tokenizer.json lies beside the model '\(source.path)'; name one with --tokenizer FILE (a tokenizer.json, nanoGPT's "
                + "meta.pkl, or the folder that has it)")
    }

    /// The tokenizer of the data that a nanoGPT checkpoint names, where nanoGPT's sample.py looks for it: below the current folder.
    private static func datasetTokenizer(_ source: ModelSource) -> String? {
        // The name comes from a file that may be anyone's.
        guard let name = source.dataset, !name.isEmpty, !name.hasPrefix("/"), !name.split(separator: "/").contains("..") else {
            return nil
        }
        return ["tokenizer.json", NanoGPTMeta.fileName].map { "data/\(name)/\($0)" }.first {
            FileManager.default.fileExists(atPath: $0)
        }
    }

    private static func checked(_ tokenizer: any Tokenizer, _ source: ModelSource) throws -> any Tokenizer {
        guard tokenizer.vocabularySize <= source.facts.vocabSize else {
            throw UsageError(
                "the tokenizer has \(tokenizer.vocabularySize) ids, the model only \(source.facts.vocabSize); name the tokenizer that the "
                    + "model was trained with by --tokenizer FILE")
        }
        return tokenizer
    }

    static func tokenizer(at path: String) throws -> any Tokenizer { try TokenizerLoader().load(spec: path) }
}
