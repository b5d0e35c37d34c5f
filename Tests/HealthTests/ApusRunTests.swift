// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Testing

@Suite struct ApusRunTests {
    /// Writes a run folder the way training does and gives its path.
    private func makeRun(_ body: (MetricsWriter) throws -> Void) throws -> String {
        let path = newRunPath()
        try FileManager.default.createDirectory(atPath: path + "/samples", withIntermediateDirectories: true)
        var config = RunConfig.fourHundredUpdates()
        config.device = "cuda"
        config.data = path + "/data"
        var data = RunData(tokenizer: "gpt2", trainTokens: 730_000_000, valTokens: 1_000_000)
        data.valBytes = 4_600_000
        data.unigramEntropy = 7.6
        data.tokensPerDocument = 700
        data.sources = ["fineweb/000_00000.parquet"]
        let folder = RunFolder(path)
        try folder.writeRecord(
            RunRecord(version: "0", created: "2026-01-01T00:00:00Z", command: ["train"], config: config, data: data))
        try body(try MetricsWriter(path: folder.metrics))
        return path
    }

    private func step(_ number: Int, loss: Double) -> RunEvent {
        var event = RunEvent(.step, step: number)
        event.tokens = number * 524_288
        event.loss = loss
        event.gradNorm = 0.5
        event.lr = 1e-3
        event.stepMs = 1000
        event.dataMs = 1
        event.memoryBytes = 5e7
        event.mfu = 0.6
        return event
    }

    @Test func aRunFolder() throws {
        let path = try makeRun { writer in
            var start = RunEvent(.start, step: 0)
            start.device = "NVIDIA GeForce RTX 4070"
            start.plannedBytes = 9_000_000_000
            try writer.write(start)
            for number in 1...200 {
                try writer.write(step(number, loss: 4 + 7 * exp(-Double(number) / 60)))
                if number % 50 == 0 {
                    var eval = RunEvent(.eval, step: number)
                    eval.trainLoss = 4 + 7 * exp(-Double(number) / 60)
                    eval.valLoss = 4.01 + 7 * exp(-Double(number) / 60)
                    eval.valStderr = 0.004
                    eval.evalMs = 2000
                    eval.evalTokens = 1_000_000
                    try writer.write(eval)
                }
            }
            // A resume from step 150 undoes what came after it.
            try writer.write(RunEvent(.resume, step: 150))
            for number in 151...210 { try writer.write(step(number, loss: 4.5)) }
        }
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data("Once upon a time there was a run.".utf8).write(to: URL(fileURLWithPath: path + "/samples/a.txt"))

        let facts = try HealthInput.load(path: path)
        #expect(facts.source == .apus)
        #expect(facts.steps.last?.step == 210 && facts.steps.count == 210)
        #expect(facts.evals.map(\.step) == [50, 100, 150])
        #expect(facts.incidents.map(\.kind) == [.resume])
        #expect(facts.config.tokensPerStep?.value == 524_288)
        #expect(facts.config.minLr?.value == 2e-4)
        #expect(facts.dataset.trainTokens?.value == 730e6)
        #expect(facts.dataset.audit?.tokensPerDocumentMean == 700)
        #expect(DatasetKind(facts.dataset.name?.value) == .fineweb)
        #expect(facts.samples.count == 1)

        let report = HealthReport.make(facts: facts)
        #expect(report.run.plannedSteps == 400)
        #expect(report.status("documents") == .pass)
        #expect(report.status("memory") == .pass)
        #expect(report.status("unigram") == .cannotTell || report.status("unigram") == .pass)
        // 0.6 was measured against the datasheet by the trainer itself.
        #expect(report.throughput?.mfuPrintedPeakTflops == nil)
        #expect(abs((report.expected.bitsPerByte ?? 0) - (facts.evals.last?.valLoss ?? 0) / log(2) / 4.6) < 1e-9)
        #expect(report.forecast.first?.id == "finish")
    }

    @Test func aRunWithoutStepsSaysSo() throws {
        let path = try makeRun { try $0.write(RunEvent(.start, step: 0)) }
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect { try HealthInput.load(path: path) } throws: { "\($0)".contains("has not made a step yet") }
    }

    @Test func aFolderThatIsNoRunSaysSo() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("apus-health-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect { try HealthInput.load(path: path) } throws: { "\($0)".contains("has no run.json") }
        try Data("{".utf8).write(to: URL(fileURLWithPath: path + "/run.json"))
        #expect { try HealthInput.load(path: path) } throws: { "\($0)".contains("not a run record") }
    }
}
