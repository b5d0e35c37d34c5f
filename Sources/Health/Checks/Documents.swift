// SPDX-License-Identifier: MIT
import Foundation

extension HealthRule {
    /// Whether the training text is whole documents: from the audit when there is one, else suspected from the shape of the
    /// result.
    ///
    /// FineWeb documents have 650 to 1000 GPT-2 tokens. Documents cut into lines leave about 40 between end-of-text tokens, so
    /// that most of the context is other texts and the loss stays high from the start, smoothly and on both splits alike.
    static let documents = HealthRule(
        "documents", source: "FineWeb documents have 650-1000 GPT-2 tokens (measured); U-shape of context use: docs/health.md"
    ) { context, rule in
        let audit = context.facts.dataset.audit
        let block = Double(context.facts.config.blockSize?.value ?? 1024)
        if let mean = audit?.tokensPerDocumentMean {
            return audited(context, rule, mean: mean, block: block)
        }
        // Character-level data sets are one text.
        if context.dataset == .characters { return rule.finding(.info, "single", unit: "tokens") }
        let command = "\(context.options.program) prepare --audit \(context.dataPath)"
        guard let suspicion = DataSuspicion.of(context) else { return rule.needs("audit", ["command": .command(command)]) }
        let arguments: [String: MessageArgument] = [
            "unexplained": .number(suspicion.unexplained, .fixed(2)), "step": .integer(suspicion.earlyStep ?? 0),
            "early": .number(suspicion.earlyExcess ?? 0, .fixed(1)), "command": .command(command),
        ]
        let key = suspicion.earlyStep == nil ? "suspect" : "suspect-early"
        return rule.finding(
            .warn, key, arguments, value: suspicion.unexplained, unit: "nats", confidence: .fair,
            advice: Message("documents.advice-audit", arguments), command: command, nats: suspicion.unexplained,
            reason: Reason(.label("data"), Message("reason.documents." + key, arguments), weight: 90))
    }

    private static func audited(_ context: RunContext, _ rule: HealthRule, mean: Double, block: Double) -> Check {
        let name = context.dataset == .fineweb || context.dataset == .finewebEdu
        // Character-level and single-text data have no documents to speak of.
        if context.facts.dataset.trainDocuments.map({ $0 <= 2 }) ?? false {
            return rule.finding(.info, "single", value: mean, unit: "tokens")
        }
        let expected = name ? ExpectedRange(400, 1500) : ExpectedRange(max(min(200, block / 4), 32), nil)
        let arguments: [String: MessageArgument] = [
            "mean": .number(mean, .significant(2)), "block": .number(block, .integer),
            "share": .number(min(1, mean / block), .percent(0)), "low": .number(expected.low ?? 0, .integer),
        ]
        // However short the context, two dozen tokens are a sentence.
        let short = name ? 150 : max(min(100, block / 8), 24)
        if mean < short {
            return rule.finding(
                .fail, "lines", arguments, value: mean, expected: expected, unit: "tokens",
                advice: Message("documents.advice-prepare"),
                command: "\(context.options.program) prepare SOURCE --out \(context.dataPath)-whole",
                nats: LossJudgement.of(context)?.gap ?? 0.4,
                reason: Reason(.label("data"), Message("reason.documents.lines", arguments), weight: 95))
        }
        if mean < (expected.low ?? 0) {
            return rule.finding(
                .warn, "short", arguments, value: mean, expected: expected, unit: "tokens", confidence: .fair,
                advice: Message("documents.advice-prepare"),
                reason: Reason(.label("data"), Message("documents.short", arguments), weight: 50))
        }
        return rule.finding(.pass, "pass", arguments, value: mean, expected: expected, unit: "tokens")
    }
}

/// The reasoning that leads from a loss to the data: the run is stable, both splits agree, and the settings explain little of
/// the gap.
struct DataSuspicion: Sendable {
    /// Nats that nothing in the settings explains.
    var unexplained: Double
    /// A step early in the run at which the loss was already too high, and by how much.
    var earlyStep: Int?
    var earlyExcess: Double?

    static func of(_ context: RunContext) -> DataSuspicion? {
        guard let judged = LossJudgement.of(context), judged.excess > 0.05, judged.gap > 0.15, isStable(context) else {
            return nil
        }
        // Over-fitting and a foreign validation text show as a gap between the splits; this suspicion is for equal ones.
        if let train = context.evals.last?.trainLoss, let val = context.finalVal, abs(val - train) > 0.35 * judged.gap + 0.03 {
            return nil
        }
        var suspicion = DataSuspicion(unexplained: judged.gap)
        if let parameters = context.expectation.parameters, let band = context.expectation.band,
            let tokens = context.expectation.tokens
        {
            let offset = band.mid - ScalingLaw.fineweb.loss(parameters: parameters, tokens: tokens)
            // The first evaluation behind the warm-up and at a sixth of the run at most.
            let warmup = context.schedule?.warmup ?? 0
            let early = context.evals.first { $0.step > warmup && ($0.tokens ?? 0) > 0.3e9 }
            if let early, let seen = early.tokens, let loss = early.valLoss, seen < tokens / 3 {
                let normal = ScalingLaw.fineweb.loss(parameters: parameters, tokens: seen) + offset + LossJudgement.undecayed.high
                if loss - normal > 0.2 {
                    suspicion.earlyStep = early.step
                    suspicion.earlyExcess = loss - normal
                }
            }
        }
        return suspicion
    }

    private static func isStable(_ context: RunContext) -> Bool {
        let rules: [HealthRule] = [.nonFinite, .divergence, .spikes]
        if rules.contains(where: { [.fail, .warn].contains($0.check(context).status) }) { return false }
        return HealthRule.unigram.check(context).status != .fail
    }
}
