// SPDX-License-Identifier: MIT
import Foundation

extension HealthRule {
    /// Losses and norms that are not numbers.
    static let nonFinite = HealthRule("non-finite", source: "any NaN or infinity: overflow of a 16-bit type, or a rate too high")
    { context, rule in
        let facts = context.facts
        let steps = facts.steps.filter { !($0.loss?.isFinite ?? true) || !($0.gradNorm?.isFinite ?? true) }.map(\.step)
        let evals = facts.evals.filter { !($0.valLoss?.isFinite ?? true) || !($0.trainLoss?.isFinite ?? true) }.map(\.step)
        let skips = facts.incidents.filter { $0.kind == .skip }.count
        // A run in bfloat16 or float32 is not told to leave float16.
        let isHalf = facts.config.dtype.map { $0.value == "float16" || $0.value == "fp16" }
        let ending = isHalf == nil ? "-dtype" : isHalf == true ? "-fp16" : ""
        let cure = Message("non-finite.advice" + ending)
        guard !facts.steps.isEmpty || !facts.evals.isEmpty else { return rule.needs("loss") }
        let bad = (steps + evals).sorted()
        guard let first = bad.first else {
            // A trainer that skips such updates never records them as losses; when most are skipped, nothing is trained.
            if skips * 2 > facts.steps.count + skips {
                let arguments: [String: MessageArgument] = [
                    "count": .integer(skips), "all": .integer(facts.steps.count + skips),
                ]
                return rule.finding(
                    .fail, "skipped-most", arguments, value: Double(skips), expected: ExpectedRange(0, 0),
                    advice: cure, nats: 3,
                    reason: Reason(.label("nan"), Message("non-finite.skipped-most", arguments), weight: 120))
            }
            if skips > 0 {
                let many = skips * 100 > facts.steps.count && skips > 5
                return rule.finding(
                    many ? .warn : .info, "skipped", ["count": .integer(skips)], value: Double(skips),
                    expected: ExpectedRange(0, 0),
                    advice: cure,
                    reason: many
                        ? Reason(.label("nan"), Message("non-finite.skipped", ["count": .integer(skips)]), weight: 75) : nil)
            }
            return rule.finding(.pass, "pass", value: 0, expected: ExpectedRange(0, 0))
        }
        let lastGood = max(context.losses.last?.step ?? 0, context.evals.last?.step ?? 0)
        let ended = (bad.last ?? 0) >= lastGood
        let arguments: [String: MessageArgument] = [
            "step": .integer(first), "count": .integer(bad.count), "good": .integer(lastGood),
        ]
        let many = bad.count * 100 > facts.steps.count + facts.evals.count
        return rule.finding(
            ended || many ? .fail : .warn, ended ? "ended" : "some", arguments, value: Double(bad.count),
            expected: ExpectedRange(0, 0),
            advice: cure, nats: ended ? 3 : 0.1,
            reason: Reason(
                .label("nan"), Message(ended ? "reason.non-finite-ended" : "non-finite.some", arguments), weight: ended ? 120 : 75
            ))
    }

    /// Whether the loss ended far above what it had reached.
    static let divergence = HealthRule("divergence", source: "end of the smoothed training loss against its lowest value") {
        context, rule in
        let values = smoothed(context)
        // A single odd window at the end, from a hard shard, is no rise.
        guard values.count >= 4, let end = values.suffix(2).min(by: { $0.loss < $1.loss }),
            let best = values.min(by: { $0.loss < $1.loss })
        else { return rule.needs("more-points") }
        let noise = Statistics.noise(context.losses.suffix(400).compactMap(\.loss)) ?? 0.02
        let rise = end.loss - best.loss
        let limit = max(0.25, 3 * noise)
        let arguments: [String: MessageArgument] = [
            "rise": .number(rise, .fixed(2)), "best": .number(best.loss, .fixed(2)), "step": .integer(best.step),
            "end": .number(end.loss, .fixed(2)),
        ]
        if rise > limit {
            return rule.finding(
                .fail, "fail", arguments, value: rise, expected: ExpectedRange(0, limit), unit: "nats",
                advice: Message("divergence.advice"),
                nats: rise, reason: Reason(.label("diverged"), Message("reason.divergence", arguments), weight: 115))
        }
        return rule.finding(.pass, "pass", arguments, value: max(rise, 0), expected: ExpectedRange(0, limit), unit: "nats")
    }

    /// The training loss in about a hundred windows (medians, so that a single spike is no rise); evaluations where there are
    /// no steps.
    private static func smoothed(_ context: RunContext) -> [(step: Int, loss: Double)] {
        if context.losses.count < 20 {
            return context.evals.compactMap { eval in (eval.trainLoss ?? eval.valLoss).map { (eval.step, $0) } }
        }
        let size = max(5, context.losses.count / 100)
        return stride(from: 0, to: context.losses.count - size + 1, by: size).compactMap { start in
            let part = context.losses[start..<start + size]
            return Statistics.median(part.compactMap(\.loss)).map { (part[part.startIndex + size / 2].step, $0) }
        }
    }

    /// Sudden rises of the training loss and whether they were made good.
    static let spikes = HealthRule(
        "spikes", source: "rolling robust z-score above 7 (OLMo 2: share of points 7 sigma from the mean of the last 1000)"
    ) {
        context, rule in
        let found = SpikeSearch.find(context.losses.map { ($0.step, $0.loss ?? 0) }, after: context.schedule?.warmup ?? 0)
        guard let found else { return rule.needs("more-points") }
        let open = found.filter { !$0.recovered }
        let worst = found.max { $0.height < $1.height }
        let arguments: [String: MessageArgument] = [
            "count": .integer(found.count), "step": .integer((open.first ?? worst)?.step ?? 0),
            "height": .number((open.first ?? worst)?.height ?? 0, .fixed(1)),
            "before": .integer(max(0, ((open.first ?? worst)?.step ?? 0) - 100)),
        ]
        if !open.isEmpty {
            return rule.finding(
                .warn, "open", arguments, value: Double(found.count), expected: ExpectedRange(0, 2),
                advice: Message("spikes.advice", arguments),
                nats: 0.1, reason: Reason(.label("spike"), Message("spikes.open", arguments), weight: 72))
        }
        if found.count > max(3, context.losses.count / 1000) {
            return rule.finding(
                .warn, "many", arguments, value: Double(found.count), expected: ExpectedRange(0, 2),
                advice: Message("spikes.advice-many"),
                nats: 0.03, reason: Reason(.label("spike"), Message("spikes.many", arguments), weight: 58))
        }
        return rule.finding(
            .pass, found.isEmpty ? "none" : "recovered", arguments, value: Double(found.count), expected: ExpectedRange(0, 2))
    }

    /// The gradient norm's course: a norm that grows in a run that should settle announces divergence.
    static let gradNorm = HealthRule(
        "grad-norm", source: "median of the last tenth against the middle of the run (docs/health.md)"
    ) { context, rule in
        let warmup = context.schedule?.warmup ?? 0
        let norms = context.facts.steps.filter { $0.step > warmup }.compactMap(\.gradNorm).filter { $0.isFinite && $0 >= 0 }
        guard norms.count >= 40 else { return rule.needsNorms(context, found: norms.count) }
        let tenth = max(5, norms.count / 10)
        let middleStart = norms.count * 3 / 10
        guard let end = Statistics.median(Array(norms.suffix(tenth))),
            let middle = Statistics.median(Array(norms[middleStart..<min(norms.count, middleStart + 2 * tenth)])), middle > 0
        else { return rule.needs("grad-norm") }
        let ratio = end / middle
        let arguments: [String: MessageArgument] = [
            "end": .number(end, .significant(2)), "middle": .number(middle, .significant(2)), "ratio": .number(ratio, .fixed(1)),
        ]
        let range = ExpectedRange(0, 2.5)
        if end < 1e-6 {
            return rule.finding(
                .fail, "vanished", arguments, value: end, expected: range, advice: Message("grad-norm.advice-vanished"), nats: 1,
                reason: Reason(.label("gradient"), Message("grad-norm.vanished", arguments), weight: 77))
        }
        if ratio > 2.5 {
            return rule.finding(
                ratio > 10 ? .fail : .warn, "grows", arguments, value: ratio, expected: range, confidence: .fair,
                advice: Message("grad-norm.advice-grows"),
                reason: Reason(.label("gradient"), Message("grad-norm.grows", arguments), weight: 54))
        }
        return rule.finding(.pass, "pass", arguments, value: ratio, expected: range)
    }

    /// How often the gradient is cut by a third or more after the warm-up. Norms a little above the clip value lose a few per
    /// cent, which Adam, blind to the gradient's scale, does not notice.
    static let clipRate = HealthRule(
        "clip-rate", source: "clipping is for rare large gradients; a clip that cuts most steps hides how large they are"
    ) {
        context, rule in
        guard let clip = context.facts.config.gradClip?.value, clip > 0 else { return rule.needs("clip") }
        let warmup = max(context.schedule?.warmup ?? 0, context.lastStep / 20)
        let norms = context.facts.steps.filter { $0.step > warmup }.compactMap(\.gradNorm).filter(\.isFinite)
        guard norms.count >= 40 else { return rule.needsNorms(context, found: norms.count) }
        let share = Double(norms.count { $0 > 1.5 * clip }) / Double(norms.count)
        let arguments: [String: MessageArgument] = ["share": .number(share, .percent(0)), "clip": .number(clip, .significant(2))]
        if share > 0.5 {
            return rule.finding(
                .warn, "often", arguments, value: share, expected: ExpectedRange(0, 0.5), confidence: .fair,
                advice: Message("clip-rate.advice"),
                reason: Reason(.label("gradient"), Message("clip-rate.often", arguments), weight: 44))
        }
        return rule.finding(.pass, "pass", arguments, value: share, expected: ExpectedRange(0, 0.5))
    }
}

extension HealthRule {
    /// Too few gradient norms are another thing than none.
    fileprivate func needsNorms(_ context: RunContext, found: Int) -> Check {
        context.facts.steps.contains { $0.gradNorm != nil }
            ? needs("few-grad-norms", ["count": .integer(found)]) : needs("grad-norm")
    }
}

/// Finds spikes in blocks: each point against the median and robust deviation of the blocks before it.
struct SpikeSearch {
    struct Spike: Sendable {
        var step: Int
        /// Nats above the level before.
        var height: Double
        var recovered: Bool
    }

    /// - Returns: nil when there are too few points to tell.
    static func find(_ points: [(step: Int, loss: Double)], after start: Int) -> [Spike]? {
        // While the loss still falls fast every level is out of date at once.
        let settled = points.filter { $0.step > start }
        let skipped = Array(settled.dropFirst(settled.count / 50))
        guard skipped.count >= 60 else { return nil }
        let block = max(10, min(64, skipped.count / 12))
        var spikes: [Spike] = []
        var until = 0
        for from in stride(from: 2 * block, to: skipped.count, by: block) {
            let before = skipped[from - 2 * block..<from].map(\.loss)
            guard let level = Statistics.median(before), let spread = Statistics.robustDeviation(before) else { continue }
            let limit = max(7 * max(spread, Statistics.noise(before) ?? 0), 0.25)
            for at in from..<min(from + block, skipped.count) where at >= until && skipped[at].loss - level > limit {
                let next = skipped[min(at + 1, skipped.count)..<min(at + 1 + 2 * block, skipped.count)].map(\.loss)
                let after = Statistics.quantile(next, 0.25) ?? skipped[at].loss
                // One wild batch at the very end cannot be judged yet.
                let recovered = next.count < 3 ? next.isEmpty : after - level < limit / 2
                spikes.append(Spike(step: skipped[at].step, height: skipped[at].loss - level, recovered: recovered))
                until = at + block
            }
        }
        return spikes
    }
}
