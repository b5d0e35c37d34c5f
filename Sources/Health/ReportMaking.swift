// SPDX-License-Identifier: MIT
import Foundation
import RunLog

extension HealthReport {
    /// Judges a run.
    public static func make(facts: RunFacts, options: HealthOptions = HealthOptions()) -> HealthReport {
        make(RunContext(facts, options: options))
    }

    /// Judges a run from a context that is at hand already.
    public static func make(_ context: RunContext) -> HealthReport {
        let checks = HealthRules.all.map { $0.check(context) }
        let verdict = VerdictRule.verdict(checks, context)
        let forecast = Scenarios.of(context)
        return HealthReport(
            run: run(context), model: model(context), verdict: verdict, headline: VerdictRule.headline(verdict, checks, context),
            reasons: VerdictRule.reasons(checks), checks: checks, curve: curve(context), series: series(context),
            expected: expected(context),
            forecast: forecast, forecastCurve: forecastCurve(context), throughput: context.throughput,
            nextSteps: NextSteps.of(verdict: verdict, checks: checks, forecast: forecast, context: context),
            notes: context.facts.notes)
    }

    private static func run(_ context: RunContext) -> Run {
        Run(
            source: context.facts.source, name: context.facts.name, steps: context.lastStep, plannedSteps: context.plannedSteps,
            tokensSeen: context.tokensSeen, tokensPerStep: context.tokensPerStep,
            dataset: context.dataset == .fineweb || context.dataset == .finewebEdu || context.dataset == .openwebtext
                ? context.dataset.rawValue : context.facts.dataset.name?.value,
            finalTrainLoss: context.finalTrain, finalValLoss: context.finalVal)
    }

    private static func model(_ context: RunContext) -> Model {
        let config = context.facts.config
        let shape = config.isShapeKnown ? config.shape : nil
        let parameters = config.parameters?.value
        return Model(
            parameters: parameters, parametersNonEmbedding: shape.map { Double($0.parametersNonEmbedding) },
            name: parameters.map { ModelShape.short(Int(max(0, min($0, 1e15)))) },
            intended: IntendedModel.of(context.facts)?.name,
            nLayer: shape?.nLayer, nHead: shape?.nHead, nEmbd: shape?.nEmbd, blockSize: shape?.blockSize,
            vocabSize: shape?.vocabSize,
            flopsPerToken: ThroughputReading.flopsPerToken(config))
    }

    /// Evaluations; where there are none, training losses averaged in sixty windows.
    private static func curve(_ context: RunContext) -> [CurvePoint] {
        if context.evals.count >= 2 {
            return Statistics.thinned(context.evals, to: 400).map {
                CurvePoint(step: $0.step, tokens: $0.tokens, trainLoss: $0.trainLoss, valLoss: $0.valLoss)
            }
        }
        let size = max(1, context.losses.count / 60)
        return stride(from: 0, to: context.losses.count, by: size).compactMap { start in
            let part = context.losses[start..<min(start + size, context.losses.count)]
            guard let middle = part.dropFirst(part.count / 2).first else { return nil }
            return CurvePoint(
                step: middle.step, tokens: middle.tokens, trainLoss: Statistics.median(part.compactMap(\.loss)), valLoss: nil)
        }
    }

    private static func series(_ context: RunContext) -> [SeriesPoint] {
        Statistics.thinned(context.facts.steps, to: 600).map { point in
            let speed =
                point.tokensPerSecond ?? point.stepMs.flatMap { ms in context.tokensPerStep.map { $0 / max(ms, 1e-6) * 1000 } }
            return SeriesPoint(
                step: point.step, tokens: point.tokens, loss: point.loss, lr: context.rate(point), gradNorm: point.gradNorm,
                tokensPerSecond: speed)
        }
    }

    private static func expected(_ context: RunContext) -> Expected {
        var bits: Double?
        if let stated = context.lastEval?.valBitsPerByte {
            bits = stated
        } else if let loss = context.finalVal, let bytes = context.facts.dataset.bytesPerToken?.value, bytes > 0 {
            bits = loss / log(2) / bytes
        }
        return Expected(
            valLoss: context.expectation.band, basis: context.expectation.basis, confidence: context.expectation.confidence,
            source: ScalingLaw.source, unigramEntropy: context.facts.dataset.unigramEntropy?.value, bitsPerByte: bits)
    }

    private static func forecastCurve(_ context: RunContext) -> [ForecastPoint] {
        guard context.predictedEnd != nil, let model = context.model, let end = context.plannedSteps else { return [] }
        let count = 40
        return (0...count).map { index in
            let step = context.lastStep + (end - context.lastStep) * index / count
            return ForecastPoint(
                step: step, tokens: context.tokens(by: step), valLoss: CurveFit.band(model.predict(step)))
        }
    }
}

/// How findings become a verdict, a headline and the letter's first lines.
///
/// - unhealthy: a check failed, other than those about speed.
/// - watch: a check other than those about speed warns.
/// - cannot tell: too little was recorded to judge.
/// - healthy: the rest.
enum VerdictRule {
    static func verdict(_ checks: [Check], _ context: RunContext) -> Verdict {
        let health = checks.filter { !HealthRules.aboutSpeed.contains($0.id) }
        if health.contains(where: { $0.status == .fail }) { return .unhealthy }
        let points = context.losses.count + 5 * context.evals.count
        if points < 20 || context.lastStep < 20 { return .cannotTell }
        return health.contains { $0.status == .warn } ? .watch : .healthy
    }

    /// Findings by weight: broken runs first, then what costs the most.
    static func weighty(_ checks: [Check]) -> [Check] {
        checks.filter {
            ($0.status == .fail || $0.status == .warn) && $0.reason != nil && !HealthRules.aboutSpeed.contains($0.id)
        }
        .sorted { ($0.reason?.weight ?? 0) > ($1.reason?.weight ?? 0) }
    }

    static func headline(_ verdict: Verdict, _ checks: [Check], _ context: RunContext) -> Message {
        func status(_ id: String) -> CheckStatus? { checks.first { $0.id == id }?.status }
        let found = weighty(checks)
        switch verdict {
        case .cannotTell: return Message("headline.cannot-tell")
        case .healthy:
            if status("loss-expected") == .cannotTell {
                // A missing fact is another thing than a missing reference: the user can give it.
                if ["expected.no-parameters", "expected.no-tokens", "expected.no-dataset"].contains(context.expectation.basis.key)
                {
                    return Message(context.isUnderWay ? "headline.healthy-facts-under-way" : "headline.healthy-facts")
                }
                return Message(context.isUnderWay ? "headline.healthy-shape-under-way" : "headline.healthy-shape")
            }
            return Message(context.isUnderWay ? "headline.healthy-under-way" : "headline.healthy")
        case .watch, .unhealthy: break
        }
        for id in ["non-finite", "divergence", "unigram", "too-good"] where status(id) == .fail {
            return Message("headline." + id)
        }
        if let loss = checks.first(where: { $0.id == "loss-expected" }), loss.status == .warn || loss.status == .fail,
            loss.nats > 0
        {
            let stable = !found.contains {
                ["non-finite", "divergence", "spikes", "resume-seams", "train-val-gap"].contains($0.id)
            }
            return Message(
                stable ? "headline.loss-high-stable" : "headline.loss-high",
                ["gap": .number(loss.nats, loss.nats < 0.15 ? .fixed(2) : .fixed(1))])
        }
        // As the line of counts has them, so that the two agree.
        let count = checks.count { $0.status == .warn || $0.status == .fail }
        guard let first = found.first else { return Message("headline.watch-plain", ["count": .integer(count)]) }
        if ["train-val-gap", "validation-power", "resume-seams", "schedule-end", "documents"].contains(first.id),
            status(first.id) == .fail
        {
            return Message("headline." + first.id)
        }
        return Message(
            verdict == .unhealthy ? "headline.unhealthy" : count == 1 ? "headline.watch" : "headline.watch-several",
            ["what": .message(Message("check." + first.id)), "count": .integer(count)])
    }

    /// At most four lines: the loss, then the weightiest findings.
    static func reasons(_ checks: [Check]) -> [Reason] {
        var lines = checks.compactMap { check in
            check.id == "loss-expected" ? check.reason : nil
        }
        lines += weighty(checks).filter { $0.id != "loss-expected" }.compactMap(\.reason)
        // One line a word: the weightiest "schedule" speaks for the others.
        var seen: [Message] = []
        let unique = lines.sorted { $0.weight > $1.weight }.filter { line in
            if seen.contains(line.label) { return false }
            seen.append(line.label)
            return true
        }
        return Array(unique.prefix(4))
    }
}
