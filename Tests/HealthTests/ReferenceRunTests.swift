// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Testing

/// The 40M run: its log judged as its owner needed it judged. The fixture holds its measured table in nanoGPT's words.
@Suite struct ReferenceRunTests {
    static let log = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "Fixtures/nanogpt-40m.log"
    ).path

    static func report(device: String? = "RTX 4070") throws -> HealthReport {
        var options = InputOptions()
        options.device = device
        return HealthReport.make(facts: try HealthInput.load(path: log, options: options))
    }

    @Test func isNotHealthyAndTheGapIsNamed() throws {
        let report = try Self.report()
        #expect(report.verdict == .watch)
        let check = try #require(report.checks.first { $0.id == "loss-expected" })
        #expect(check.status == .warn)
        #expect(check.nats > 0.3 && check.nats < 0.5)
        let band = try #require(report.expected.valLoss)
        #expect(band.mid > 3.70 && band.mid < 3.85)
        #expect(band.low > 3.6 && band.high < 3.95)
        #expect(report.headline == Message("headline.loss-high-stable", ["gap": .number(check.nats, .fixed(1))]))
    }

    @Test func dataPreparationIsTheFirstSuspect() throws {
        let report = try Self.report()
        #expect(
            report.reasons.map(\.label) == [
                Message("label.number", ["value": .number(4.17, .fixed(2))]), Message("label.data"), Message("label.lr"),
                Message("label.size"),
            ])
        #expect(report.checks.first { $0.id == "documents" }?.command == "apus prepare --audit data/fineweb")
        let first = try #require(report.nextSteps.first)
        #expect(first.command == "apus prepare --audit data/fineweb")
        #expect(Catalogue.english.text(first.title).contains("apus prepare --audit data/fineweb"))
    }

    @Test func mfuIsRestatedForTheRealCard() throws {
        let report = try Self.report()
        let throughput = try #require(report.throughput)
        #expect(abs((throughput.mfu ?? 0) - 0.62) < 0.01)
        #expect(throughput.mfuPrintedPeakTflops == 312)
        #expect(throughput.devicePeakTflops == 58.3)
        #expect(abs((throughput.tokensPerSecond ?? 0) - 119_900) < 500)
        let check = try #require(report.checks.first { $0.id == "mfu" })
        #expect(check.why.key == "mfu.good-restated")
        #expect(Catalogue.english.text(check.why).contains("A100"))
    }

    @Test func withoutADeviceTheDenominatorIsStillNamed() throws {
        let check = try #require(try Self.report(device: nil).checks.first { $0.id == "mfu" })
        #expect(check.status == .cannotTell)
        #expect(Catalogue.english.text(check.why).contains("312"))
    }

    @Test func the124MConfigurationIsRecognised() throws {
        let report = try Self.report()
        #expect(report.model.intended == "124M")
        #expect(report.model.name == "40.6M")
        let check = try #require(report.checks.first { $0.id == "model-size" })
        #expect(check.status == .warn)
        #expect(Catalogue.english.text(try #require(check.advice)).contains("n_embd = 768"))
    }

    @Test func continuingGivesLittleAndARestartMore() throws {
        let report = try Self.report()
        let more = try #require(report.forecast.first { $0.id == "continue" })
        #expect(more.valLoss.low >= 4.09 && more.valLoss.high <= 4.165)
        #expect(more.valLoss.mid > 4.11 && more.valLoss.mid < 4.15)
        let twice = try #require(report.forecast.first { $0.id == "restart-2x" })
        // The law's gain from 3.15B to 6.3B tokens is 0.11 nats.
        #expect(twice.valLoss.low < 4.06 && twice.valLoss.high > 4.06)
        #expect(twice.valLoss.mid < more.valLoss.mid)
        let mended = try #require(report.forecast.first { $0.id == "better-data" })
        #expect(abs((mended.hours ?? 0) - 7.3) < 0.1)
        #expect(report.forecast.first { $0.best }?.id == "better-data-lr")
        #expect(report.nextSteps.last?.discouraged == true)
        let large = try #require(report.forecast.first { $0.id == "next-size-better-data" })
        #expect(large.valLoss.low > 3.3 && large.valLoss.high < 3.6)
        #expect((large.hours ?? 0) > 16 && (large.hours ?? 0) < 23)
    }

    /// The eight rows alone, with the facts as options, lead to the same judgement.
    @Test func theTableAlone() throws {
        let table = """
            step 0: train loss 10.88, val loss 10.88
            step 500: train loss 5.86, val loss 5.86
            step 1000: train loss 4.93, val loss 4.95
            step 2000: train loss 4.46, val loss 4.48
            step 3000: train loss 4.30, val loss 4.32
            step 4000: train loss 4.22, val loss 4.24
            step 5000: train loss 4.16, val loss 4.19
            step 6000: train loss 4.14, val loss 4.17
            """
        var options = InputOptions()
        options.device = "RTX 4070"
        options.dataset = "fineweb"
        options.configuration = (
            "train_fineweb.py",
            """
            n_layer = 12
            n_head = 12
            n_embd = 384
            batch_size = 16
            gradient_accumulation_steps = 4 * 8  # 524,288 tokens
            learning_rate = 5e-4
            max_iters = 6000
            lr_decay_iters = 6000
            min_lr = 5e-5
            warmup_iters = 500
            """
        )
        let report = HealthReport.make(facts: try HealthInput.parse(Data(table.utf8), name: "table.txt", options: options))
        #expect(report.verdict == .watch)
        #expect(report.model.parameters.map { abs($0 - 40.56e6) < 0.01e6 } == true)
        #expect(report.model.intended == "124M")
        #expect(report.alarms.starts(with: ["loss-expected", "documents"]))
        #expect(report.checks.first { $0.id == "documents" }?.command == "apus prepare --audit DIR")
        let gap = report.checks.first { $0.id == "loss-expected" }?.nats ?? 0
        #expect(gap > 0.3 && gap < 0.5)
    }

    /// Halfway the end is seen coming: the run's own curve gives 4.17 within the interval.
    @Test func theEndIsPredictedFromTheFirstHalf() throws {
        let facts = try HealthInput.load(path: Self.log)
        let report = HealthReport.make(facts: facts.prefix(0.5))
        let end = try #require(report.forecast.first { $0.id == "finish" })
        #expect(end.valLoss.low <= 4.17 && end.valLoss.high >= 4.17)
        #expect(abs(end.valLoss.mid - 4.17) < 0.04)
        #expect(report.verdict == .watch)
    }
}
