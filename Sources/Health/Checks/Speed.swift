// SPDX-License-Identifier: MIT
import Foundation

extension HealthRule {
    /// Model FLOPs utilisation against the card that did the work, whatever the log divided by.
    static let mfu = HealthRule(
        "mfu", source: "PaLM appendix B (arXiv 2204.02311); card peaks: dense tensor rate with float32 accumulation"
    ) {
        context, rule in
        guard let throughput = context.throughput, let tflops = throughput.tflops else { return rule.needs("speed") }
        var arguments: [String: MessageArgument] = [
            "tflops": .number(tflops, .significant(3)), "printed": .number(throughput.mfuPrinted ?? 0, .percent(1)),
            "printedPeak": .number(throughput.mfuPrintedPeakTflops ?? 0, .significant(3)),
            "printedName": .text(throughput.mfuPrintedPeakName ?? "?"),
        ]
        let foreign = throughput.mfuPrinted != nil && throughput.mfuPrintedPeakTflops != nil && context.facts.source == .nanogpt
        guard let share = throughput.mfu, let peak = throughput.devicePeakTflops else {
            if context.facts.source == .apus, let own = throughput.mfu {
                return rule.finding(.info, "own", ["share": .number(own, .percent(0))], value: own)
            }
            if let ceiling = throughput.ceilingFraction { return ofCeiling(ceiling, tflops, rule) }
            return Check(
                rule.id, .cannotTell, why: Message(foreign ? "mfu.no-device-printed" : "mfu.no-device", arguments),
                source: rule.source, confidence: .good)
        }
        arguments["share"] = .number(share, .percent(0))
        arguments["device"] = .text(throughput.device ?? "")
        arguments["peak"] = .number(peak, .significant(3))
        let range = ExpectedRange(0.3, 0.75)
        let restated = foreign && abs(peak - (throughput.mfuPrintedPeakTflops ?? peak)) > 1
        if share > 1 {
            return rule.finding(
                .warn, "impossible", arguments, value: share, expected: range, confidence: .low,
                advice: Message("mfu.advice-impossible"))
        }
        let key = (share >= 0.3 ? "good" : share >= 0.15 ? "fair" : "low") + (restated ? "-restated" : "")
        return rule.finding(
            share >= 0.15 ? .pass : .warn, key, arguments, value: share, expected: range,
            confidence: context.gpu?.confidence ?? .fair,
            advice: share >= 0.3 ? nil : Message("mfu.advice-low"))
    }

    /// A device without a datasheet peak, such as a CPU, is held against the matmul rate that the run measured on it.
    private static func ofCeiling(_ share: Double, _ tflops: Double, _ rule: HealthRule) -> Check {
        let arguments: [String: MessageArgument] = [
            "share": .number(share, .percent(0)), "tflops": .number(tflops, .significant(2)),
        ]
        // More than the ceiling says that something else ran while the ceiling was measured. A low share is what small models
        // reach, so it is a note.
        let key = share > 1.05 ? "ceiling-busy" : "ceiling"
        return rule.finding(
            share >= 0.3 && share <= 1.05 ? .pass : .info, key, arguments, value: share, expected: ExpectedRange(0.3, 1),
            confidence: share > 1.05 ? .low : .fair)
    }

    /// How evenly steps take their time.
    static let stepTime = HealthRule("step-time", source: "95th percentile against the median, steps with an evaluation left out")
    { context, rule in
        let times = plainTimes(context)
        guard times.count >= 30, let median = Statistics.median(times), let high = Statistics.quantile(times, 0.95), median > 0
        else {
            return rule.needs("step-times")
        }
        let ratio = high / median
        let arguments: [String: MessageArgument] = [
            "median": .number(median, .significant(3)), "p95": .number(high, .significant(3)), "ratio": .number(ratio, .fixed(2)),
        ]
        return rule.finding(
            ratio > 1.5 ? .warn : .pass, ratio > 1.5 ? "uneven" : "pass", arguments, value: ratio,
            expected: ExpectedRange(1, 1.5),
            advice: ratio > 1.5 ? Message("step-time.advice") : nil)
    }

    /// Step times without the first steps and without those that hold an evaluation (nanoGPT times both together).
    static func plainTimes(_ context: RunContext) -> [Double] {
        let evals = Set(context.facts.evals.map(\.step))
        let settled = context.facts.steps.dropFirst(min(context.facts.steps.count / 4, 10))
        return settled.filter { !evals.contains($0.step) }.compactMap(\.stepMs).filter { $0.isFinite && $0 > 0 }
    }

    /// Time that updates wait for data.
    static let dataStalls = HealthRule("data-stalls", source: "the loop's own measurement of waiting for the loader") {
        context, rule in
        let pairs = context.facts.steps.compactMap { point in point.dataMs.flatMap { data in point.stepMs.map { (data, $0) } } }
        let total = pairs.reduce(0) { $0 + $1.1 }, waited = pairs.reduce(0) { $0 + $1.0 }
        guard pairs.count >= 10, total > 0 else { return rule.needs("data-times") }
        let share = waited / total
        var arguments: [String: MessageArgument] = ["share": .number(share, .percent(0))]
        // A wait that nobody notices is worth no advice, whatever its share.
        if share > 0.05, waited < 1000 {
            arguments["ms"] = .number(waited, .significant(2))
            return rule.finding(.info, "short", arguments, value: share, expected: ExpectedRange(0, 0.05))
        }
        let status: CheckStatus = share > 0.25 ? .fail : share > 0.05 ? .warn : .pass
        return rule.finding(
            status, status == .pass ? "pass" : "waits", arguments, value: share, expected: ExpectedRange(0, 0.05),
            advice: status == .pass ? nil : Message("data-stalls.advice"),
            reason: status == .fail ? Reason(.label("loader"), Message("data-stalls.waits", arguments), weight: 57) : nil)
    }

    /// Whether the run became slower: heat, another program, a filling memory.
    static let throughputDrift = HealthRule(
        "throughput-drift", source: "median step time of the last fifth against the second fifth"
    ) { context, rule in
        let times = plainTimes(context)
        guard times.count >= 50 else { return rule.needs("step-times") }
        let fifth = times.count / 5
        guard let early = Statistics.median(Array(times[fifth..<2 * fifth])),
            let late = Statistics.median(Array(times.suffix(fifth))), early > 0
        else {
            return rule.needs("step-times")
        }
        let drift = late / early - 1
        let arguments: [String: MessageArgument] = ["drift": .number(drift, .percent(0))]
        return rule.finding(
            drift > 0.07 ? .warn : .pass, drift > 0.07 ? "slower" : "pass", arguments, value: drift,
            expected: ExpectedRange(-0.07, 0.07),
            advice: drift > 0.07 ? Message("throughput-drift.advice") : nil)
    }

    /// Time spent in evaluations.
    static let evalTime = HealthRule(
        "eval-time", source: "measured, or from the tokens read (an evaluation needs a third of a step's work)"
    ) { context, rule in
        guard let share = evalShare(context) else { return rule.needs("eval-times") }
        let arguments: [String: MessageArgument] = ["share": .number(share, .percent(share < 0.1 ? 1 : 0))]
        return rule.finding(
            share > 0.1 ? .warn : .pass, share > 0.1 ? "much" : "pass", arguments, value: share, expected: ExpectedRange(0, 0.1),
            confidence: .fair,
            advice: share > 0.1 ? Message("eval-time.advice") : nil)
    }

    private static func evalShare(_ context: RunContext) -> Double? {
        let facts = context.facts
        let measured = facts.evals.compactMap(\.ms).reduce(0, +)
        let median = Statistics.median(plainTimes(context))
        let training = (median ?? 0) * Double(context.lastStep)
        if measured > 0, training > 0 { return measured / (measured + training) }
        // nanoGPT's iterations with an evaluation are longer by it.
        if let median, facts.source == .nanogpt, training > 0 {
            let evals = Set(facts.evals.map(\.step))
            let extra = facts.steps.dropFirst().filter { evals.contains($0.step) }.compactMap(\.stepMs).map {
                max(0, $0 - median)
            }
            if extra.count >= 3, let one = Statistics.median(extra) {
                let all = one * Double(facts.evals.count)
                return all / (all + training)
            }
        }
        if let read = facts.config.evalTokens, read.origin != .assumed, let step = context.tokensPerStep, context.lastStep > 0,
            facts.evals.count > 1
        {
            let splits = facts.evals.last?.trainLoss == nil ? 1.0 : 2.0
            let evals = Double(facts.evals.count) * read.value * splits / 3
            return evals / (evals + (context.tokensSeen ?? step * Double(context.lastStep)))
        }
        return nil
    }

    /// Room left in the device's memory.
    static let memory = HealthRule("memory", source: "what the run planned to take of its card's memory, against all of it") {
        context, rule in
        let device = context.facts.device
        guard let used = device.memoryUsedBytes, used > 0 else {
            return rule.needs(context.facts.source == .apus && !device.isHostMemory ? "card-memory" : "memory")
        }
        if device.isHostMemory { return rule.needs("host-memory", ["used": .number(used, .bytes)]) }
        guard let total = context.throughput?.deviceMemoryBytes else { return rule.needs("device") }
        let share = used / total
        let arguments: [String: MessageArgument] = [
            "used": .number(used, .bytes), "total": .number(total, .bytes), "share": .number(share, .percent(0)),
        ]
        if share > 0.95 {
            return rule.finding(
                .warn, "tight", arguments, value: share, expected: ExpectedRange(nil, 0.95),
                advice: Message("memory.advice-tight"))
        }
        return rule.finding(
            share < 0.4 ? .info : .pass, share < 0.4 ? "room" : "pass", arguments, value: share,
            expected: ExpectedRange(nil, 0.95),
            advice: share < 0.4 ? Message("memory.advice-room") : nil)
    }
}
