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
    ///
    /// - Parameter nHead: heads, for a safetensors file that does not say; refused where it contradicts a model that does.
    static func source(_ path: String, checkpoint: String? = nil, nHead: Int? = nil) throws -> ModelSource {
        var choice: CheckpointChoice?
        if let checkpoint {
            choice = CheckpointChoice(checkpoint)
            if choice == nil { throw UsageError("unknown checkpoint '\(checkpoint)'; choose best, latest or a step such as 500") }
        }
        if let nHead, nHead < 1 { throw UsageError("--n-head is \(nHead); it must be at least 1") }
        let source = try ModelSource.open(path: try place(of: path), checkpoint: choice, nHead: nHead)
        if let nHead, nHead != source.facts.nHead {
            throw UsageError(
                "--n-head is \(nHead), but '\(path)' says that it has \(source.facts.nHead) heads; leave the option out, which is for "
                    + "safetensors files that do not say")
        }
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

    static func open(
        _ path: String, checkpoint: String?, nHead: Int? = nil, dtype: String, backend: any Backend
    ) throws -> LoadedModel {
        guard let type = DType(rawValue: dtype), [.float32, .bfloat16].contains(type) else {
            throw UsageError("unknown dtype '\(dtype)'; choose float32 or bfloat16")
        }
        let source = try source(path, checkpoint: checkpoint, nHead: nHead), facts = source.facts
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
        if let place = tokenizerPlace(of: source) { return try checked(place.load(), source) }
        if hasGPT2sSize(source) { return try loader.load(spec: "gpt2", vocabularyFolder: vocab) }
        throw UsageError(
            "no tokenizer.json lies beside the model '\(source.path)'; name one with --tokenizer FILE (a tokenizer.json, nanoGPT's "
                + "meta.pkl, or the folder that has it)")
    }

    /// Whether the vocabulary is as large as GPT-2's, or as GPT-2's padded to a multiple of 64.
    static func hasGPT2sSize(_ source: ModelSource) -> Bool { (50257...50304).contains(source.facts.vocabSize) }

    /// A tokenizer that belongs to a model for certain.
    struct TokenizerPlace {
        /// The file that holds it: the model's own, or one beside it.
        let path: String
        /// What `--tokenizer` takes for it.
        let argument: String
        let load: () throws -> any Tokenizer
    }

    /// Where the tokenizer of a model lies: in its file, beside it, or with the data that a nanoGPT checkpoint names; nil: nowhere.
    static func tokenizerPlace(of source: ModelSource) -> TokenizerPlace? {
        if let json = source.tokenizerJSON {
            return TokenizerPlace(path: source.path, argument: "FILE (the tokenizer.json it was trained with)") {
                try TokenizerLoader().load(json: json(), path: source.path)
            }
        }
        var folders = [source.path]
        switch source.kind {
        // A checkpoint lies two folders below its run.
        case .run, .checkpoint:
            let folder = Paths.parent(of: source.path)
            folders.append(folder.hasSuffix("/checkpoints") ? Paths.parent(of: folder) : source.path + "/../..")
        case .huggingFace: break
        case .nanoGPT, .safetensors, .gguf, .llmc: folders = [Paths.parent(of: source.path)]
        }
        guard let path = folders.lazy.compactMap(tokenizerFile).first ?? datasetTokenizer(source) else { return nil }
        return TokenizerPlace(path: path, argument: path) { try TokenizerLoader().load(spec: path) }
    }

    /// The tokenizer's file in a folder: one that holds all of it, so that nothing else can be meant.
    private static func tokenizerFile(in folder: String) -> String? {
        func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: folder + "/" + name) }
        if has("tokenizer.json") { return folder + "/tokenizer.json" }
        let vocabulary = SlowTokenizerFiles.vocabulary
        if has(vocabulary), has(SlowTokenizerFiles.merges) { return folder + "/" + vocabulary }
        // nanoGPT's file beside a BPE's tokens holds their number alone.
        let meta = folder + "/" + NanoGPTMeta.fileName
        guard has(NanoGPTMeta.fileName) else { return nil }
        if let read = try? NanoGPTMeta.read(meta), read.tokenizer == nil { return nil }
        return meta
    }

    /// The tokenizer of the data that a nanoGPT checkpoint names, where nanoGPT's sample.py looks for it: below the current folder.
    private static func datasetTokenizer(_ source: ModelSource) -> String? {
        // The name comes from a file that may be anyone's.
        guard let name = source.dataset, !name.isEmpty, !name.hasPrefix("/"), !name.split(separator: "/").contains("..") else {
            return nil
        }
        return tokenizerFile(in: "data/" + name)
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
