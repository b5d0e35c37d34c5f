// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Testing

/// Findings that must not say more than the record does.
@Suite struct JudgementTests {
    private func report(_ facts: RunFacts, _ change: (inout RunFacts) -> Void = { _ in }) -> HealthReport {
        var facts = facts
        change(&facts)
        return HealthReport.make(facts: facts)
    }

    private func check(_ report: HealthReport, _ id: String) throws -> Check {
        try #require(report.checks.first { $0.id == id })
    }

    private func text(_ check: Check) -> String { Catalogue.english.text(check.why) }

    // MARK: Token frequencies

    @Test func aLongWarmupIsNotJudgedBeforeItsEnd() throws {
        let facts = SyntheticRun(warmup: 2000).facts().prefix(0.15)
        let early = try check(report(facts) { $0.changeLosses { _, loss in max(loss, 9.71) } }, "unigram")
        #expect(early.status == .cannotTell)
        #expect(text(early).contains("2000"))
        // What is below the floor already needs no waiting.
        let learned = report(facts) { $0.changeLosses { step, loss in min(loss, 6.5 + exp(-Double(step) / 50)) } }
        let below = try check(learned, "unigram")
        #expect(below.status == .pass && (below.value ?? 9) < 7.7)
    }

    /// A run of fewer than 300 steps is not in its warm-up for that.
    @Test func aShortRunIsToldWhenItIsJudged() throws {
        let facts = SyntheticRun(steps: 200, warmup: 20).facts()
        let early = try check(report(facts) { $0.changeLosses { _, loss in max(loss, 8) } }, "unigram")
        #expect(early.status == .cannotTell)
        #expect(text(early).contains("300") && !text(early).contains("still in its warm-up"))
    }
}
