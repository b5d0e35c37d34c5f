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

    // MARK: How exact an evaluation is

    /// The audit's error is that of the whole split; an evaluation of one block knows much less.
    @Test func aFewTokensOfALargeSplitAreNotExact() throws {
        let report = report(SyntheticRun().facts()) { facts in
            facts.config.evalTokens = Fact(16, .log)
            facts.dataset.valTokens = Fact(100_000, .log)
            facts.dataset.validationStderr = Fact(0.009, .log)
            for index in facts.evals.indices {
                facts.evals[index].valLoss = facts.evals[index].valLoss.map { $0 + Double(index) * 0.02 }
            }
        }
        let power = try check(report, "validation-power")
        #expect(power.status == .fail)
        #expect(abs((power.value ?? 0) - 0.009 * (100_000.0 / 16).squareRoot()) < 1e-9)
        #expect(try check(report, "train-val-gap").status == .pass)
    }

    @Test func theAuditsErrorHoldsForTheWholeSplit() throws {
        let report = report(SyntheticRun().facts()) { facts in
            facts.config.evalTokens = Fact(200_000, .log)
            facts.dataset.valTokens = Fact(100_000, .log)
            facts.dataset.validationStderr = Fact(0.009, .log)
        }
        #expect(try check(report, "validation-power").value == 0.009)
    }

    /// nanoGPT evaluates on random batches, never on the split as a whole.
    @Test func anEvaluationOfUnknownSizeIsNotTheWholeSplit() throws {
        let report = report(SyntheticRun().facts()) { facts in
            facts.config.evalTokens = nil
            facts.dataset.validationStderr = Fact(0.009, .log)
        }
        #expect(try check(report, "validation-power").status == .cannotTell)
    }

    /// Two blocks that happen to agree say little of how far blocks scatter.
    @Test func anErrorOverTwoBlocksIsNotBelieved() throws {
        let report = report(SyntheticRun().facts()) { facts in
            facts.config.evalTokens = Fact(2048, .log)
            for index in facts.evals.indices { facts.evals[index].valStderr = 0.0004 }
        }
        #expect(try check(report, "validation-power").status == .fail)
    }

    // MARK: Repeated text

    private func cost(_ tokens: Double, unique: Double) -> Double {
        let law = ScalingLaw.fineweb
        return law.loss(
            parameters: SyntheticRun.parameters, tokens: ScalingLaw.effectiveTokens(tokens, unique: unique))
            - law.loss(parameters: SyntheticRun.parameters, tokens: tokens)
    }

    @Test func repeatsCostWhatWasReadSoFar() throws {
        let unique = 200e6
        let facts = SyntheticRun().facts().prefix(0.4)
        let under = try check(report(facts) { $0.dataset.trainTokens = Fact(unique, .log) }, "epochs")
        #expect(under.status == .pass)
        let seen = cost(1600 * 524_288, unique: unique), planned = cost(4000 * 524_288, unique: unique)
        #expect(planned > seen + 0.005)
        #expect(under.why.arguments["cost"] == .number(seen, .fixed(2)))
        #expect(under.why.arguments["plannedCost"] == .number(planned, .fixed(2)))
        let done = try check(report(SyntheticRun().facts()) { $0.dataset.trainTokens = Fact(500e6, .log) }, "epochs")
        #expect(done.why.arguments["cost"] == .number(cost(4000 * 524_288, unique: 500e6), .fixed(2)))
        #expect(!text(done).contains("planned"))
        // The weight of a finding is what was lost already.
        let many = try check(report(facts) { $0.dataset.trainTokens = Fact(50e6, .log) }, "epochs")
        #expect(many.status == .warn && abs(many.nats - cost(1600 * 524_288, unique: 50e6)) < 1e-9)
    }

    @Test func withoutALawNoCostIsTold() throws {
        for facts in [SyntheticRun().facts(), SyntheticRun().facts().prefix(0.4)] {
            let other = try check(
                report(facts) {
                    $0.dataset.name = Fact("letters", .log)
                    $0.dataset.trainTokens = Fact(1e9, .log)
                }, "epochs")
            #expect(other.status == .pass && !text(other).contains("nats"), "\(text(other))")
        }
    }

    // MARK: A rate that was changed

    /// Trained at ten times the rate that the configuration has since a resume near the end.
    @Test func aRunIsJudgedByTheRatesItHad() throws {
        var facts = SyntheticRun(peak: 3e-3, minRate: 3e-4).facts()
        facts.config.learningRate = Fact(3e-4, .log)
        facts.config.minLr = Fact(3e-5, .log)
        for index in facts.steps.indices where facts.steps[index].step >= 3500 { facts.steps[index].lr = 3.3e-5 }
        facts.incidents.append(RunIncident(.resume, step: 3500, detail: ""))
        let report = report(facts)
        #expect(abs((try check(report, "learning-rate").value ?? 0) - 3e-3) < 1e-5)
        #expect(report.notes.map(\.key) == ["note.rate-changed"])
        let schedule = try #require(RateSchedule.of(facts))
        #expect(abs(schedule.peak - 3e-3) < 1e-5 && schedule.warmup == 300)
        #expect(schedule.rate(1000) == facts.steps[1000].lr && schedule.rate(3900) == 3.3e-5)
        #expect(schedule.total == 4000 && schedule.decayEnd == 4000 && schedule.kind == .cosine)
    }

    /// What is still to come follows the configuration.
    @Test func theRestOfAChangedScheduleIsTheConfigurations() throws {
        let after = SyntheticRun(peak: 3e-4, minRate: 3e-5)
        var facts = SyntheticRun(peak: 3e-3, minRate: 3e-4).facts().prefix(0.5)
        for index in facts.steps.indices where facts.steps[index].step >= 1500 {
            facts.steps[index].lr = after.rate(facts.steps[index].step)
        }
        facts.config.learningRate = Fact(3e-4, .log)
        facts.config.minLr = Fact(3e-5, .log)
        let schedule = try #require(RateSchedule.of(facts))
        #expect(abs(schedule.peak - 3e-3) < 1e-5)
        for step in [1600, 2000, 2500, 3200, 3999] {
            #expect(abs(schedule.rate(step) / after.rate(step) - 1) < 0.01, "\(step)")
        }
        #expect(report(facts).forecast.first?.id == "finish")
    }

    @Test func sameRatesAreNoChange() throws {
        for facts in [SyntheticRun().facts(), SyntheticRun().facts().prefix(0.05), SyntheticRun().facts().prefix(0.4)] {
            let report = report(facts)
            #expect(report.notes.isEmpty)
            #expect(try check(report, "learning-rate").value == 8e-4)
            #expect(RateSchedule.of(facts)?.table.isEmpty == true)
        }
        // A rate that a going back lowered late is no other peak.
        let lowered = report(SyntheticRun().facts()) { facts in
            for index in facts.steps.indices where facts.steps[index].step > 2000 {
                facts.steps[index].lr = facts.steps[index].lr.map { $0 / 2 }
            }
        }
        #expect(lowered.notes.isEmpty)
    }

    /// A short start at a rate that was soon given up says nothing of the run.
    @Test func aFewStepsAtAnotherRateAreNotItsPeak() throws {
        var facts = SyntheticRun(minRate: 8e-4).facts()
        for index in facts.steps.indices where facts.steps[index].step < 60 { facts.steps[index].lr = 1e-2 }
        #expect(try check(report(facts), "learning-rate").value == 8e-4)
        #expect(try check(report(facts), "final-rate").value == 1)
    }
}
