// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Testing

@Suite struct TableParserTests {
    private func parse(_ text: String, _ options: InputOptions = InputOptions()) throws -> RunFacts {
        try HealthInput.parse(Data(text.utf8), name: "curve.csv", options: options)
    }

    static let curve = """
        # source: made up
        # data: FineWeb, GPT-2 tokens; GPT-2 12/12/768; 1.244e+08 parameters; AdamW wd 0.1; batch 524288 tokens
        # schedule: peak 0.0006, warm-up 700, total 19560, cosine0
        step,tokens,lr,train_loss,val_loss,grad_norm
        0,0,8.57143e-07,11.0091,11.0092,15.37
        20,10485760,1.8e-05,9.8,,2.1
        250,131072000,2.1e-4,,6.5,
        """

    @Test func aCurveWithItsComments() throws {
        let facts = try parse(Self.curve)
        #expect(facts.source == .csv)
        #expect(facts.steps.map(\.step) == [0, 20])
        #expect(facts.steps[0].gradNorm == 15.37 && facts.steps[1].lr == 1.8e-5 && facts.steps[1].tokens == 10_485_760)
        #expect(facts.evals.map(\.valLoss) == [11.0092, 6.5])
        #expect(facts.config.parameters == Fact(1.244e8, .log))
        #expect(facts.config.nLayer?.value == 12 && facts.config.nEmbd?.value == 768)
        #expect(facts.config.tokensPerStep?.value == 524_288)
        #expect(facts.config.learningRate?.value == 6e-4 && facts.config.minLr?.value == 0)
        #expect(
            facts.config.schedule?.value == .cosine && facts.config.warmupIters?.value == 700
                && facts.config.maxIters?.value == 19560)
        #expect(facts.config.optimizer?.value == "AdamW" && facts.config.architecture?.value == "gpt2")
        #expect(DatasetKind(facts.dataset.name?.value) == .fineweb)
        #expect(facts.dataset.tokenizer?.value == "gpt2")
    }

    @Test func aTrapezoid() throws {
        let facts = try parse(
            Self.curve.replacingOccurrences(
                of: "total 19560, cosine0", with: "total 5100, trapezoid, linear to 0 over the last 1450"))
        let schedule = try #require(RateSchedule.of(facts))
        #expect(schedule.kind == .wsd && schedule.cooldown == 1450 && schedule.total == 5100)
        #expect(schedule.rate(3000) == 6e-4)
        #expect(abs(schedule.rate(5100 - 725) - 3e-4) < 1e-9)
        #expect(schedule.rate(5100) == 0)
        // nanoGPT's warm-up: lr (it + 1) / (warmup + 1).
        #expect(abs(schedule.rate(0) - 6e-4 / 701) < 1e-12)
    }

    @Test func finalRatesInWords() throws {
        let linear = try parse(Self.curve.replacingOccurrences(of: "cosine0", with: "linear to 0.1x"))
        #expect(linear.config.schedule?.value == .linear)
        #expect(abs((linear.config.minLr?.value ?? 0) - 6e-5) < 1e-12)
        let cosine = try parse(Self.curve.replacingOccurrences(of: "cosine0", with: "cosine to 6e-5"))
        #expect(cosine.config.minLr?.value == 6e-5)
    }

    /// Rows that hold only a step and a rate are the schedule to come.
    @Test func ratesOfTheRestOfTheRun() throws {
        var text = "step,lr,train_loss,val_loss\n"
        for step in stride(from: 0, through: 1000, by: 10) {
            let rate = 1e-3 * min(1, Double(2000 - step) / 1000)
            text +=
                "\(step),\(rate),\(4 + 3 * exp(-Double(step) / 200)),\(step % 100 == 0 ? String(4 + 3 * exp(-Double(step) / 200)) : "")\n"
        }
        for step in stride(from: 1010, through: 2000, by: 10) { text += "\(step),\(1e-3 * Double(2000 - step) / 1000),,\n" }
        let facts = try parse(text)
        #expect(facts.steps.last?.step == 1000)
        #expect(facts.futureRates.first?.step == 1010 && facts.futureRates.last?.lr == 0)
        let schedule = try #require(RateSchedule.of(facts))
        #expect(schedule.total == 2000)
        #expect(abs(schedule.rate(1500) - 5e-4) < 1e-9)
        #expect(HealthReport.make(facts: facts).forecast.first?.id == "finish")
    }

    @Test func otherNamesAndSeparators() throws {
        let facts = try parse("\"iter\";\"train/loss\";\"val/loss\";\"extra\"\n0;10.5;10.6;x\n10;9.5;;y\n")
        #expect(facts.steps.map(\.loss) == [10.5, 9.5])
        #expect(facts.evals.map(\.valLoss) == [10.6])
        let tabs = try parse("global_step\tloss\n1\t5\n2\t4\n")
        #expect(tabs.steps.map(\.loss) == [5, 4])
    }

    @Test func badRowsAreCounted() throws {
        let facts = try parse("step,loss\n0,10\nfoo,bar\n\n1,nan\n2,9\n-3,8\n")
        #expect(facts.steps.map(\.step) == [0, 1, 2])
        #expect(facts.steps[1].loss?.isNaN == true)
        #expect(facts.notes.first == Message("note.unreadable-rows", ["count": .integer(2)]))
    }

    @Test func trainerState() throws {
        let state = """
            {"epoch": 1.0, "global_step": 30, "max_steps": 100, "log_history": [
            {"epoch": 0.1, "grad_norm": 2.5, "learning_rate": 5e-05, "loss": 9.8, "step": 10},
            {"epoch": 0.2, "grad_norm": 1.5, "learning_rate": 4e-05, "loss": 8.9, "step": 20, "num_input_tokens_seen": 40960},
            {"epoch": 0.2, "eval_loss": 8.8, "eval_runtime": 12.5, "eval_samples_per_second": 3, "step": 20},
            {"epoch": 0.3, "loss": NaN, "step": 30},
            {"train_runtime": 100.0, "step": 30}]}
            """
        // Python writes NaN, which is no JSON; the value of that entry is then given as text by newer versions.
        let facts = try HealthInput.parse(
            Data(state.replacingOccurrences(of: "NaN", with: "\"NaN\"").utf8), name: "trainer_state.json")
        #expect(facts.source == .huggingface)
        #expect(facts.steps.map(\.step) == [10, 20, 30])
        #expect(facts.steps[1].gradNorm == 1.5 && facts.steps[1].lr == 4e-5 && facts.steps[1].tokens == 40960)
        #expect(facts.steps[2].loss?.isNaN == true)
        #expect(facts.evals.map(\.valLoss) == [8.8])
        #expect(facts.evals.first?.ms == 12_500)
        #expect(facts.config.maxIters == Fact(100, .log))
        #expect(facts.config.tokensPerStep?.value == 2048)
        // The bare NaN of older versions is understood as well.
        let bare = try HealthInput.parse(Data(state.utf8), name: "trainer_state.json")
        #expect(bare.steps.last?.loss?.isNaN == true)
    }
}
