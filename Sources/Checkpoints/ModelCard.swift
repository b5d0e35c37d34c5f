// SPDX-License-Identifier: MIT

/// The README.md of a Hugging Face folder: what is known of a model, and what is not.
enum ModelCard {
    /// - Parameters:
    ///   - model: as it was written
    ///   - source: its sizes before padding was cut off
    ///   - notes: what the form could not hold as it was
    static func text(_ model: ModelExport, source: ModelFacts, dtype: ExportDType, notes: [String]) -> String {
        let name = plain(model.name)
        var text = """
            ---
            library_name: transformers
            pipeline_tag: text-generation
            tags:
            - gpt2
            - apus
            ---

            # \(name)

            A GPT-2 class language model, \(model.training.program.map { "trained with \(plain($0)) and " } ?? "")written by `apus convert`.
            The licence of the model and of its data is not known to the program that wrote this card: add it before you publish.

            ```python
            from transformers import AutoModelForCausalLM\(model.tokenizer == nil ? "" : ", AutoTokenizer")

            model = AutoModelForCausalLM.from_pretrained("\(name)")

            """
        if model.tokenizer != nil {
            text += """
                tokenizer = AutoTokenizer.from_pretrained("\(name)")
                ids = tokenizer("Once upon a time", return_tensors="pt")
                print(tokenizer.decode(model.generate(**ids, max_new_tokens=100, do_sample=True)[0]))

                """
        }
        text += "```\n"
        text += table("Model", sizes(model, dtype: dtype))
        text += table("Data", model.training.data.map { ($0.name, $0.value) })
        text += table("Training", training(model.training, blockSize: model.facts.blockSize))
        text += table("Result", result(model.training))
        text += "\nEvaluations on tasks, biases and unwanted outputs were not measured.\n"
        if !notes.isEmpty { text += "\n## Conversion\n\n" + notes.map { "- \($0)\n" }.joined() }
        return text
    }

    private static func table(_ title: String, _ rows: [(String, String)]) -> String {
        guard !rows.isEmpty else { return "\n## \(title)\n\nNot known: the source of this conversion does not say.\n" }
        return "\n## \(title)\n\n| | |\n|---|---|\n" + rows.map { "| \($0.0) | \(plain($0.1)) |\n" }.joined()
    }

    private static func sizes(_ model: ModelExport, dtype: ExportDType) -> [(String, String)] {
        let facts = model.facts
        let count = facts.parameters.reduce(0) { $0 + $1.shape.reduce(1, *) }
        return [
            ("parameters", "\(count) (\(count - facts.blockSize * facts.nEmbd) without the position table)"),
            ("layers", "\(facts.nLayer)"), ("heads", "\(facts.nHead)"), ("width", "\(facts.nEmbd)"),
            ("context", "\(facts.blockSize) tokens"), ("vocabulary", "\(facts.vocabSize)"),
            ("tokenizer", model.tokenizer?.name ?? "not known"),
            ("activation", facts.activation == "gelu" ? "GELU (exact, erf)" : "GELU (tanh form)"),
            ("biases", facts.bias ? "yes" : "none (stored as zeros)"), ("weights", dtype.rawValue),
        ]
    }

    /// Settings that decide what was learned, in the words of nanoGPT's configuration.
    private static let settings = [
        "max_iters", "batch_size", "gradient_accumulation_steps", "learning_rate", "min_lr", "lr_schedule", "warmup_iters",
        "lr_decay_iters", "beta1", "beta2", "weight_decay", "grad_clip", "dropout", "dtype", "seed", "init_from",
    ]

    private static func training(_ facts: TrainingFacts, blockSize: Int) -> [(String, String)] {
        var rows: [(String, String)] = []
        if let step = facts.step { rows.append(("updates", "\(step)")) }
        if let tokens = facts.tokensSeen { rows.append(("tokens seen", "\(tokens)")) }
        if let batch = facts.setting("batch_size")?.integer, let steps = facts.setting("gradient_accumulation_steps")?.integer {
            let (sequences, over) = batch.multipliedReportingOverflow(by: steps)
            let (tokens, overflow) = sequences.multipliedReportingOverflow(by: blockSize)
            if !over, !overflow { rows.append(("tokens an update", "\(tokens)")) }
        }
        for key in settings {
            guard let value = facts.setting(key), let text = show(value) else { continue }
            rows.append((key, text))
        }
        return rows
    }

    private static func result(_ facts: TrainingFacts) -> [(String, String)] {
        let losses = [
            ("training loss", facts.trainLoss, "nats per token"), ("validation loss", facts.valLoss, "nats per token"),
            ("validation", facts.valBitsPerByte, "bits per byte"),
            ("best validation loss", facts.bestValLoss, "nats per token"),
        ]
        return losses.compactMap { name, value, unit in value.map { (name, "\(rounded($0)) \(unit)") } }
    }

    private static func show(_ value: PyTorchValue) -> String? {
        switch value {
        case .bool(let value): "\(value)"
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .string(let value): value.isEmpty ? nil : value
        default: nil
        }
    }

    /// Four decimals.
    private static func rounded(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
        return "\((value * 1e4).rounded() / 1e4)"
    }

    /// Text from elsewhere without what would break out of a table's cell, a heading or a quotation.
    private static func plain(_ text: String) -> String {
        String(text.map { $0.isNewline || $0 == "|" || $0 == "\"" || $0 == "`" || $0 == "<" ? " " : $0 })
    }
}
