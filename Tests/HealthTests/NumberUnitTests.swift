// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Testing

/// Sizes and times in units that fit them.
@Suite struct NumberUnitTests {
    @Test func bytes() {
        let english = Catalogue.english
        #expect(english.number(94_000, .bytes) == "91.8 KiB")
        #expect(english.number(900, .bytes) == "900 B")
        #expect(english.number(1020 * 1024, .bytes) == "0.996 MiB")
        #expect(english.number(34_359_738_368, .bytes) == "32.0 GiB")
        #expect(Catalogue.german.number(1.5 * 1_073_741_824, .bytes) == "1,50 GiB")
    }

    @Test func aTinyPlan() throws {
        var config = RunConfig()
        (config.nLayer, config.nHead, config.nEmbd, config.blockSize, config.vocabSize) = (1, 1, 8, 8, 65)
        (config.batchSize, config.maxIters, config.evalIters) = (2, 10, 1)
        let planner = RunPlanner(.gpu(try #require(GPU.named("RTX 4070")), dtype: "bfloat16"))
        let text = planner.plan(PlanRequest(config)).text(name: "tiny")
        #expect(text.contains("less than a minute") && text.contains("less than 0.01 kWh"))
        #expect(!text.contains("about <") && !text.contains("0.000"))
        #expect(text.contains("KiB"))
    }

    /// One line of settings has one way to write numbers.
    @Test func settingsStandAsTheyAreTyped() throws {
        var facts = SyntheticRun().facts()
        facts.dataset.trainTokens = Fact(1_003_854, .log)
        facts.dataset.valTokens = Fact(111_540, .log)
        let text = ReportDocument(report: HealthReport.make(facts: facts), facts: facts).recordText(catalogue: .english)
        #expect(text.contains("train_tokens = 1003854") && text.contains("val_tokens = 111540"))
    }
}
