// SPDX-License-Identifier: MIT
import Checkpoints
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
    /// - Throws: `UsageError`, `FileError`.
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
        let source = try open(name, blockSize: blockSize)
        return (taking(source.facts, typed, note: note), source)
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
    static func open(_ name: String, blockSize: Int?) throws -> ModelSource {
        let source = try LoadedModel.source(name)
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
