// SPDX-License-Identifier: MIT
import Foundation

extension HealthRule {
    /// The peak learning rate against the range that is known to work for the size and the tokens.
    static let learningRate = HealthRule(
        "learning-rate",
        source:
            "nanogpt-speedrun and modded-nanogpt AdamW baselines (1.5e-3 at 124M); scaling: Step Law, arXiv 2503.04715, softened"
    ) { context, rule in
        let config = context.facts.config
        guard let rate = config.learningRate, rate.origin != .assumed else { return rule.needs("learning-rate") }
        guard config.optimizer?.value.lowercased().contains("adam") ?? true else {
            return Check(
                rule.id, .info, value: rate.value,
                why: Message("learning-rate.other", ["name": .text(config.optimizer?.value ?? "")]),
                source: rule.source, confidence: .low)
        }
        guard let parameters = config.parameters?.value, let tokens = context.expectation.tokens ?? context.tokensSeen, tokens > 0
        else {
            return rule.needs("parameters")
        }
        let body = config.shape.map { Double($0.parametersNonEmbedding) } ?? parameters * 0.7
        let best = GoodSettings.learningRate(nonEmbedding: body, tokens: tokens)
        let cost = GoodSettings.rateCost(rate.value, best: best)
        let range = ExpectedRange(best / 2, best)
        let arguments: [String: MessageArgument] = [
            "rate": .number(rate.value, .rate), "low": .number(rounded(best / 2), .rate), "high": .number(rounded(best), .rate),
            "width": .integer(config.nEmbd?.value ?? 0), "gainLow": .number(max(0.01, cost * 0.6), .fixed(2)),
            "gainHigh": .number(cost * 1.7, .fixed(2)),
            "line": .command("learning_rate = \(Catalogue.english.number(rounded(best * 0.7), .rate))"),
        ]
        // Data other than web text, and models under a million parameters, follow the width only roughly.
        let sure: Confidence = context.expectation.band == nil ? .low : .fair
        let hasWidth = config.nEmbd != nil && config.isShapeKnown
        if rate.value < best / 4, cost > 0.02, context.expectation.band != nil {
            return rule.finding(
                .warn, hasWidth ? "low" : "low-size", arguments, value: rate.value, expected: range, confidence: sure,
                advice: Message("learning-rate.advice-low", arguments), nats: cost,
                reason: Reason(.label("lr"), Message(hasWidth ? "reason.lr-low" : "reason.lr-low-size", arguments), weight: 65))
        }
        if rate.value > best * 5 {
            return rule.finding(
                .warn, "high", arguments, value: rate.value, expected: range, confidence: sure,
                advice: Message("learning-rate.advice-high", arguments),
                reason: Reason(.label("lr"), Message("learning-rate.high", arguments), weight: 65))
        }
        return rule.finding(
            .pass, rate.value < best / 2 ? "pass-low" : "pass", arguments, value: rate.value, expected: range, confidence: sure)
    }

    /// One significant digit and a half, as people set rates.
    static func rounded(_ rate: Double) -> Double {
        guard rate > 0 else { return 0 }
        let unit = pow(10, log10(rate).rounded(.down)) / 2
        return (rate / unit).rounded() * unit
    }

    /// Tokens a step against the batch beyond which more tokens at once buy little.
    static let batchSize = HealthRule(
        "batch-size",
        source: "Step Law 0.58 D^0.571 (arXiv 2503.04715); critical batch 2e8 / L^4.76 (Kaplan 2020, arXiv 2001.08361)"
    ) { context, rule in
        guard let batch = context.facts.config.tokensPerStep, batch.origin != .assumed else { return rule.needs("batch") }
        guard let tokens = context.expectation.tokens ?? context.tokensSeen, tokens > 0 else { return rule.needs("tokens") }
        guard context.expectation.band != nil, let loss = context.expectation.band?.mid else { return rule.needs("reference") }
        let good = GoodSettings.batch(tokens: tokens), critical = GoodSettings.criticalBatch(loss: loss)
        let cost = GoodSettings.batchCost(batch.value, tokens: tokens)
        let arguments: [String: MessageArgument] = [
            "batch": .number(batch.value, .short), "good": .number(good, .short), "critical": .number(critical, .short),
            "cost": .number(cost, .fixed(2)), "half": .number(batch.value / 2, .short),
        ]
        let range = ExpectedRange(good / 4, max(good * 3, critical))
        let isAdamW = context.facts.config.optimizer?.value.lowercased().contains("adam") ?? true
        // Newer optimizers bear larger batches; AdamW's best is shallow, so only three times it is worth a word.
        if batch.value > 3 * max(critical, isAdamW ? 0 : good) || (isAdamW && batch.value > 3 * good && batch.value > critical) {
            // Half a million tokens are everybody's habit and cost little even for short runs.
            let far = batch.value > 8 * good && batch.value > 2 * critical
            return rule.finding(
                far ? .warn : .info, "large", arguments, value: batch.value, expected: range, unit: "tokens", confidence: .fair,
                advice: Message("batch-size.advice-large", arguments), nats: cost,
                reason: far ? Reason(.label("batch"), Message("batch-size.large", arguments), weight: 35) : nil)
        }
        if batch.value < good / 16 {
            return rule.finding(.info, "small", arguments, value: batch.value, expected: range, unit: "tokens", confidence: .low)
        }
        return rule.finding(.pass, "pass", arguments, value: batch.value, expected: range, unit: "tokens", confidence: .fair)
    }
}
