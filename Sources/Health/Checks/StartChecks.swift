// SPDX-License-Identifier: MIT
import Foundation

extension HealthRule {
    /// The loss before the first update. GPT-2's initialisation gives the logits almost equal values, so it is ln V there;
    /// modern recipes with another initialisation of the head start as high as 16, which is no fault.
    static let initLoss = HealthRule(
        "init-loss", source: "Karpathy 2019, A Recipe for Training Neural Networks (ln V for GPT-2's initialisation)"
    ) {
        context, rule in
        let config = context.facts.config
        if let start = config.initFrom, start.origin != .assumed, !["scratch", "resume"].contains(start.value) {
            return rule.needs("scratch")
        }
        let step = context.losses.first.flatMap { $0.step <= 1 ? $0.loss : nil }
        let eval = context.evals.first.flatMap { $0.step <= 1 ? $0.valLoss : nil }
        guard let loss = eval ?? step else { return rule.needs("first-loss") }
        guard let vocabulary = config.vocabSize, vocabulary.value > 1 else { return rule.needs("vocabulary") }
        let expected = log(Double(vocabulary.value))
        let isGPT2 = (config.architecture?.value ?? "gpt2") == "gpt2"
        let sure = config.architecture != nil && vocabulary.origin != .assumed
        let range = ExpectedRange(expected - 0.3, isGPT2 ? expected + 0.5 : 17.5)
        let arguments: [String: MessageArgument] = [
            "loss": .number(loss, .fixed(2)), "expected": .number(expected, .fixed(2)), "vocabulary": .integer(vocabulary.value),
            "implied": .number(exp(min(loss, 20)), .short),
        ]
        func finding(_ status: CheckStatus, _ key: String, _ confidence: Confidence, reason: Bool = false) -> Check {
            // A size that nobody named cannot be contradicted, but no vocabulary is so large that training starts at 17.5.
            if vocabulary.origin == .assumed, status == .warn || status == .fail, loss <= 17.5 { return rule.needs("vocabulary") }
            return rule.finding(
                status, key, arguments, value: loss, expected: range, unit: "nats", confidence: confidence,
                advice: status == .pass || status == .info ? nil : Message("init-loss.advice-" + key, arguments),
                reason: reason ? Reason(.label("start"), Message("init-loss." + key, arguments), weight: 62) : nil)
        }
        if loss < expected - 0.7 {
            return finding(sure && loss < expected - 1 ? .fail : .warn, "low", sure ? .good : .fair, reason: true)
        }
        // Far above ln V with GPT-2's own initialisation is a fault; a recipe that is not known to be GPT-2's may start high.
        if loss > 17.5 { return finding(.warn, "high", .fair, reason: true) }
        if loss > expected + 0.7 {
            return isGPT2 && context.facts.source != .csv
                ? finding(.warn, "high", .fair, reason: true) : finding(.info, "modern", .fair)
        }
        return finding(.pass, "pass", sure ? .good : .fair)
    }

    /// Beating token frequencies is the first thing that a model learns.
    static let unigram = HealthRule(
        "unigram", source: "entropy of the token frequencies: the audit's, or 7.7 nats for GPT-2 tokens of web text"
    ) {
        context, rule in
        let audited = context.facts.dataset.unigramEntropy?.value ?? context.facts.dataset.audit?.unigramEntropy
        let isWeb = context.expectation.band != nil
        guard let floor = audited ?? (isWeb ? 7.7 : nil) else { return rule.needs("unigram") }
        let series = context.losses.map { (step: $0.step, loss: $0.loss ?? 0) }
        let points = series.isEmpty ? context.evals.map { (step: $0.step, loss: $0.valLoss ?? 0) } : series
        let warmup = context.schedule?.warmup ?? context.facts.config.warmupIters?.value ?? 0
        let due = max(warmup, 300)
        let tail = points.suffix(max(1, points.count / 50)).map(\.loss)
        let pending = rule.needs("warmup-end", ["step": .integer(due)])
        guard let last = points.last, let end = Statistics.median(tail) else { return pending }
        // A loss that is below already needs no waiting; one above it says nothing before the rate was full for a while.
        let isBelow = end <= floor - 0.05
        guard last.step >= due || last.step >= 300 && isBelow else { return pending }
        let at = points.first { $0.step >= due && $0.loss < floor } ?? (step: last.step, loss: end)
        let arguments: [String: MessageArgument] = [
            "loss": .number(at.loss, .fixed(2)), "floor": .number(floor, .fixed(2)), "step": .integer(at.step),
            "end": .number(end, .fixed(2)),
        ]
        let range = ExpectedRange(nil, floor)
        let confidence: Confidence = audited == nil ? .fair : .good
        if !isBelow {
            return rule.finding(
                .fail, "never", arguments, value: end, expected: range, unit: "nats", confidence: confidence,
                advice: Message("unigram.advice"), nats: 2,
                reason: Reason(.label("stuck"), Message("unigram.never", arguments), weight: 105))
        }
        if at.step > due * 3, last.step > due * 3 {
            return rule.finding(
                .warn, "late", arguments, value: at.loss, expected: range, unit: "nats", confidence: confidence,
                advice: Message("unigram.advice"))
        }
        return rule.finding(.pass, "pass", arguments, value: at.loss, expected: range, unit: "nats", confidence: confidence)
    }
}
