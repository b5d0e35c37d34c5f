// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Testing

/// A report says one thing in one way, and only what the record holds.
@Suite struct ReportContradictionTests {
    private func check(_ report: HealthReport, _ id: String) throws -> Check {
        try #require(report.checks.first { $0.id == id })
    }

    private func text(_ message: Message?) -> String { message.map(Catalogue.english.text) ?? "" }

    // MARK: A warm-up that outlasts the run

    /// Ten updates of a warm-up of `warmup`, as the loop logs them.
    private func tenUpdates(warmup: Int, decayEnd: Int? = nil) -> RunFacts {
        var facts = SyntheticRun(steps: 10, warmup: warmup, decayEnd: decayEnd, evalEvery: 5).facts()
        facts.config.learningRate = Fact(8e-4, .log)
        return facts
    }

    @Test func aRateThatNeverRoseHasNotReachedItsPeak() throws {
        let report = HealthReport.make(facts: tenUpdates(warmup: 100))
        let rate = try check(report, "final-rate")
        #expect(rate.status == .info && abs((rate.value ?? 9) - 10.0 / 101) < 1e-9)
        #expect(!text(rate.why).contains("100%") && rate.advice == nil)
        let warmup = try check(report, "warmup")
        #expect(warmup.status == .warn && text(warmup.why).contains("outlasts the run of 10"))
        // What is proposed fits into the run.
        #expect(text(warmup.advice).contains("warmup_iters = 1,"))
        #expect(try check(report, "schedule-end").status == .info)
        #expect(report.nextSteps.contains { text($0.title).contains("warmup_iters = 1,") })
    }

    /// nanoGPT's own warm-up and decay, of which only max_iters was changed.
    @Test func bothLengthsAreNamedWhereBothAreTooLong() throws {
        let report = HealthReport.make(facts: tenUpdates(warmup: 2000, decayEnd: 600_000))
        #expect(text(try check(report, "schedule-end").advice).contains("lr_decay_iters = 10"))
        let line = report.reasons.first { text($0.label) == "schedule" }
        let said = text(line?.text)
        #expect(said.contains("warm-up of 2000"))
        let steps = report.nextSteps.map { text($0.title) }.joined()
        #expect(steps.contains("warmup_iters = 1,") && steps.contains("lr_decay_iters = 10"))
    }

    @Test func theProposedWarmupIsUsualInALongRun() throws {
        let facts = SyntheticRun(steps: 4000, warmup: 2000).facts()
        #expect(text(try check(HealthReport.make(facts: facts), "warmup").advice).contains("warmup_iters = 200."))
    }

    // MARK: Tables

    @Test func trainingLossesBesideValidationLossesAreEvaluations() throws {
        let table = "step,train_loss,val_loss\n0,4.2,4.2\n100,3.0,3.1\n200,2.5,2.6\n300,2.4,2.5\n"
        let facts = try HealthInput.parse(Data(table.utf8), name: "x.csv")
        #expect(facts.evals.map(\.trainLoss) == [4.2, 3.0, 2.5, 2.4])
        let report = HealthReport.make(facts: facts)
        #expect(report.curve.map(\.trainLoss) == [4.2, 3.0, 2.5, 2.4])
        // Nobody named a vocabulary, so the first loss cannot be too low for one.
        #expect(try check(report, "init-loss").status == .cannotTell)
        #expect(report.verdict != .watch && report.verdict != .unhealthy)
        var options = InputOptions()
        options.overrides["vocab_size"] = .integer(50304)
        let named = try HealthInput.parse(Data(table.utf8), name: "x.csv", options: options)
        #expect(try check(HealthReport.make(facts: named), "init-loss").status == .warn)
    }

    /// The table of `apus export`: an update's loss and an evaluation's stand in columns of their own.
    @Test func updatesAndEvaluationsInOneTable() throws {
        var table = "event,step,time,tokens,loss,train_loss,val_loss\neval,0,t,,,4.2,4.3\n"
        for step in 1...4 { table += "step,\(step),t,\(step * 64),\(4.2 - 0.1 * Double(step)),,\n" }
        let facts = try HealthInput.parse(Data((table + "eval,4,t,,,3.75,3.9\n").utf8), name: "run.csv")
        #expect(facts.evals.map(\.trainLoss) == [4.2, 3.75] && facts.evals.map(\.valLoss) == [4.3, 3.9])
        #expect(facts.steps.map(\.step) == [1, 2, 3, 4])
    }

    /// One batch's loss is too noisy to stand against the whole validation split's.
    @Test func lossesOfManyUpdatesAreNoEvaluations() throws {
        let facts = try HealthInput.parse(Data("step,loss,val_loss\n0,9,9.1\n1,8,\n2,7,7.2\n".utf8), name: "x.csv")
        #expect(facts.evals.map(\.trainLoss) == [nil, nil] && facts.steps.count == 3)
    }

    // MARK: Headline and counts

    @Test func aWaitOfMillisecondsIsNoFailure() throws {
        var facts = SyntheticRun(steps: 20, warmup: 2, evalEvery: 10).facts()
        for index in facts.steps.indices {
            facts.steps[index].stepMs = 0.3
            facts.steps[index].dataMs = 0.1
        }
        #expect(try check(HealthReport.make(facts: facts), "data-stalls").status == .info)
    }

    @Test func theHeadlineCountsWhatTheChecksCount() throws {
        var facts = SyntheticRun().facts()
        facts.config.gradClip = Fact(0.01, .log)
        let one = HealthReport.make(facts: facts)
        #expect(one.verdict == .watch && one.alarms == ["clip-rate"])
        #expect(text(one.headline).contains("with one thing to look at"))
        for index in facts.steps.indices {
            facts.steps[index].dataMs = 700
            facts.steps[index].stepMs = 1700
        }
        let two = HealthReport.make(facts: facts)
        #expect(two.verdict == .watch && two.count(.warn) + two.count(.fail) == 2)
        #expect(text(two.headline).contains("with 2 things to look at"))
        // What fails is read without --all.
        #expect(TerminalRenderer(columns: 100).render(two).contains("waiting for data: Updates wait"))
        // A failure that the letter's reasons tell is not told twice.
        facts.changeLosses { step, loss in step > 3000 ? loss + 3 : loss }
        let letter = TerminalRenderer(columns: 300).render(HealthReport.make(facts: facts))
        #expect(!letter.contains("fail   whether") && letter.components(separatedBy: "the loss rose by").count == 2)
    }

    @Test func tooFewGradientNormsAreNotNone() throws {
        let facts = SyntheticRun(steps: 20, warmup: 0, evalEvery: 10).facts()
        let few = HealthReport.make(facts: facts)
        for id in ["grad-norm", "clip-rate"] {
            #expect(text(try check(few, id).why).contains("too few"), "\(id)")
        }
        var without = facts
        for index in without.steps.indices { without.steps[index].gradNorm = nil }
        #expect(text(try check(HealthReport.make(facts: without), "grad-norm").why).contains("not recorded"))
    }

    @Test(arguments: [("bfloat16", false), ("float32", false), ("float16", true)])
    func onlyARunInFloat16IsToldToLeaveIt(dtype: String, isTold: Bool) throws {
        var facts = SyntheticRun(steps: 100, warmup: 5).facts()
        facts.config.dtype = Fact(dtype, .log)
        facts.changeLosses { step, loss in step > 50 ? .nan : loss }
        #expect(text(try check(HealthReport.make(facts: facts), "non-finite").advice).contains("float16") == isTold)
    }

    /// The record and the check speak of one share of the measured rate.
    @Test func oneShareOfTheMatmulRate() throws {
        var facts = SyntheticRun(steps: 5, warmup: 1, evalEvery: 5).facts()
        facts.source = .apus
        for (index, share) in [0.1, 0.1, 0.1, 0.29, 0.3].enumerated() {
            facts.steps[index].ceilingFraction = share
            facts.steps[index].mfuPrinted = nil
        }
        let report = HealthReport.make(facts: facts), document = ReportDocument(report: report, facts: facts)
        let said = text(try check(report, "mfu").why)
        #expect(document.ceilingFraction == 0.1 && said.contains("10%"))
    }
}
