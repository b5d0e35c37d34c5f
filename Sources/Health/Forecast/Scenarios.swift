// SPDX-License-Identifier: MIT
import Foundation
import RunLog

/// What the run, or a next one, would reach and cost.
///
/// Differences come from the law (more tokens, more parameters) or from the fitted curve (the rest of this run, going on at the
/// minimum rate). They are applied to the loss this run really reached: what holds it back, such as its data, holds back the
/// next run too, unless the scenario is to mend exactly that.
struct Scenarios {
    private let context: RunContext
    /// Where the run ends or ended.
    private let end: Band
    private let steps: Int
    private let tokens: Double
    private let suspicion: DataSuspicion?

    private init(_ context: RunContext, end: Band, steps: Int, tokens: Double) {
        self.context = context
        self.end = end
        self.steps = steps
        self.tokens = tokens
        suspicion = DataSuspicion.of(context)
    }

    /// - Returns: none when the run broke down, since nothing can be carried forward from it.
    static func of(_ context: RunContext) -> [HealthReport.Scenario] {
        let broken: [HealthRule] = [.nonFinite, .divergence, .unigram, .tooGood]
        guard !broken.contains(where: { $0.check(context).status == .fail }) else { return [] }
        let steps = context.isUnderWay ? context.plannedSteps ?? context.lastStep : context.lastStep
        guard steps > 0 else { return [] }
        // Without the tokens of a step only the curve itself can be carried on; NaN tokens are left out of every page.
        let tokens = context.tokens(by: steps).flatMap { $0 > 0 ? $0 : nil } ?? .nan
        let end: Band
        if context.isUnderWay {
            guard let predicted = context.predictedEnd else { return [] }
            end = predicted
        } else {
            guard let loss = context.finalLoss else { return [] }
            end = Band(low: loss, mid: loss, high: loss)
        }
        var scenarios = Scenarios(context, end: end, steps: steps, tokens: tokens).all()
        markBest(&scenarios, suspected: DataSuspicion.of(context) != nil)
        return scenarios
    }

    /// The lowest loss within ten hours; while the data is suspect only mending it counts, for anything else repeats the mistake.
    private static func markBest(_ scenarios: inout [HealthReport.Scenario], suspected: Bool) {
        let mending: Set<String> = ["better-data", "better-data-lr", "next-size-better-data"]
        let candidates = scenarios.indices.filter { index in
            let scenario = scenarios[index]
            // Going on at a rate that has come down gives little, so it is no use of ten hours, even when nothing else is priced.
            guard scenario.id != "continue" else { return false }
            return (scenario.hours.map { $0 <= 10 } ?? false) && (!suspected || mending.contains(scenario.id))
        }
        // A sound run under way is finished before anything else is begun.
        if !suspected, let finish = candidates.first(where: { scenarios[$0].id == "finish" }) {
            scenarios[finish].best = true
            return
        }
        guard let best = candidates.min(by: { scenarios[$0].valLoss.mid < scenarios[$1].valLoss.mid }) else { return }
        scenarios[best].best = true
    }

    private func all() -> [HealthReport.Scenario] {
        var result: [HealthReport.Scenario] = []
        if context.isUnderWay { result.append(finish()) }
        let hasReference = context.expectation.band != nil
        if hasReference { result += mended() }
        if hasReference {
            result.append(restart(2))
            result.append(restart(3))
        }
        if !context.isUnderWay {
            if !hasReference, let again = restartByCurve() { result.append(again) }
            if let more = goOn() { result.append(more) }
            if hasReference { result.append(rewarm()) }
        }
        if hasReference {
            if let next = nextSize(mendedData: false), suspicion == nil { result.append(next) }
            result += cheaper()
        }
        return result
    }

    private func hours(_ tokens: Double, flopsRatio: Double = 1) -> Double? {
        context.hours(tokens, flopsRatio: flopsRatio)
    }

    private func command(_ options: String) -> String {
        "\(context.options.program) train \(context.options.configPath ?? "CONFIG") \(options)"
    }

    private func scenario(
        _ id: String, _ arguments: [String: MessageArgument] = [:], steps: Int, tokens: Double, _ band: Band, hours: Double?,
        _ confidence: Confidence, continues: Bool = false, command: String? = nil
    ) -> HealthReport.Scenario {
        HealthReport.Scenario(
            id: id, title: Message("scenario." + id, arguments), steps: steps, tokens: tokens, valLoss: band, hours: hours,
            basis: Message("scenario-basis." + id, arguments), confidence: confidence, continues: continues, command: command,
            best: false)
    }

    /// The rest of the run as it is planned.
    private func finish() -> HealthReport.Scenario {
        scenario(
            "finish", ["steps": .integer(steps)], steps: steps, tokens: tokens, end, hours: context.hoursLeft, .good,
            continues: true)
    }

    /// A change of the end by `nats` that is known within a factor.
    private func lowered(by nats: Double, _ low: Double, _ high: Double) -> Band {
        Band(low: end.low - nats * high, mid: end.mid - nats, high: end.high - nats * low)
    }

    /// The whole run again with a longer schedule.
    private func restart(_ factor: Int) -> HealthReport.Scenario {
        let law = ScalingLaw.fineweb, unique = context.facts.dataset.trainTokens?.value
        let parameters = context.expectation.parameters ?? 0
        let more = tokens * Double(factor)
        let gain =
            law.loss(parameters: parameters, tokens: ScalingLaw.effectiveTokens(tokens, unique: unique))
            - law.loss(parameters: parameters, tokens: ScalingLaw.effectiveTokens(more, unique: unique))
        // A rate that never came down is mended by the new schedule too.
        let decay = context.isDecayed == false && !context.isUnderWay ? LossJudgement.undecayed.mid : 0
        return scenario(
            "restart-\(factor)x", ["steps": .integer(steps * factor), "factor": .integer(factor)], steps: steps * factor,
            tokens: more,
            lowered(by: gain + decay, 0.6, 1.35), hours: hours(more), .fair,
            command: command("--max-iters \(steps * factor) --lr-decay-iters \(steps * factor)"))
    }

    /// Twice the steps where no law speaks of the text: the gain is this run's own curve on a schedule twice as long.
    private func restartByCurve() -> HealthReport.Scenario? {
        guard context.isDecayed == true, let schedule = context.schedule, let model = context.model else { return nil }
        // Text that was read often has little left to give, and the curve does not know it.
        if let epochs = context.epochs, epochs > 2 { return nil }
        let longer = schedule.stretched(2)
        let here = model.predict(steps), there = model.predict(steps * 2, on: Timeline(longer, horizon: steps * 2))
        let gain = here.mid - there.mid
        guard gain.isFinite, gain > 0.005 else { return nil }
        var result = scenario(
            "restart-2x", ["steps": .integer(steps * 2), "factor": .integer(2)], steps: steps * 2, tokens: tokens * 2,
            // Two runs on made-up stories, repeated with 600 steps for 300, gained 1.5 and 1.6 times what their curves said.
            lowered(by: gain, 0.4, 1.8), hours: hours(tokens * 2), .low,
            command: command("--max-iters \(steps * 2) --lr-decay-iters \(steps * 2)"))
        result.basis = Message("scenario-basis.restart-curve")
        result.valLoss.low = max(result.valLoss.low, 0)
        result.valLoss.mid = max(result.valLoss.mid, 0)
        result.valLoss.high = max(result.valLoss.high, 0)
        return result
    }

    /// As many steps again at the rate the schedule ended with.
    private func goOn() -> HealthReport.Scenario? {
        guard context.isDecayed == true, let schedule = context.schedule, let model = context.model else { return nil }
        var longer = schedule
        if !longer.table.isEmpty, let last = longer.table.last { longer.minimum = last.lr }
        let total = steps * 2
        let timeline = Timeline(longer, horizon: total)
        let before = model.predict(steps, on: timeline).mid, after = model.predict(total, on: timeline).mid
        // A curve read from few points can promise a little too much.
        let gain = max(0.005, min(before - after, 0.08))
        let band = Band(low: end.low - gain * 1.25, mid: end.mid - gain * 0.8, high: end.high - gain * 0.4)
        let more = Double(steps) * (context.tokensPerStep ?? .nan)
        return scenario(
            "continue", ["steps": .integer(steps), "gain": .number(gain, .fixed(2))], steps: total, tokens: tokens + more, band,
            hours: hours(more), .fair, continues: true)
    }

    /// The rate brought back up and decayed again over as many steps.
    private func rewarm() -> HealthReport.Scenario {
        let twice = restart(2)
        let more = Double(steps) * (context.tokensPerStep ?? .nan)
        // What the first decay gave is partly lost in the rise; runs made in one piece end a little lower.
        let band = Band(low: twice.valLoss.low + 0.005, mid: twice.valLoss.mid + 0.02, high: twice.valLoss.high + 0.04)
        return scenario(
            "rewarm", ["steps": .integer(steps)], steps: steps * 2, tokens: tokens + more, band, hours: hours(more), .low,
            continues: true)
    }

    /// The run repeated on sound data, also with a better rate and at the size that was meant.
    private func mended() -> [HealthReport.Scenario] {
        guard let suspicion, let band = context.expectation.band, suspicion.unexplained > 0 else { return [] }
        var result = [
            scenario(
                "better-data", steps: steps, tokens: tokens, band, hours: hours(tokens),
                context.expectation.confidence == .low ? .low : .fair)
        ]
        let cost = context.expectation.rateCost
        if cost > 0.02, let rate = betterRate() {
            let better = Band(low: band.low - cost, mid: band.mid - cost, high: band.high - cost * 0.6)
            result.append(
                scenario(
                    "better-data-lr", ["rate": .number(rate, .rate)], steps: steps, tokens: tokens, better, hours: hours(tokens),
                    .fair,
                    command: command(
                        Self.rateOptions(rate)
                    )))
        }
        if let next = nextSize(mendedData: true) { result.append(next) }
        return result
    }

    private static func rateOptions(_ rate: Double) -> String {
        let peak = Catalogue.english.number(rate, .rate), low = Catalogue.english.number(rate / 10, .rate)
        return "--learning-rate \(peak) --min-lr \(low)"
    }

    private func betterRate() -> Double? {
        guard let parameters = context.expectation.parameters else { return nil }
        let body = context.facts.config.shape.map { Double($0.parametersNonEmbedding) } ?? parameters * 0.7
        return HealthRule.rounded(GoodSettings.learningRate(nonEmbedding: body, tokens: tokens) * 0.7)
    }

    /// The next size of GPT-2's family (or the one that was meant) with the same tokens.
    private func nextSize(mendedData: Bool) -> HealthReport.Scenario? {
        let config = context.facts.config
        guard let parameters = context.expectation.parameters, let now = config.shape else { return nil }
        let intended = IntendedModel.of(context.facts)
        let next =
            intended
            ?? IntendedModel.family.first { member in
                let shape = ModelShape(
                    nLayer: member.layers, nHead: member.heads, nEmbd: member.width, blockSize: now.blockSize,
                    vocabSize: now.vocabSize, bias: now.bias)
                return Double(shape.parameters) > parameters * 1.3
            }
        guard let next else { return nil }
        let shape = ModelShape(
            nLayer: next.layers, nHead: next.heads, nEmbd: next.width, blockSize: now.blockSize, vocabSize: now.vocabSize,
            bias: now.bias)
        let size = Double(shape.parameters)
        // Too few tokens for a model of that size would waste it.
        guard tokens / size > 8 else { return nil }
        let law = ScalingLaw.fineweb
        let gain = law.loss(parameters: parameters, tokens: tokens) - law.loss(parameters: size, tokens: tokens)
        var band = lowered(by: gain, 0.7, 1.2)
        if mendedData, let expected = context.expectation.band {
            // The larger model's own best rate is lower: a rate that was too low for this size costs less there.
            let saved = context.expectation.rateCost
            band = Band(
                low: expected.low - gain - saved, mid: expected.mid - gain - saved, high: expected.high - gain - saved * 0.6)
        }
        let ratio = shape.flopsPerToken / now.flopsPerToken
        return scenario(
            mendedData ? "next-size-better-data" : "next-size", ["size": .text(next.name)], steps: steps, tokens: tokens, band,
            hours: hours(tokens, flopsRatio: ratio), .fair,
            command: command("--n-layer \(next.layers) --n-head \(next.heads) --n-embd \(next.width)"))
    }

    /// What costs nothing but another setting.
    private func cheaper() -> [HealthReport.Scenario] {
        var result: [HealthReport.Scenario] = []
        let rateCost = context.expectation.rateCost, batchCost = context.expectation.batchCost
        if rateCost > 0.01, let rate = betterRate() {
            result.append(
                scenario(
                    "better-lr", ["rate": .number(rate, .rate)], steps: steps, tokens: tokens, lowered(by: rateCost, 0.5, 1.7),
                    hours: hours(tokens),
                    .fair,
                    command: command(
                        Self.rateOptions(rate)
                    )))
        }
        if batchCost > 0.005, let batch = context.tokensPerStep {
            result.append(
                scenario(
                    "smaller-batch", ["batch": .number(batch / 2, .short)], steps: steps * 2, tokens: tokens,
                    lowered(by: batchCost, 0.3, 1.7),
                    hours: hours(tokens), .low, command: command("--max-iters \(steps * 2) --lr-decay-iters \(steps * 2)")))
        }
        return result
    }
}
