// SPDX-License-Identifier: MIT
import Foundation

extension HealthRule {
    /// Whether the loss went on where it was when the run was resumed.
    static let resumeSeams = HealthRule("resume-seams", source: "level before and after each resume, against the curve's noise") {
        context, rule in
        let resumes = context.facts.incidents.filter { $0.kind == .resume || $0.kind == .rollback }.compactMap(\.step)
        guard !resumes.isEmpty else { return rule.finding(.pass, "none", value: 0) }
        var worst: (step: Int, jump: Double, limit: Double)?
        for step in resumes {
            guard let seam = jump(context, at: step) else { continue }
            if seam.jump / seam.limit > (worst.map { $0.jump / $0.limit } ?? -.infinity) { worst = (step, seam.jump, seam.limit) }
        }
        guard let worst else { return rule.needs("seam-points") }
        let arguments: [String: MessageArgument] = [
            "step": .integer(worst.step), "jump": .number(worst.jump, .signed(2)), "count": .integer(resumes.count),
        ]
        let range = ExpectedRange(nil, worst.limit)
        if worst.jump > worst.limit {
            return rule.finding(
                worst.jump > 4 * worst.limit ? .fail : .warn, "jump", arguments, value: worst.jump, expected: range, unit: "nats",
                advice: Message("resume-seams.advice"), nats: 0.1,
                reason: Reason(.label("resume"), Message("resume-seams.jump", arguments), weight: 78))
        }
        return rule.finding(.pass, "pass", arguments, value: worst.jump, expected: range, unit: "nats")
    }

    /// The rise of the level over a seam and what the noise allows; nil with too few points around it.
    private static func jump(_ context: RunContext, at step: Int) -> (jump: Double, limit: Double)? {
        let losses = context.losses
        if let place = losses.firstIndex(where: { $0.step >= step }), place >= 5, losses.count - place >= 3 {
            let before = losses[max(0, place - 40)..<place].compactMap(\.loss)
            let after = losses[place..<min(place + 20, losses.count)].compactMap(\.loss)
            guard let a = Statistics.median(before), let b = Statistics.median(Array(after.prefix(12))) else { return nil }
            let noise = Statistics.noise(before) ?? 0.05
            return (b - a, max(0.08, 5 * noise / Double(min(before.count, after.count)).squareRoot()))
        }
        let evals = context.evals
        if let place = evals.firstIndex(where: { $0.step >= step }), place >= 1, let a = evals[place - 1].valLoss,
            let b = evals[place].valLoss
        {
            return (b - a, 0.05)
        }
        return nil
    }

    /// Crashes and interruptions that the log tells of.
    static let interruptions = HealthRule("interruptions", source: "the log's own lines") { context, rule in
        let incidents = context.facts.incidents.filter { [.traceback, .outOfMemory, .failed, .rollback].contains($0.kind) }
        guard let last = incidents.last else { return rule.finding(.pass, "pass", value: 0, expected: ExpectedRange(0, 0)) }
        let memory = incidents.contains { $0.kind == .outOfMemory }
        let isRollback = incidents.allSatisfy { $0.kind == .rollback }
        return rule.finding(
            .info, memory ? "memory" : isRollback ? "rollback" : "some",
            [
                "count": .integer(incidents.count),
                "last": .text(String(last.detail.prefix(last.kind == .traceback ? 100 : 250))),
                "step": .integer(last.step ?? 0),
            ],
            value: Double(incidents.count), expected: ExpectedRange(0, 0),
            advice: memory ? Message("interruptions.advice-memory") : nil)
    }

    /// What the run said of itself while it went: its disk, memory, data, times and losses.
    static let ownWarnings = HealthRule("own-warnings", source: "warning events of metrics.jsonl") { context, rule in
        let warnings = context.facts.incidents.filter { $0.kind == .warning }
        // Other programs' logs have no such lines: nothing said is not nothing wrong.
        guard context.facts.source == .apus || !warnings.isEmpty else { return rule.needs("own-warnings") }
        guard let last = warnings.last else { return rule.finding(.pass, "pass", value: 0, expected: ExpectedRange(0, 0)) }
        return rule.finding(
            .info, "some",
            [
                "count": .integer(warnings.count), "last": .text(String(last.detail.prefix(250))),
                "step": .integer(last.step ?? 0),
            ],
            value: Double(warnings.count), expected: ExpectedRange(0, 0))
    }

    /// Whether the model's samples go round in circles.
    static let samples = HealthRule(
        "samples", source: "share of four-word sequences that repeat (Welleck 2019, arXiv 1908.04319)"
    ) { context, rule in
        let shares = context.facts.samples.compactMap(repetition)
        guard let share = Statistics.median(shares) else { return rule.needs("samples") }
        let arguments: [String: MessageArgument] = ["share": .number(share, .percent(0)), "count": .integer(shares.count)]
        if share > 0.4 {
            return rule.finding(
                .warn, "loops", arguments, value: share, expected: ExpectedRange(0, 0.2), confidence: .fair,
                advice: Message("samples.advice"),
                reason: Reason(.label("samples"), Message("samples.loops", arguments), weight: 42))
        }
        return rule.finding(.pass, "pass", arguments, value: share, expected: ExpectedRange(0, 0.2), confidence: .fair)
    }

    /// Share of four-word sequences that occurred before in the text; nil for texts too short to tell.
    static func repetition(_ text: String) -> Double? {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count >= 40 else { return nil }
        var seen: Set<[Substring]> = []
        for start in 0..<words.count - 3 { seen.insert(Array(words[start..<start + 4])) }
        return 1 - Double(seen.count) / Double(words.count - 3)
    }
}
