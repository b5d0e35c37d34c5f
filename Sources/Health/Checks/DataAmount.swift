// SPDX-License-Identifier: MIT
import Foundation

extension HealthRule {
    /// How often the training text was repeated.
    static let epochs = HealthRule(
        "epochs", source: "Muennighoff 2023, arXiv 2305.16264: up to 4 epochs as good as new, gains end near 16"
    ) {
        context, rule in
        guard let seen = context.tokensSeen else { return rule.needs("tokens") }
        guard let unique = context.facts.dataset.trainTokens?.value, unique > 0 else {
            // One file of the public data set is the usual trap: its name says 10B, it holds 0.7B.
            if context.dataset == .fineweb, seen > 1e9 {
                return Check(
                    rule.id, .cannotTell,
                    why: Message(
                        "epochs.one-file", ["tokens": .number(seen, .short), "epochs": .number(seen / 0.73e9, .fixed(1))]),
                    source: rule.source, confidence: .good)
            }
            return rule.needs("train-tokens")
        }
        let epochs = seen / unique
        let worth = ScalingLaw.effectiveTokens(seen, unique: unique)
        let expectation = context.expectation
        // The cost of what was read; the expectation's own is that of the planned end.
        let size = expectation.band == nil ? nil : expectation.parameters
        let cost = size.map { ScalingLaw.repeatCost(seen, unique, parameters: $0) }
        var arguments: [String: MessageArgument] = [
            "epochs": .number(epochs, .fixed(1)), "unique": .number(unique, .short), "worth": .number(worth, .short),
        ]
        arguments["cost"] = cost.map { .number($0, .fixed(2)) }
        let range = ExpectedRange(nil, 4.5)
        if epochs <= 4.5 {
            guard let cost else { return rule.finding(.pass, "pass", arguments, value: epochs, expected: range) }
            if context.isUnderWay, let tokens = expectation.tokens, expectation.repeatCost > cost + 0.005 {
                arguments["plannedEpochs"] = .number(tokens / unique, .fixed(1))
                arguments["plannedCost"] = .number(expectation.repeatCost, .fixed(2))
                return rule.finding(.pass, "pass-planned", arguments, value: epochs, expected: range)
            }
            return rule.finding(.pass, "pass-cost", arguments, value: epochs, expected: range)
        }
        // Small texts are repeated by design; whether that hurt shows in the gap.
        let harmless = [.characters, .other].contains(context.dataset) && HealthRule.trainValGap.check(context).status == .pass
        let status: CheckStatus = harmless ? .info : epochs > 40 ? .fail : .warn
        return rule.finding(
            status, epochs > 16 ? "many" : "some", arguments, value: epochs, expected: range, advice: Message("epochs.advice"),
            nats: cost ?? 0,
            reason: status == .info
                ? nil : Reason(.label("epochs"), Message("reason.epochs", arguments), weight: epochs > 16 ? 70 : 40))
    }

    /// Training tokens against the model's size.
    static let tokensPerParameter = HealthRule(
        "tokens-per-parameter",
        source: "Hoffmann 2022, arXiv 2203.15556 (about 20 are compute-optimal; small models gain far beyond)"
    ) { context, rule in
        guard let parameters = context.facts.config.parameters?.value, parameters > 0 else { return rule.needs("parameters") }
        guard let tokens = context.expectation.tokens ?? context.tokensSeen else { return rule.needs("tokens") }
        let ratio = tokens / parameters
        let arguments: [String: MessageArgument] = [
            "ratio": .number(ratio, .significant(2)), "twenty": .number(parameters * 20, .short),
        ]
        let range = ExpectedRange(20, 250)
        if ratio < 5 {
            return rule.finding(
                .info, "few", arguments, value: ratio, expected: range,
                advice: Message("tokens-per-parameter.advice-few", arguments))
        }
        if ratio < 20 { return rule.finding(.info, "below", arguments, value: ratio, expected: range) }
        if ratio > 250 { return rule.finding(.info, "many", arguments, value: ratio, expected: range) }
        return rule.finding(.pass, "pass", arguments, value: ratio, expected: range)
    }
}
