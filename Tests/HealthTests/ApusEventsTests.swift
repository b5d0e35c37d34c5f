// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Testing

/// What a report makes of the events of a run folder.
@Suite struct ApusEventsTests {
    /// A run of 400 updates of 524,288 tokens with these lines in its metrics.
    private func load(_ lines: [String], _ change: (inout RunConfig) -> Void = { _ in }) throws -> RunFacts {
        let path = newRunPath()
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var config = RunConfig.fourHundredUpdates()
        config.dataset = "fineweb"
        change(&config)
        let folder = RunFolder(path)
        try folder.writeRecord(
            RunRecord(
                version: "0", created: "2026-01-01T00:00:00Z", command: ["train"], config: config,
                data: RunData(tokenizer: "gpt2", trainTokens: 730_000_000, valTokens: 1_000_000)))
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: folder.metrics))
        return try HealthInput.load(path: path)
    }

    private func line(_ event: RunEvent) throws -> String {
        String(decoding: try RunEvent.makeEncoder().encode(event), as: UTF8.self)
    }

    private func loss(_ step: Int) -> Double { 4 + 7 * exp(-Double(step) / 60) }

    private func steps(_ range: ClosedRange<Int>, tokens: (Int) -> Int? = { $0 * 524_288 }) throws -> [String] {
        try range.map { number in
            var event = RunEvent(.step, step: number)
            event.tokens = tokens(number)
            event.loss = loss(number)
            event.stepMs = 1000
            event.memoryBytes = 5e7
            return try line(event)
        }
    }

    private func eval(_ step: Int, tokens: Int?) throws -> String {
        var event = RunEvent(.eval, step: step)
        event.tokens = tokens
        event.trainLoss = loss(step)
        event.valLoss = loss(step) + 0.01
        event.evalTokens = 1_000_000
        return try line(event)
    }

    private func text(_ report: HealthReport, _ id: String) -> String {
        report.checks.first { $0.id == id }.map { Catalogue.english.text($0.why) } ?? ""
    }

    // MARK: Memory

    private func start(_ device: String, planned: Int?, _ kind: RunEvent.Kind = .start, step: Int = 0) throws -> String {
        var event = RunEvent(kind, step: step)
        event.device = device
        event.plannedBytes = planned
        return try line(event)
    }

    /// A step logs the memory of the process, which is not the card's.
    @Test func theMemoryOfACardIsWhatTheRunPlannedThere() throws {
        let card = "NVIDIA GeForce RTX 4070"
        let facts = try load([start(card, planned: 12_500_000_000)] + steps(1...50)) { $0.device = "cuda" }
        let report = HealthReport.make(facts: facts)
        #expect(report.checks.first { $0.id == "memory" }?.why.key == "memory.tight")
        #expect(report.throughput?.memoryUsedBytes == 12.5e9)
        // A resume with a smaller micro-batch plans anew.
        let resumed = try load(
            [start(card, planned: 12_500_000_000)] + steps(1...50) + [start(card, planned: 9_000_000_000, .resume, step: 50)]
                + steps(51...60)
        ) { $0.device = "cuda" }
        #expect(HealthReport.make(facts: resumed).status("memory") == .pass)
    }

    @Test func withoutAPlanTheMemoryOfACardIsNotKnown() throws {
        let facts = try load([start("NVIDIA GeForce RTX 4070", planned: nil)] + steps(1...50)) { $0.device = "cuda" }
        let report = HealthReport.make(facts: facts)
        #expect(report.status("memory") == .cannotTell)
        #expect(text(report, "memory").contains("of the card's memory the run takes was not recorded"))
        #expect(report.throughput?.memoryUsedBytes == nil)
    }

    /// A card that is only named beside a run on a CPU has none of the run's memory in it.
    @Test func theMemoryOfAProcessIsNotHeldAgainstACard() throws {
        var facts = try load([start("AMD EPYC, 2 threads", planned: 60_000_000)] + steps(1...50))
        let report = HealthReport.make(facts: facts)
        #expect(report.throughput?.memoryUsedBytes == 5e7)
        #expect(!text(report, "memory").contains("--device"))
        facts.device.name = Fact("RTX 4070", .option)
        #expect(HealthReport.make(facts: facts).status("memory") == .cannotTell)
    }

    // MARK: Tokens

    /// 100 updates of 2,000,000 tokens, then a resume with the batch that run.json has now.
    @Test func tokensAreThoseOfTheEventsAfterAResumeWithAnotherBatch() throws {
        func seen(_ step: Int) -> Int { step <= 100 ? step * 2_000_000 : 200_000_000 + (step - 100) * 524_288 }
        let lines =
            try steps(1...100, tokens: seen) + [eval(50, tokens: seen(50)), eval(100, tokens: seen(100))]
            + [line(RunEvent(.resume, step: 100))] + steps(101...200, tokens: seen) + [eval(200, tokens: seen(200))]
        let facts = try load(lines)
        #expect(facts.evals.map(\.tokens) == [50, 100, 200].map { Double(seen($0)) })
        let report = HealthReport.make(facts: facts)
        #expect(report.run.tokensSeen == Double(seen(200)))
        #expect(report.curve.last?.tokens == Double(seen(200)))
        // The rest of the plan comes on top of what was seen.
        #expect(report.forecast.first { $0.id == "finish" }?.tokens == Double(seen(400)))
        #expect(report.forecastCurve.first?.tokens == Double(seen(200)))
        #expect(report.forecastCurve.last?.tokens == Double(seen(400)))
    }

    /// Evaluations of older runs have no tokens: they lie between those of the steps around them.
    @Test func tokensBetweenTwoEventsAreInterpolated() throws {
        func seen(_ step: Int) -> Int { step <= 100 ? step * 100_000 : 10_000_000 + (step - 100) * 524_288 }
        func some(_ step: Int) -> Int? { step % 10 == 0 && step <= 180 ? seen(step) : nil }
        let facts = try load(
            steps(1...200, tokens: some) + [eval(0, tokens: nil), eval(45, tokens: nil), eval(155, tokens: nil)]
                + [eval(200, tokens: nil)])
        #expect(facts.evals.map(\.tokens) == [0, 45, 155, 200].map { Double(seen($0)) })
        #expect(facts.steps.map(\.tokens) == (1...200).map { Double(seen($0)) })
    }

    // MARK: Failures

    private func failure(_ step: Int) throws -> String {
        var event = RunEvent(.end, step: step)
        event.message = "failed"
        event.code = "cannot write 'checkpoints': the disk is full"
        return try line(event)
    }

    @Test func aRunThatFailedSaysSoAndWhy() throws {
        let facts = try load(steps(1...200) + [failure(200)])
        #expect(facts.incidents.map(\.kind.rawValue) == ["failed"])
        let report = HealthReport.make(facts: facts)
        #expect(report.status("schedule-end") == .warn)
        #expect(text(report, "schedule-end").contains("the disk is full"))
        #expect(text(report, "interruptions").contains("the disk is full"))
        #expect(report.checks.first { $0.id == "interruptions" }?.value == 1)
        #expect(report.verdict == .watch)
    }

    /// What a resume made good is remembered, but the run goes on.
    @Test func aFailedRunThatWasResumedIsUnderWay() throws {
        let facts = try load(steps(1...200) + [failure(200), line(RunEvent(.resume, step: 200))] + steps(201...201))
        let report = HealthReport.make(facts: facts)
        #expect(report.status("schedule-end") == .info)
        #expect(report.checks.first { $0.id == "interruptions" }?.value == 1)
        #expect(text(report, "interruptions").contains("the disk is full"))
    }

    // MARK: Hostile numbers

    @Test(arguments: [Int.max, 1_000_000_000_000_000, -1, Int.min])
    func impossibleStepsAreLeftOut(step: Int) throws {
        let facts = try load(steps(1...50) + [#"{"event":"step","seq":1,"step":\#(step),"time":"","loss":3}"#] + steps(51...60))
        #expect(facts.steps.last?.step == 60 && facts.steps.count == 60)
        #expect(facts.notes.map(\.key) == ["note.unreadable-lines"])
        #expect(HealthReport.make(facts: facts).run.steps == 60)
    }

    /// The largest step that is read is no trap anywhere in a report.
    @Test func theLargestStepIsReportedOn() throws {
        let facts = try load(
            steps(1...60) + [#"{"event":"step","seq":1,"step":999999999999999,"time":"","loss":3}"#])
        let report = HealthReport.make(facts: facts)
        #expect(report.run.steps == 999_999_999_999_999)
        let document = ReportDocument(report: report, facts: facts)
        #expect(!document.recordText(catalogue: .english).isEmpty && !HTMLRenderer.render(document, catalogue: .english).isEmpty)
    }
}
