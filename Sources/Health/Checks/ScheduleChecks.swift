// SPDX-License-Identifier: MIT
import Foundation

extension HealthRule {
    /// Whether the decay of the learning rate and the run end together.
    static let scheduleEnd = HealthRule(
        "schedule-end", source: "nanoGPT: lr_decay_iters about max_iters; Chinchilla (arXiv 2203.15556) section 3.1"
    ) {
        context, rule in
        guard let schedule = context.schedule else { return rule.needs("schedule") }
        let end = schedule.decayEnd, total = schedule.total, last = context.lastStep
        var arguments: [String: MessageArgument] = [
            "decay": .integer(end), "total": .integer(total), "last": .integer(last),
            "share": .number(schedule.rate(min(last, total)) / schedule.peak, .percent(0)),
            "line": .command("lr_decay_iters = \(total)"), "warmup": .integer(schedule.warmup),
            "wasted": .number(1 - Double(end) / Double(max(total, 1)), .percent(0)),
        ]
        let ratio = Double(end) / Double(max(total, 1))
        // A rate that is still rising at the end does not fall; the rule on the warm-up warns of that.
        let isAllWarmup = schedule.isFormula && schedule.warmup > 0 && schedule.warmup >= total
        if schedule.kind == .constant {
            return rule.finding(
                .warn, "constant", arguments, value: ratio, expected: ExpectedRange(0.9, 1.1),
                advice: Message("schedule-end.advice-constant"),
                nats: 0.1, reason: Reason(.label("schedule"), Message("schedule-end.constant", arguments), weight: 50))
        }
        if ratio > 1.1 {
            let key = isAllWarmup ? "late-warmup" : "late"
            return rule.finding(
                .warn, key, arguments, value: ratio, expected: ExpectedRange(0.9, 1.1),
                advice: Message("schedule-end.advice-late", arguments),
                nats: 0.1, reason: Reason(.label("schedule"), Message("schedule-end." + key, arguments), weight: 68))
        }
        if isAllWarmup {
            return rule.finding(.info, "all-warmup", arguments, value: ratio, expected: ExpectedRange(0.9, 1.1))
        }
        if ratio < 0.85 {
            return rule.finding(
                .warn, "early", arguments, value: ratio, expected: ExpectedRange(0.9, 1.1),
                advice: Message("schedule-end.advice-early", arguments),
                nats: 0.02, reason: Reason(.label("schedule"), Message("schedule-end.early", arguments), weight: 45))
        }
        if Double(last) < 0.98 * Double(total) {
            // A log that ends in the middle is a run under way, unless it says that it broke off.
            let value = Double(last) / Double(max(total, 1)), range = ExpectedRange(0.98, nil)
            guard let stop = context.facts.lastStop, (stop.step ?? 0) >= last - 1 else {
                return rule.finding(.info, "under-way", arguments, value: value, expected: range)
            }
            // The user knows why a run was interrupted; why it failed only its own words tell.
            let isToldWhy = stop.kind != .interrupted && !stop.detail.isEmpty
            arguments["why"] = .text(String(stop.detail.prefix(250)))
            let key = isToldWhy ? "failed" : "stopped"
            return rule.finding(
                .warn, key, arguments, value: value, expected: range, advice: Message("schedule-end.advice-" + key),
                reason: Reason(.label("schedule"), Message("schedule-end." + key, arguments), weight: 60))
        }
        return rule.finding(.pass, "pass", arguments, value: ratio, expected: ExpectedRange(0.9, 1.1))
    }

    /// The rate at the end of the run: only a small one leaves an end point.
    static let finalRate = HealthRule(
        "final-rate", source: "nanoGPT: min_lr = learning_rate / 10 (Chinchilla); undecayed runs read 0.07-0.16 too high"
    ) {
        context, rule in
        guard let share = context.finalRateShare else { return rule.needs("schedule") }
        if context.isUnderWay { return rule.finding(.info, "under-way", ["share": .number(share, .percent(0))], value: share) }
        let range = ExpectedRange(0, 0.1)
        let arguments: [String: MessageArgument] = ["share": .number(share, .percent(0))]
        // No decay would mend that: the rule on the warm-up says what does.
        if context.isWarmingUp { return rule.finding(.info, "rising", arguments, value: share, expected: range) }
        if share > 0.16 {
            // The rule on the schedule's end has said it when that is the reason.
            return rule.finding(
                .warn, "high", arguments, value: share, expected: range, advice: Message("final-rate.advice"), nats: 0.1,
                reason: Reason(.label("schedule"), Message("final-rate.high", arguments), weight: 48))
        }
        return rule.finding(.pass, "pass", arguments, value: share, expected: range)
    }

    /// Length of the warm-up.
    static let warmup = HealthRule(
        "warmup",
        source: "GPT-2/3 practice: some hundred steps, 0.3-10 % of the run; Adam's second moment needs 1/(1-beta2) steps"
    ) {
        context, rule in
        guard let warmup = context.facts.config.warmupIters, warmup.origin != .assumed else { return rule.needs("warmup") }
        let total = context.plannedSteps ?? context.lastStep
        let share = Double(warmup.value) / Double(max(total, 1))
        let arguments: [String: MessageArgument] = [
            "steps": .integer(warmup.value), "share": .number(share, .percent(1)),
            "total": .integer(total), "suggestion": .command("warmup_iters = \(suggestedWarmup(total))"),
        ]
        // In steps, as the value: at least 20, or 1 % of a short run, and at most a tenth of the run.
        let least = min(20, max(total / 100, 1))
        let range = ExpectedRange(Double(least), Double(max(total / 10, least)))
        let isAdamW = context.facts.config.optimizer?.value.lowercased().contains("adam") ?? true
        if isAdamW, warmup.value < least, (context.facts.config.learningRate?.value ?? 0) > 2e-4 {
            return rule.finding(
                .warn, "none", arguments, value: Double(warmup.value), expected: range, unit: "steps", confidence: .fair,
                advice: Message("warmup.advice-none", arguments), nats: 0.02,
                reason: Reason(.label("schedule"), Message("warmup.none", arguments), weight: 52))
        }
        if warmup.value >= total, total > 0 {
            return rule.finding(
                .warn, "outlasts", arguments, value: Double(warmup.value), expected: range, unit: "steps",
                advice: Message("warmup.advice-outlasts", arguments), nats: 0.1,
                reason: Reason(.label("schedule"), Message("warmup.outlasts", arguments), weight: 70))
        }
        if share > 0.25 {
            return rule.finding(
                .warn, "long", arguments, value: Double(warmup.value), expected: range, unit: "steps",
                advice: Message("warmup.advice-long", arguments),
                nats: 0.02, reason: Reason(.label("schedule"), Message("warmup.long", arguments), weight: 40))
        }
        return rule.finding(.pass, "pass", arguments, value: Double(warmup.value), expected: range, unit: "steps")
    }

    /// A twentieth of the run, 20 to 1000 updates, and never more than a tenth of a short one.
    private static func suggestedWarmup(_ total: Int) -> Int { max(1, min(max(20, min(1000, total / 20)), total / 10)) }
}

extension RunFacts {
    /// What the run broke off with; nil when it never did, or a resume went on from there.
    var lastStop: RunIncident? {
        let kinds: Set<RunIncident.Kind> = [.traceback, .outOfMemory, .interrupted, .failed]
        return incidents.last { kinds.contains($0.kind) || $0.kind == .resume }.flatMap { $0.kind == .resume ? nil : $0 }
    }
}
