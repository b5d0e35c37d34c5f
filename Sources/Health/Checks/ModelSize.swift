// SPDX-License-Identifier: MIT
import RunLog

/// GPT-2's sizes and what a configuration close to one of them was probably meant to be.
enum IntendedModel {
    static let family: [(name: String, layers: Int, heads: Int, width: Int)] = [
        ("124M", 12, 12, 768), ("350M", 24, 16, 1024), ("774M", 36, 20, 1280), ("1.56B", 48, 25, 1600),
    ]

    /// The family member whose layers and heads a configuration has, when its width makes heads of a size that nobody chooses:
    /// every GPT-2 has heads of 64, so 12 heads in a width of 384 are the 124M configuration with one line changed.
    static func of(_ facts: RunFacts) -> (name: String, layers: Int, heads: Int, width: Int)? {
        guard let layers = facts.config.nLayer?.value, let heads = facts.config.nHead?.value,
            let width = facts.config.nEmbd?.value,
            DatasetKind(facts.dataset.name?.value) != .characters
        else { return nil }
        // A width that was never stated may still be inferred from the printed parameter count.
        guard facts.config.nEmbd?.origin != .assumed, width % heads == 0, width / heads != 64 else { return nil }
        return family.first { $0.layers == layers && $0.heads == heads && $0.width != width }
    }
}

extension HealthRule {
    /// Whether the model is the size that the user probably meant.
    static let modelSize = HealthRule("model-size", source: "GPT-2's sizes (Radford 2019); all have heads of 64") {
        context, rule in
        let config = context.facts.config
        guard let width = config.nEmbd, let heads = config.nHead, let shape = config.shape, config.isShapeKnown else {
            return rule.needs("shape")
        }
        let name = ModelShape.short(Int(min(config.parameters?.value ?? Double(shape.parameters), 1e15)))
        guard let intended = IntendedModel.of(context.facts) else {
            let head = Double(width.value) / Double(max(heads.value, 1))
            return rule.finding(
                .pass, "pass", ["size": .text(name), "head": .number(head, head == head.rounded() ? .integer : .fixed(1))],
                value: config.parameters?.value,
                unit: "parameters")
        }
        let arguments: [String: MessageArgument] = [
            "size": .text(name), "intended": .text(intended.name), "width": .integer(width.value), "heads": .integer(heads.value),
            "layers": .integer(intended.layers), "head": .integer(width.value / heads.value), "meant": .integer(intended.width),
            "line": .command("n_embd = \(intended.width)"), "keep": .command("n_head = \(max(1, width.value / 64))"),
        ]
        return rule.finding(
            .warn, "other", arguments, value: config.parameters?.value, unit: "parameters", confidence: .fair,
            advice: Message("model-size.advice", arguments),
            reason: Reason(.label("size"), Message("reason.model-size", arguments), weight: 60))
    }
}
