// SPDX-License-Identifier: MIT
import Foundation

/// How exactly an evaluation knows the validation loss.
struct ValidationError: Sendable {
    /// One standard error, nats.
    var value: Double
    /// Tokens it read; nil when the error came from the record itself.
    var tokens: Double?

    /// Losses of single tokens scatter by about 3 nats; tokens of one text go together, which makes the error about three times
    /// that of independent ones.
    /// The scatter shrinks with the loss itself, so that characters at 1.5 nats count with half of it.
    static func estimate(tokens: Double, loss: Double) -> Double {
        3 * 3 * min(1, max(loss, 0.3) / 3.3) / max(tokens, 1).squareRoot()
    }

    /// Blocks from which on the error over them is believed: of fewer, some agree by chance.
    static let enoughBlocks = 8.0

    static func of(_ context: RunContext) -> ValidationError? {
        let facts = context.facts
        let split = facts.dataset.valTokens?.value
        var read = facts.config.evalTokens.flatMap { $0.origin == .assumed ? nil : $0.value }
        // nanoGPT and llm.c read some batches of the split; of other programs that do not say how much, it is taken to be all.
        if read == nil, facts.source != .nanogpt, facts.source != .llmc { read = split }
        if let split, let tokens = read { read = min(tokens, split) }
        let estimated = read.map { supposed(facts, split: split, read: $0, loss: context.finalVal ?? 3.3) }
        // What the run measured over its own blocks knows its model's loss; the audit's figure was estimated before any model.
        if let stated = context.evals.last?.valStderr, stated > 0 {
            let blocks = read.flatMap { tokens in facts.config.blockSize.map { tokens / Double($0.value) } }
            let isEnough = blocks.map { $0 >= enoughBlocks } ?? true
            return ValidationError(value: isEnough ? stated : max(stated, estimated ?? 0), tokens: read)
        }
        guard let read, let estimated else { return nil }
        return ValidationError(value: estimated, tokens: read)
    }

    /// The audit's error, which is that of the whole split, for as many tokens as are read; without an audit a rule of thumb.
    private static func supposed(_ facts: RunFacts, split: Double?, read: Double, loss: Double) -> Double {
        guard let whole = facts.dataset.validationStderr?.value, let split, split > 0 else {
            return estimate(tokens: read, loss: loss)
        }
        return whole * (split / max(read, 1)).squareRoot()
    }
}

extension HealthRule {
    /// Training against validation loss: over-fitting, leak and domain gap differ in how the gap develops.
    static let trainValGap = HealthRule(
        "train-val-gap", source: "shape of the gap over the run; standard error of the evaluation (docs/health.md)"
    ) {
        context, rule in
        let pairs = context.evals.compactMap { eval in
            eval.trainLoss.flatMap { train in eval.valLoss.map { (step: eval.step, train: train, val: $0) } }
        }
        let usable = pairs.isEmpty ? paired(context) : pairs
        guard let last = usable.last, usable.count >= 2 else { return rule.needs("both-losses") }
        let known = ValidationError.of(context)
        let error = known?.value ?? 0.01
        // A table does not say whether its training losses are evaluations or a batch's.
        let isTable = context.facts.source == .csv && known == nil
        let isRough = pairs.isEmpty || isTable
        // Training losses of single steps are noisy, and shards differ: the median over the last half of the run counts.
        let gaps = usable.map { $0.val - $0.train }
        let gap = isRough ? Statistics.median(Array(gaps.suffix(max(3, gaps.count / 2)))) ?? 0 : last.val - last.train
        let tolerance = max(3 * error, isTable ? 0.15 : isRough ? 0.1 : 0.04)
        let lowest = usable.min { $0.val < $1.val } ?? last
        let rise = last.val - lowest.val
        let trainFell = last.train - lowest.train
        let arguments: [String: MessageArgument] = [
            "gap": .number(gap, .signed(2)), "error": .number(error, .fixed(3)), "rise": .number(rise, .fixed(2)),
            "step": .integer(lowest.step), "train": .number(last.train, .fixed(2)), "val": .number(last.val, .fixed(2)),
        ]
        let range = ExpectedRange(-tolerance, tolerance)
        if rise > max(0.03, 3 * error), trainFell < -0.01, gap > tolerance {
            let status: CheckStatus = rise > 0.1 ? .fail : .warn
            return rule.finding(
                status, "overfit", arguments, value: gap, expected: range, unit: "nats",
                advice: Message("train-val-gap.advice-overfit", arguments),
                nats: rise, reason: Reason(.label("overfit"), Message("reason.overfit", arguments), weight: 85))
        }
        if gap < -tolerance, (context.facts.config.dropout?.value ?? 0) == 0 {
            return rule.finding(
                .warn, "leak", arguments, value: gap, expected: range, unit: "nats", confidence: .fair,
                advice: Message("train-val-gap.advice-leak"),
                reason: Reason(.label("split"), Message("train-val-gap.leak", arguments), weight: 60))
        }
        if gap > tolerance {
            let early = usable.first { $0.step > (context.schedule?.warmup ?? 0) && $0.step >= context.lastStep / 8 } ?? usable[0]
            let grows = gap > 1.6 * max(early.val - early.train, 0.01)
            let key = grows ? "growing" : "domain"
            let status: CheckStatus = gap > max(0.1, 4 * error) ? .warn : .info
            return rule.finding(
                status, key, arguments, value: gap, expected: range, unit: "nats", confidence: .fair,
                advice: status == .warn ? Message("train-val-gap.advice-" + key) : nil, nats: grows ? gap / 2 : 0,
                reason: status == .warn ? Reason(.label("split"), Message("train-val-gap." + key, arguments), weight: 55) : nil)
        }
        return rule.finding(.pass, "pass", arguments, value: gap, expected: range, unit: "nats")
    }

    /// Pairs from single steps around each evaluation, where the log has no training evaluation.
    private static func paired(_ context: RunContext) -> [(step: Int, train: Double, val: Double)] {
        var result: [(step: Int, train: Double, val: Double)] = []
        var index = 0
        let losses = context.losses
        let reach = max(10, context.lastStep / 50)
        for eval in context.evals where eval.step > 0 {
            while index < losses.count, losses[index].step < eval.step - reach { index += 1 }
            var values: [Double] = []
            var at = index
            while at < losses.count, losses[at].step <= eval.step + reach {
                if let loss = losses[at].loss { values.append(loss) }
                at += 1
            }
            if values.count >= 8, let mean = Statistics.mean(values), let val = eval.valLoss {
                result.append((eval.step, mean, val))
            }
        }
        return result
    }

    /// Whether the validation split is large enough to tell runs apart.
    static let validationPower = HealthRule(
        "validation-power", source: "standard error of a mean over correlated tokens (docs/health.md)"
    ) {
        context, rule in
        guard !context.evals.isEmpty else { return rule.needs("validation") }
        guard let error = ValidationError.of(context) else { return rule.needs("eval-size") }
        let arguments: [String: MessageArgument] = [
            "error": .number(error.value, .significant(2)), "tokens": .number(error.tokens ?? 0, .short),
            "twice": .number(2 * error.value, .significant(2)),
        ]
        let range = ExpectedRange(nil, 0.02)
        if error.value > 0.02 {
            let tiny = error.value > 0.06
            return rule.finding(
                tiny ? .fail : .warn, error.tokens == nil ? "weak-stated" : "weak", arguments, value: error.value,
                expected: range, unit: "nats",
                confidence: .fair, advice: Message("validation-power.advice"),
                reason: Reason(.label("split"), Message("reason.validation-power", arguments), weight: tiny ? 80 : 45))
        }
        return rule.finding(
            .pass, error.tokens == nil ? "pass-stated" : "pass", arguments, value: error.value, expected: range, unit: "nats",
            confidence: .fair)
    }
}
