// SPDX-License-Identifier: MIT
import Foundation
import Health
import Testing

@Suite struct HealthyRunTests {
    @Test(arguments: [UInt64](1...6)) func soundRunsRaiseNoAlarm(seed: UInt64) {
        let report = HealthReport.make(facts: SyntheticRun(seed: seed).facts())
        #expect(report.alarms == [])
        #expect(report.verdict == .healthy)
        #expect(report.status("loss-expected") == .pass)
        #expect(report.headline.key == "headline.healthy")
    }

    @Test(arguments: [0.15, 0.3, 0.5, 0.7, 0.9]) func soundRunsUnderWayRaiseNoAlarm(share: Double) {
        let report = HealthReport.make(facts: SyntheticRun(seed: 9).facts().prefix(share))
        #expect(report.alarms == [])
        #expect(report.verdict == .healthy)
        #expect(report.forecast.first?.id == "finish")
    }

    @Test func longerAndShorterRunsAreSound() {
        for steps in [2000, 8000, 16000] {
            let report = HealthReport.make(facts: SyntheticRun(steps: steps, seed: 3).facts())
            #expect(report.alarms == [], "\(steps) steps")
        }
    }

    @Test func publicCurvesRaiseNoAlarm() throws {
        for (name, facts) in try SharedData.curves() {
            let report = HealthReport.make(facts: facts)
            #expect(report.alarms == [], "\(name)")
            #expect(report.verdict == .healthy, "\(name)")
        }
    }

    @Test func publicCurvesUnderWayRaiseNoAlarm() throws {
        for (name, facts) in try SharedData.curves() {
            for share in [0.2, 0.5, 0.8] {
                let report = HealthReport.make(facts: facts.prefix(share))
                #expect(report.alarms == [], "\(name) at \(share)")
            }
        }
    }

    /// A fact that the user can give is asked for; a reference that does not exist is not.
    @Test func missingFactsAreAskedFor() {
        var facts = SyntheticRun().facts()
        facts.config.parameters = nil
        let report = HealthReport.make(facts: facts)
        #expect(report.verdict == .healthy)
        #expect(report.headline.key == "headline.healthy-facts")
        #expect(Catalogue.english.text(report.reasons[0].text).contains("--n-layer"))
        facts = SyntheticRun().facts()
        facts.dataset.tokenizer = Fact("char", .log)
        #expect(HealthReport.make(facts: facts).headline.key == "headline.healthy-shape")
    }

    /// Modern recipes start at 16 nats, which is no fault.
    @Test func aHighStartOfAModernRecipeIsNoFault() {
        var facts = SyntheticRun().facts()
        facts.source = .csv
        facts.config.architecture = Fact("modern", .log)
        facts.changeLosses { step, loss in step == 0 ? 16 : loss }
        #expect(HealthReport.make(facts: facts).status("init-loss") == .info)
    }
}
