// SPDX-License-Identifier: MIT
import Foundation
import Health
import Testing

@Suite struct ForecastTests {
    struct Outcome {
        var name: String, share: Double, predicted: Band, truth: Double
        var error: Double { predicted.mid - truth }
        var covered: Bool { truth >= predicted.low && truth <= predicted.high }
    }

    private func predict(_ name: String, _ facts: RunFacts, _ share: Double) throws -> Outcome {
        let truth = try #require(facts.evals.last?.valLoss)
        let report = HealthReport.make(facts: facts.prefix(share))
        let end = try #require(report.forecast.first { $0.id == "finish" }, "\(name) at \(share)")
        return Outcome(name: name, share: share, predicted: end.valLoss, truth: truth)
    }

    private func print(_ outcomes: [Outcome]) {
        for outcome in outcomes {
            Swift.print(
                String(
                    format: "forecast %@ from %.0f%%: %.4f [%.4f, %.4f], was %.4f, error %+.4f%@", outcome.name,
                    outcome.share * 100,
                    outcome.predicted.mid, outcome.predicted.low, outcome.predicted.high, outcome.truth, outcome.error,
                    outcome.covered ? "" : "  OUTSIDE"))
        }
    }

    /// The first half of public curves, their schedules known, gives their end: half of the errors within 0.02, nine in ten
    /// inside.
    @Test func publicCurvesFromTheirFirstHalf() throws {
        let curves = try SharedData.curves()
        guard !curves.isEmpty else { return }
        for share in [0.2, 0.3, 0.5, 0.7, 0.85] {
            let outcomes = try curves.map { try predict($0.name, $0.facts, share) }
            print(outcomes)
            let errors = outcomes.map { abs($0.error) }.sorted()
            let covered = Double(outcomes.count { $0.covered }) / Double(outcomes.count)
            Swift.print(
                String(
                    format: "forecast from %.0f%%: median error %.4f, covered %.0f%%", share * 100, errors[errors.count / 2],
                    covered * 100))
            if share == 0.5 {
                #expect(errors[errors.count / 2] <= 0.02)
                #expect(covered >= 0.85)
            }
        }
    }

    /// Runs whose high rate costs more or less than the model believes, of several lengths; hermetic.
    @Test func syntheticRunsFromTheirFirstHalf() throws {
        var outcomes: [Outcome] = []
        for (index, steps) in [2000, 4000, 8000, 16000].enumerated() {
            for seed in [UInt64(11), 12, 13] {
                let run = SyntheticRun(steps: steps, warmup: 300, seed: seed + UInt64(index) * 100)
                outcomes.append(try predict("synthetic-\(steps)-\(seed)", run.facts(), 0.5))
            }
        }
        print(outcomes)
        let errors = outcomes.map { abs($0.error) }.sorted()
        #expect(errors[errors.count / 2] <= 0.03)
        #expect(Double(outcomes.count { $0.covered }) / Double(outcomes.count) >= 0.85)
    }

    /// A longer prefix narrows the interval.
    @Test func theIntervalNarrows() throws {
        let facts = SyntheticRun(steps: 6000, seed: 4).facts()
        let widths = try [0.2, 0.5, 0.8].map { share in
            let band = try predict("narrowing", facts, share).predicted
            return band.high - band.low
        }
        #expect(widths[0] > widths[1])
        #expect(widths[1] > widths[2])
    }

    /// Training losses serve where a log has no evaluations.
    @Test func withoutEvaluations() throws {
        var facts = SyntheticRun(steps: 5000, seed: 6).facts()
        let truth = SyntheticRun(steps: 5000, seed: 6).level(5000)
        facts.evals = []
        let end = try #require(HealthReport.make(facts: facts.prefix(0.6)).forecast.first { $0.id == "finish" })
        #expect(abs(end.valLoss.mid - truth) < 0.06)
    }

    /// Nothing is predicted without a schedule.
    @Test func withoutAScheduleThereIsNoForecast() {
        var facts = SyntheticRun().facts()
        facts.config.schedule = nil
        facts.config.maxIters = nil
        facts.config.lrDecayIters = nil
        #expect(!HealthReport.make(facts: facts.prefix(0.5)).forecast.contains { $0.id == "finish" })
    }

    /// Going on at a rate that has come down gives little; twice the steps give more, and three times more still.
    @Test func continuingGivesLittle() throws {
        let forecast = HealthReport.make(facts: SyntheticRun(seed: 8).facts()).forecast
        let loss = SyntheticRun(seed: 8).level(4000)
        let more = try #require(forecast.first { $0.id == "continue" }),
            twice = try #require(forecast.first { $0.id == "restart-2x" })
        let thrice = try #require(forecast.first { $0.id == "restart-3x" })
        #expect(loss - more.valLoss.mid < 0.06)
        #expect(twice.valLoss.mid < more.valLoss.mid)
        #expect(thrice.valLoss.mid < twice.valLoss.mid)
        #expect(twice.continues == false && more.continues)
    }

    /// A few hundred of a hundred million planned steps: no loss is promised, least of all one below zero, and what to do next is
    /// to let it run, with the time that this takes.
    @Test func aCurveThatIsFarTooShortPromisesNothing() throws {
        var facts = SyntheticRun(steps: 400, warmup: 100, evalEvery: 500).facts()
        facts.config.maxIters = Fact(100_000_000, .log)
        facts.config.lrDecayIters = Fact(100_000_000, .log)
        facts.config.schedule = Fact(.constant, .log)
        facts.dataset.name = nil
        let report = HealthReport.make(facts: facts)
        #expect(report.forecast.isEmpty)
        #expect(report.forecastCurve.isEmpty)
        let step = try #require(report.nextSteps.first { $0.title.key == "next.too-early" })
        #expect(step.valLoss == nil)
        #expect(try #require(step.hours) > 1000)
    }

    /// Half a run is enough, and its promise is a loss.
    @Test func aPromisedLossIsALoss() throws {
        for share in [0.1, 0.2, 0.5, 0.9] {
            let report = HealthReport.make(facts: SyntheticRun().facts().prefix(share))
            for scenario in report.forecast {
                let band = scenario.valLoss
                #expect(band.low > 0 && band.high - band.low <= 1, "\(scenario.id) at \(share)")
            }
        }
    }

    /// An evaluation before the first step says nothing about the model four hundred steps later.
    @Test func anOldEvaluationIsNotTheLossOfTheRun() throws {
        let facts = SyntheticRun(steps: 400, warmup: 100, evalEvery: 500).facts()
        #expect(facts.evals.map(\.step) == [0])
        let run = HealthReport.make(facts: facts).run
        #expect(run.finalValLoss == nil)
        #expect(try #require(run.finalTrainLoss) < 8)
        // With an evaluation in the second half that one counts.
        let evaluated = HealthReport.make(facts: SyntheticRun(steps: 400, warmup: 100, evalEvery: 300).facts()).run
        #expect(try #require(evaluated.finalValLoss) < 8)
    }
}
