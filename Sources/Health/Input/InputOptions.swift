// SPDX-License-Identifier: MIT
import RunLog

/// Facts that the user adds to what a log says.
public struct InputOptions: Sendable {
    /// `--device "RTX 4070"`.
    public var device: String?
    /// `--dataset fineweb`.
    public var dataset: String?
    /// Values by configuration key: `--n-embd 384` is `["n_embd": .integer(384)]`. Besides nanoGPT's keys: `total_batch_size`
    /// (tokens a step), `cooldown_iters`, `optimizer`, `architecture` ("gpt2" or "modern"), `parameters`, `train_tokens`,
    /// `tokenizer`.
    public var overrides: [String: ConfigValue] = [:]
    /// Name and text of a nanoGPT configuration file (`--config FILE.py`).
    public var configuration: (name: String, text: String)?
    /// A dataset folder (`--data DIR`), whose dataset.json holds the audit.
    public var dataPath: String?

    /// Nothing is added: the record speaks for itself.
    public init() {}

    /// - Throws: `ConfigError` when the configuration file cannot be read.
    func apply(to mapping: inout ConfigMapping) throws {
        if let configuration {
            for assignment in try NanoGPTConfigReader.read(configuration.text, name: configuration.name) {
                mapping.add(assignment.key, assignment.value, .config)
            }
        }
        mapping.add(overrides, .option)
    }

    func apply(to facts: inout RunFacts) {
        if let device { facts.device.name = Fact(device, .option) }
        if let dataset { facts.dataset.name = Fact(dataset, .option) }
        if let dataPath { facts.dataset.path = dataPath }
        switch overrides["parameters"] {
        case .integer(let count): facts.config.parameters = Fact(Double(count), .option)
        case .number(let count): facts.config.parameters = Fact(count, .option)
        default: break
        }
        switch overrides["train_tokens"] {
        case .integer(let count): facts.dataset.trainTokens = Fact(Double(count), .option)
        case .number(let count): facts.dataset.trainTokens = Fact(count, .option)
        default: break
        }
        if case .text(let name)? = overrides["tokenizer"] { facts.dataset.tokenizer = Fact(name, .option) }
    }
}
