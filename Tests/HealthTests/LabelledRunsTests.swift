// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Testing

/// Runs really trained with Apus by scripts/make-labelled-runs: each sickness is named, and no healthy run is called sick.
@Suite struct LabelledRunsTests {
    /// Label of a sick run and the checks that must warn or fail.
    static let sick: [(label: String, checks: [String])] = [
        ("rate-too-high", ["learning-rate", "unigram"]),
        ("no-warmup", ["warmup"]),
        ("overflow", ["non-finite"]),
        ("wrong-vocabulary", ["vocabulary"]),
        ("schedule-cut-short", ["schedule-end", "final-rate"]),
        ("decay-ended-early", ["schedule-end"]),
        ("bad-resume", ["resume-seams"]),
        ("validation-leaked", ["train-val-gap"]),
        ("documents-by-line", ["documents"]),
        ("tiny-validation", ["validation-power"]),
        ("repeated-data", ["epochs", "train-val-gap"]),
        ("documents-copied", ["duplicates"]),
        ("dead-loader", ["too-good"]),
        ("answers-in-inputs", ["too-good"]),
        ("slow-loader", ["data-stalls"]),
    ]

    private static var folder: String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/runs").path
    }

    private static func report(_ label: String) throws -> HealthReport {
        let path = folder + "/" + label
        var options = InputOptions()
        // The data sets themselves are not kept; their dataset.json lies beside the run.
        if FileManager.default.fileExists(atPath: path + "/dataset.json") { options.dataPath = path }
        return HealthReport.make(facts: try HealthInput.load(path: path, options: options))
    }

    static var healthy: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasPrefix("healthy-") }.sorted()
    }

    @Test func theSetIsThere() {
        #expect(Self.healthy.count >= 6)
    }

    @Test(arguments: healthy) func aHealthyRunRaisesNoAlarm(label: String) throws {
        let report = try Self.report(label)
        let alarms = report.checks.filter { $0.status == .warn || $0.status == .fail }
        #expect(alarms.map(\.id) == [], "\(label): \(alarms.map { Catalogue.english.text($0.why) })")
        #expect(report.verdict == .healthy)
        #expect(report.headline.key == "headline.healthy-shape")
    }

    @Test(arguments: sick) func aSickRunIsNamed(label: String, checks: [String]) throws {
        let report = try Self.report(label)
        let alarms = Set(report.checks.filter { $0.status == .warn || $0.status == .fail }.map(\.id))
        for id in checks { #expect(alarms.contains(id), "\(label): only \(alarms.sorted())") }
        for language in [Catalogue.english, .german] { CatalogueTests.expectComplete(report, language) }
        // What only costs time leaves the verdict alone.
        if label != "slow-loader" { #expect(report.verdict == .watch || report.verdict == .unhealthy) }
    }

    /// A finished run whose rate has come down is not told to go on, neither first nor at all.
    @Test(arguments: healthy) func goingOnIsNeverTheFirstStep(label: String) throws {
        let report = try Self.report(label)
        let going = report.nextSteps.filter { $0.title.key.hasSuffix(".continue") }
        #expect(going.filter { !$0.discouraged }.isEmpty)
        #expect(report.nextSteps.first?.discouraged == false)
        #expect(!report.forecast.contains { $0.id == "continue" && $0.best })
    }

    /// A CPU has no datasheet peak; the rate that the run measured on it takes its place.
    @Test func aProcessorIsHeldAgainstItsOwnCeiling() throws {
        let check = try #require(try Self.report("healthy-cosine").checks.first { $0.id == "mfu" })
        #expect(check.why.key == "mfu.ceiling" || check.why.key == "mfu.ceiling-busy")
        #expect(check.value ?? 0 > 0)
    }

    /// A folder's name may hold the letters of a data set's by chance.
    @Test func shortNamesAreWholeWords() {
        #expect(DatasetKind("runs/3c4f-compiled/data") == .unknown)
        #expect(DatasetKind("data/c4") == .other && DatasetKind("the-pile") == .other)
    }

    /// Value and range of a check are in the same unit.
    @Test func warmUpIsInSteps() throws {
        let check = try #require(try Self.report("healthy-cosine").checks.first { $0.id == "warmup" })
        #expect(check.unit == "steps" && check.value == 30)
        #expect(check.expected == ExpectedRange(3, 30))
    }
}
