// SPDX-License-Identifier: MIT
import Foundation

/// How far a run is from what it should reach, for the rules that reason about the gap.
struct LossJudgement: Sendable {
    /// The loss that is judged: of the end, or predicted for the end.
    var loss: Double
    var isPrediction: Bool
    /// The band it is held against.
    var band: Band
    /// `loss` less the middle of the band.
    var gap: Double { loss - band.mid }
    /// Part of the excess over the band's upper edge.
    var excess: Double { loss - band.high }

    /// Loss that a run whose rate is still high gives away against a decayed one: 0.07 to 0.16 on public curves.
    static let undecayed = (low: 0.07, mid: 0.11, high: 0.16)

    static func of(_ context: RunContext) -> LossJudgement? {
        guard let band = context.expectation.band, let last = context.finalLoss, last.isFinite else { return nil }
        if context.isUnderWay, let end = context.predictedEnd {
            // A prediction's own width widens the band; before a third of the run it says little about a fault.
            let early = max(0, 0.35 - (context.progress ?? 1)) * 0.5
            let width = (end.high - end.low) / 2 + early
            return LossJudgement(
                loss: end.mid, isPrediction: true, band: Band(low: band.low - width, mid: band.mid, high: band.high + width))
        }
        guard context.isDecayed == false || context.isUnderWay else {
            return LossJudgement(loss: last, isPrediction: false, band: band)
        }
        guard !context.isUnderWay else { return nil }
        let high = undecayed
        return LossJudgement(
            loss: last, isPrediction: false,
            band: Band(low: band.low + high.low, mid: band.mid + high.mid, high: band.high + high.high))
    }
}

extension HealthRule {
    /// Loss against the band for this size, these tokens, this data set and recipe.
    static let lossExpected = HealthRule("loss-expected", source: ScalingLaw.source) { context, rule in
        guard context.expectation.band != nil else {
            // The letter still begins with the loss, and says why it is not judged.
            let reason = context.finalLoss.map { loss in
                Reason(
                    .label(number: loss, .fixed(2)),
                    Message("reason.loss.no-reference", ["why": .message(context.expectation.basis)]), weight: 30)
            }
            return Check(
                rule.id, .cannotTell, why: context.expectation.basis, source: rule.source, confidence: .good, reason: reason)
        }
        guard let judged = LossJudgement.of(context) else { return rule.needs("end-of-run") }
        let expectation = context.expectation, band = judged.band
        let range = ExpectedRange(band.low, band.high)
        var arguments: [String: MessageArgument] = [
            "loss": .number(judged.loss, .fixed(2)), "low": .number(band.low, .fixed(2)), "high": .number(band.high, .fixed(2)),
            "gap": .number(abs(judged.gap), .fixed(2)), "parameters": .number(expectation.parameters ?? 0, .short),
            "tokens": .number(expectation.tokens ?? 0, .short), "dataset": .text(context.dataset.rawValue),
        ]
        let prefix = judged.isPrediction ? "predicted-" : ""
        let confidence = confidence(context, judged)
        let lead = Message.label(number: judged.loss, .fixed(2))
        if judged.excess <= 0 {
            let key = judged.loss < band.low ? "below" : "pass"
            return rule.finding(
                .pass, prefix + key, arguments, value: judged.loss, expected: range, unit: "nats", confidence: confidence,
                reason: Reason(lead, Message("reason.loss." + prefix + key, arguments), weight: 100))
        }
        // What a sound run would have needed to come this far.
        var reasonKey = "reason.loss." + prefix + "high"
        if !judged.isPrediction, let tokens = expectation.tokens, let parameters = expectation.parameters {
            let sound = expectation.bandWithGoodSettings?.mid ?? band.mid
            let offset = sound - ScalingLaw.fineweb.loss(parameters: parameters, tokens: tokens)
            if let enough = ScalingLaw.fineweb.tokens(forLoss: judged.loss - offset, parameters: parameters),
                enough < tokens * 0.7
            {
                arguments["enough"] = .number(enough, .short)
                arguments["share"] = .number(enough / tokens, .percent(0))
                reasonKey += "-tokens"
            }
        }
        let status: CheckStatus = judged.excess > 0.6 ? .fail : .warn
        return rule.finding(
            status, prefix + "high", arguments, value: judged.loss, expected: range, unit: "nats", confidence: confidence,
            nats: judged.gap, reason: Reason(lead, Message(reasonKey, arguments), weight: 100))
    }

    /// A gap of many standard deviations is sure even where the band is only fair.
    private static func confidence(_ context: RunContext, _ judged: LossJudgement) -> Confidence {
        let distance = abs(judged.gap) / max(context.expectation.sigma, 0.01)
        if context.expectation.confidence == .low { return distance > 5 ? .fair : .low }
        return distance > 4 && !judged.isPrediction ? .good : context.expectation.confidence
    }

    /// A loss below what text allows: labels leak into the inputs, or one batch repeats.
    static let tooGood = HealthRule(
        "too-good",
        source:
            "floor of the fitted law (2.12 nats a GPT-2 token on FineWeb); Karpathy 2019, A Recipe for Training Neural Networks"
    ) { context, rule in
        let train = context.losses.suffix(max(1, context.losses.count / 50)).compactMap(\.loss)
        let low = [context.finalVal, context.finalTrain, Statistics.mean(train)].compactMap { $0 }.min()
        guard let low else { return rule.needs("loss") }
        if let band = context.expectation.band {
            // A run's loss at any step cannot be far below what the end of a good run reaches.
            let floor = band.low - 0.25
            if low < floor {
                return rule.finding(
                    .fail, "fail", ["loss": .number(low, .fixed(2)), "floor": .number(band.low, .fixed(2))], value: low,
                    expected: ExpectedRange(band.low, nil), unit: "nats", confidence: .good, advice: Message("too-good.advice"),
                    nats: 0.5,
                    reason: Reason(
                        .label("leak"),
                        Message("reason.too-good", ["loss": .number(low, .fixed(2)), "floor": .number(band.low, .fixed(2))]),
                        weight: 110))
            }
            return rule.finding(
                .pass, "pass", ["floor": .number(band.low, .fixed(2))], value: low, expected: ExpectedRange(floor, nil),
                unit: "nats")
        }
        // Without a reference only a loss near zero is impossible for text; small texts can be learned by heart.
        if low < 0.15 {
            let key = (context.finalVal ?? low) < 0.3 ? "fail" : "memorised"
            return rule.finding(
                .fail, key, ["loss": .number(low, .fixed(2)), "floor": .number(0.5, .fixed(1))], value: low,
                expected: ExpectedRange(0.5, nil),
                unit: "nats", confidence: .fair, advice: Message("too-good.advice"), nats: 0.5,
                reason: Reason(
                    .label("leak"),
                    Message("too-good." + key, ["loss": .number(low, .fixed(2)), "floor": .number(0.5, .fixed(1))]), weight: 110))
        }
        return rule.needs("reference")
    }
}
