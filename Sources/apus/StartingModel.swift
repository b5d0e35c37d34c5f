// SPDX-License-Identifier: MIT
import Checkpoints
import Corpus
import Foundation
import Remote
import RunLog
import Training

/// The model that a new run starts from: random weights, or those that `init_from` names.
enum StartingModel {
    /// The configuration with the sizes of the model it starts from, and that model; nil for random weights.
    ///
    /// As in nanoGPT the model's own sizes hold whatever the configuration says, except that a smaller block_size cuts its context.
    /// - Parameters:
    ///   - isDry: nothing is to be trained, so nothing large is downloaded: OpenAI's models are known by their sizes.
    ///   - note: told what of the configuration does not count.
    /// - Throws: `UsageError`, also for data of another tokenizer; `FileError`.
    static func prepare(
        _ typed: ConfigArguments, isDry: Bool, note: (String) -> Void
    ) throws -> (config: RunConfig, source: ModelSource?) {
        let name = typed.config.initFrom
        guard name != "scratch" else { return (typed.config, nil) }
        let blockSize = typed.given.contains("block_size") ? typed.config.blockSize : nil
        if isDry, let address = try HubModels.Address(name), !FileManager.default.fileExists(atPath: name),
            HubModels().cached(address) == nil, var facts = openAI[name]
        {
            facts.blockSize = min(facts.blockSize, blockSize ?? facts.blockSize)
            return (taking(facts, typed, note: note), nil)
        }
        let source = try open(name, blockSize: blockSize, nHead: typed.given.contains("n_head") ? typed.config.nHead : nil)
        try checkTokenizer(source, typed.config)
        return (taking(source.facts, typed, note: note), source)
    }

    /// Refuses data of another tokenizer: training would first have to undo what the model knows about its ids, and nothing would say so.
    ///
    /// Whoever means it takes the weights alone, without a tokenizer that they could disagree with.
    private static func checkTokenizer(_ source: ModelSource, _ config: RunConfig) throws {
        if config.data.isEmpty, config.dataset.isEmpty { return }
        let folder = config.data.isEmpty ? "data/" + config.dataset : config.data
        // What is wrong with the data itself is said where it is opened for training.
        guard let dataset = try? TokenDataset.open(folder: folder) else { return }
        try TokenizerMatch.check(
            source, dataset,
            purpose: "to train these weights on other ids on purpose, start from a copy without a tokenizer: `apus convert "
                + "\(config.initFrom) --to safetensors --tokenizer none --out FOLDER/weights.safetensors`"
        ) { Console.warning($0) }
    }

    /// The sizes of OpenAI's GPT-2 models, as in nanoGPT's `from_pretrained`.
    private static let openAI: [String: ModelFacts] = Dictionary(
        uniqueKeysWithValues: [
            ("gpt2", 12, 12, 768), ("gpt2-medium", 24, 16, 1024), ("gpt2-large", 36, 20, 1280), ("gpt2-xl", 48, 25, 1600),
        ].map { name, layers, heads, width in
            (
                name,
                ModelFacts(
                    nLayer: layers, nHead: heads, nEmbd: width, blockSize: 1024, vocabSize: 50257, bias: true,
                    activation: "gelu_tanh")
            )
        })

    /// What `init_from` names, its context cut to `blockSize`.
    ///
    /// - Parameter nHead: the configuration's, for weights that do not say it; other models have their own.
    static func open(_ name: String, blockSize: Int?, nHead: Int? = nil) throws -> ModelSource {
        let source = try ModelSource.open(path: try LoadedModel.place(of: name), nHead: nHead)
        for skipped in source.skipped { Console.warning("checkpoint \(skipped.name) is not used: \(skipped.reason)") }
        return try blockSize.map { try source.cropped(blockSize: $0) } ?? source
    }

    private static func taking(_ facts: ModelFacts, _ typed: ConfigArguments, note: (String) -> Void) -> RunConfig {
        var config = typed.config
        config.take(facts)
        for key in ["n_layer", "n_head", "n_embd", "vocab_size", "bias", "activation"] where typed.given.contains(key) {
            guard let field = RunConfig.fieldsByKey[key], field.get(config) != field.get(typed.config) else { continue }
            note("\(key) is \(field.get(config)), as in the model to start from; \(field.get(typed.config)) is ignored")
        }
        return config
    }
}
