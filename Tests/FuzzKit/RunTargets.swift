// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Storage

/// The parsers of configurations, run records and logs, up to the finished report.
public enum RunTargets {
    public static let all: [FuzzTarget] = [
        FuzzTarget("nanogpt-config", nanoGPTConfig), FuzzTarget("metrics", longest: 1536, metrics),
        FuzzTarget("training-log", longest: 8192, trainingLog), FuzzTarget("run-folder", longest: 12288, runFolder),
        FuzzTarget("report", longest: 4096, reportOfLog), FuzzTarget("run-report", longest: 8192, reportOfFolder),
    ]

    private static func nanoGPTConfig(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        var config = RunConfig()
        for assignment in try NanoGPTConfigReader.read(text(input), name: "input.py") {
            try config.set(assignment.key, assignment.value, source: "input.py:\(assignment.line)")
        }
        exercise(config)
    }

    /// What follows from a configuration that was taken.
    public static func exercise(_ config: RunConfig) {
        let resolved = config.resolved()
        _ = (resolved.shape.parameters, resolved.shape.flopsPerToken, resolved.tokensPerStep, resolved.values.count)
    }

    private static func metrics(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let path = try folder.write("metrics.jsonl", input)
        let file = try MetricsFile.read(path: path)
        guard file.events.count <= file.lines.count else { throw CocoaError(.fileReadCorruptFile) }
        // Going on with a file, whatever it holds, writes a line that can be read.
        let writer = try MetricsWriter(path: path)
        try writer.write(RunEvent(.resume, step: 0))
        guard try MetricsFile.read(path: path).lines.last?.event == .resume else { throw CocoaError(.fileReadCorruptFile) }
    }

    private static func trainingLog(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        _ = try HealthInput.parse(Data(input), name: "input.log")
    }

    private static func runFolder(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        _ = try facts(input, folder)
    }

    // Judging takes a hundred times as long as reading, hence targets of their own.

    private static func reportOfLog(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        try report(HealthInput.parse(Data(input), name: "input.log"), form: input.count)
    }

    private static func reportOfFolder(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        try report(facts(input, folder), form: input.count)
    }

    private static func facts(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws -> RunFacts {
        let files = pieces(input, 3)
        try folder.write("run.json", files[0])
        try folder.write("metrics.jsonl", files[1])
        try folder.write("dataset.json", files[2])
        var options = InputOptions()
        options.dataPath = folder.path
        return try HealthInput.load(path: folder.path, options: options)
    }

    /// Judges, and writes one form of the report.
    private static func report(_ facts: RunFacts, form: Int) throws {
        let report = HealthReport.make(facts: facts)
        let document = ReportDocument(report: report, facts: facts, ceilingFraction: nil)
        let catalogue = form & 1 == 0 ? Catalogue.english : .german
        switch form >> 1 & 3 {
        case 0:
            let json = try document.json(catalogue: catalogue)
            guard (try? JSONSerialization.jsonObject(with: json)) != nil else { throw CocoaError(.fileReadCorruptFile) }
        case 1: _ = HTMLRenderer.render(document, catalogue: catalogue)
        case 2: _ = MarkdownRenderer.render(document, catalogue: catalogue)
        default:
            _ = TerminalRenderer(columns: 60, colour: true, catalogue: catalogue).render(report, all: true)
            _ = document.recordText(catalogue: catalogue, columns: 60)
        }
    }
}
