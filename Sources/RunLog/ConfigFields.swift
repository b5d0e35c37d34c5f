// SPDX-License-Identifier: MIT

/// One key of the configuration: how it is spelled, what it means, what it may be.
public struct ConfigField: Sendable {
    /// As on disk, such as `n_layer`.
    public let key: String
    /// A phrase for the help text, without a full stop.
    public let help: String
    /// "run", "model", "batch", "optimizer", "schedule", "measure", "save", "faults" or "engine": a heading of the help text.
    public let group: String
    /// The values a text key may take; empty when any text will do.
    public let choices: [String]
    /// Stores a value or says in a sentence what is valid.
    let set: @Sendable (inout RunConfig, ConfigValue) -> String?
    /// Reads the key's value from a configuration.
    public let get: @Sendable (RunConfig) -> ConfigValue

    /// The spelling on the command line: `n_layer` is `--n-layer`.
    public var option: String { "--" + key.split(separator: "_").joined(separator: "-") }
}

extension RunConfig {
    /// Stores one value under its key.
    ///
    /// - Parameters:
    ///   - key: as on disk, such as `n_layer`
    ///   - value: what was written
    ///   - source: where the value was written, for the error.
    /// - Throws: `ConfigError` for an unknown key (with the nearest known one) or a value the key cannot take.
    public mutating func set(_ key: String, _ value: ConfigValue, source: String = "") throws {
        guard let field = Self.fieldsByKey[key] else {
            let near = nearestName(to: key, among: Self.fields.map(\.key)).map { "; did you mean '\($0)'?" }
            throw ConfigError(
                key: key, reason: "unknown key '\(key)'" + (near ?? "; `apus train --help` lists the keys"), source: source)
        }
        if let valid = field.set(&self, value) {
            throw ConfigError(key: key, reason: "\(key) = \(value) is not valid: \(valid)", source: source)
        }
    }

    /// Every key with its value, in the order of the table.
    public var values: [(key: String, value: ConfigValue)] { Self.fields.map { ($0.key, $0.get(self)) } }

    /// By the spelling on disk, such as `n_layer`.
    public static let fieldsByKey = Dictionary(uniqueKeysWithValues: fields.map { ($0.key, $0) })

    /// Every key once, group by group; help texts and `values` keep this order.
    public static let fields: [ConfigField] = [
        text("out_dir", \.outDir, "run", "run folder; it must not exist yet unless --resume is given"),
        text("data", \.data, "run", "dataset folder with train.bin and val.bin"),
        text("dataset", \.dataset, "run", "nanoGPT's way to name the data: data/NAME"),
        text("init_from", \.initFrom, "run", "scratch; resume; gpt2, gpt2-medium, -large, -xl; or a model's folder or file"),
        integer("n_layer", \.nLayer, "model", "transformer blocks", 1...1000),
        integer("n_head", \.nHead, "model", "attention heads; divides n_embd", 1...1000),
        integer("n_embd", \.nEmbd, "model", "width", 1...65536),
        integer("block_size", \.blockSize, "model", "context length in tokens", 1...1_048_576),
        integer("vocab_size", \.vocabSize, "model", "rows of the vocabulary matrix; 0: from the data", 0...16_777_216),
        boolean("bias", \.bias, "model", "biases in Linear and LayerNorm layers"),
        number("dropout", \.dropout, "model", "probability of dropping an activation", "0 <= dropout < 1") { $0 >= 0 && $0 < 1 },
        text("activation", \.activation, "model", "gelu is the exact (erf) form", ["gelu", "gelu_tanh"]),
        text("norm", \.norm, "model", "normalisation", ["layernorm"]),
        text("position", \.position, "model", "position information", ["learned"]),
        boolean("qk_norm", \.qkNorm, "model", "normalise queries and keys (not available yet)"),
        boolean("tied_head", \.tiedHead, "model", "share the vocabulary matrix between input and output"),
        integer("batch_size", \.batchSize, "batch", "sequences in a micro-batch", 1...65536),
        integer("gradient_accumulation_steps", \.gradientAccumulationSteps, "batch", "micro-batches in an update", 1...1_048_576),
        number("learning_rate", \.learningRate, "optimizer", "peak learning rate", "a number >= 0") { $0 >= 0 },
        integer("max_iters", \.maxIters, "optimizer", "updates to make", 0...1_000_000_000),
        number("weight_decay", \.weightDecay, "optimizer", "AdamW decay of matrices and embeddings", "a number >= 0") { $0 >= 0 },
        number("beta1", \.beta1, "optimizer", "AdamW's decay of the mean", "0 <= beta1 < 1") { $0 >= 0 && $0 < 1 },
        number("beta2", \.beta2, "optimizer", "AdamW's decay of the square", "0 <= beta2 < 1") { $0 >= 0 && $0 < 1 },
        number("grad_clip", \.gradClip, "optimizer", "largest global gradient norm; 0: no clipping", "a number >= 0") { $0 >= 0 },
        boolean("decay_lr", \.decayLr, "schedule", "false: lr_schedule = constant without warm-up"),
        text("lr_schedule", \.lrSchedule, "schedule", "shape after the warm-up", ["cosine", "linear", "constant", "wsd"]),
        integer(
            "warmup_iters", \.warmupIters, "schedule", "warm-up updates; -1: 2 % of max_iters, at most 2000", -1...1_000_000_000),
        integer("lr_decay_iters", \.lrDecayIters, "schedule", "update at which the decay ends; 0: max_iters", 0...1_000_000_000),
        number("min_lr", \.minLr, "schedule", "rate after the decay; -1: learning_rate / 10", "a number >= 0, or -1") {
            $0 >= 0 || $0 == -1
        },
        integer("eval_interval", \.evalInterval, "measure", "updates between evaluations; 0: only at the end", 0...1_000_000_000),
        integer("eval_iters", \.evalIters, "measure", "micro-batches an evaluation reads of each split", 1...100_000_000),
        integer("eval_tokens", \.evalTokens, "measure", "tokens an evaluation reads; 0: by eval_iters", 0...Int.max),
        integer(
            "log_interval", \.logInterval, "measure",
            "updates between lines of progress; 1: every one on a terminal, one in five seconds in a file", 1...1_000_000_000),
        integer(
            "checkpoint_interval", \.checkpointInterval, "save", "updates between checkpoints; 0: eval_interval",
            0...1_000_000_000),
        number(
            "checkpoint_minutes", \.checkpointMinutes, "save", "minutes between checkpoints; 0: only by updates", "a number >= 0"
        ) { $0 >= 0 },
        integer(
            "keep_checkpoints", \.keepCheckpoints, "save", "newest checkpoints to keep, besides the best; 0: all", 0...1_000_000),
        boolean("checkpoint_background", \.checkpointBackground, "save", "write them beside the training, from a copy in memory"),
        number(
            "spike_zscore", \.spikeZscore, "faults", "robust deviations above the recent losses that make a spike; 0: off",
            "0, or a number >= 3"
        ) { $0 == 0 || $0 >= 3 },
        integer(
            "rollback_after", \.rollbackAfter, "faults",
            "bad updates in a row (not finite, or spikes) before going back to the last good checkpoint; 0: never", 0...1_000_000),
        integer("max_rollbacks", \.maxRollbacks, "faults", "times that a run goes back before it stops", 0...1_000_000),
        number(
            "rollback_lr_factor", \.rollbackLrFactor, "faults", "the learning rate is multiplied by it at each going back",
            "above 0, at most 1"
        ) { $0 > 0 && $0 <= 1 },
        text("device", \.device, "engine", "where to train", ["cpu", "cuda"]),
        text("dtype", \.dtype, "engine", "of activations and matrix products", ["float32", "bfloat16"]),
        integer("threads", \.threads, "engine", "CPU threads; 0: one a core", 0...1024),
        text(
            "recompute", \.recompute, "engine", "activations to recompute in the backward pass", ["none", "attention", "block"]),
        integer("seed", \.seed, "engine", "of initialisation, data order and dropout", 0...Int.max),
        text("data_order", \.dataOrder, "engine", "order of the training blocks", ["shuffle", "sequential", "random"]),
    ]

    private static func text(
        _ key: String, _ path: WritableKeyPath<RunConfig, String> & Sendable, _ group: String, _ help: String,
        _ choices: [String] = []
    ) -> ConfigField {
        ConfigField(
            key: key, help: help, group: group, choices: choices,
            set: { config, value in
                let string: String
                switch value {
                case .text(let text): string = text
                case .integer(let number) where choices.isEmpty: string = String(number)
                default: return choices.isEmpty ? "it must be text" : "choose one of \(choices.joined(separator: ", "))"
                }
                if !choices.isEmpty, !choices.contains(string) { return "choose one of \(choices.joined(separator: ", "))" }
                config[keyPath: path] = string
                return nil
            },
            get: { .text($0[keyPath: path]) })
    }

    private static func integer(
        _ key: String, _ path: WritableKeyPath<RunConfig, Int> & Sendable, _ group: String, _ help: String,
        _ range: ClosedRange<Int>
    ) -> ConfigField {
        let valid =
            range.upperBound == Int.max
            ? "a whole number >= \(range.lowerBound)" : "a whole number from \(range.lowerBound) to \(range.upperBound)"
        return ConfigField(
            key: key, help: help, group: group, choices: [],
            set: { config, value in
                let number: Int
                switch value {
                case .integer(let integer): number = integer
                // 6e3 is a whole number to whoever types it.
                case .number(let double) where double == double.rounded() && abs(double) < 1e15: number = Int(double)
                default: return "it must be \(valid)"
                }
                guard range.contains(number) else { return "it must be \(valid)" }
                config[keyPath: path] = number
                return nil
            },
            get: { .integer($0[keyPath: path]) })
    }

    private static func number(
        _ key: String, _ path: WritableKeyPath<RunConfig, Double> & Sendable, _ group: String, _ help: String, _ valid: String,
        _ rule: @escaping @Sendable (Double) -> Bool
    ) -> ConfigField {
        ConfigField(
            key: key, help: help, group: group, choices: [],
            set: { config, value in
                let number: Double
                switch value {
                case .integer(let integer): number = Double(integer)
                case .number(let double): number = double
                default: return "it must be \(valid)"
                }
                guard number.isFinite, rule(number) else { return "it must be \(valid)" }
                config[keyPath: path] = number
                return nil
            },
            get: { .number($0[keyPath: path]) })
    }

    private static func boolean(
        _ key: String, _ path: WritableKeyPath<RunConfig, Bool> & Sendable, _ group: String, _ help: String
    ) -> ConfigField {
        ConfigField(
            key: key, help: help, group: group, choices: [],
            set: { config, value in
                switch value {
                case .boolean(let boolean): config[keyPath: path] = boolean
                case .integer(0): config[keyPath: path] = false
                case .integer(1): config[keyPath: path] = true
                default: return "it must be true or false"
                }
                return nil
            },
            get: { .boolean($0[keyPath: path]) })
    }
}
