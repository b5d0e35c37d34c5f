// SPDX-License-Identifier: MIT
import Foundation

/// The report as GitHub-flavoured Markdown, for a model card or an issue.
public enum MarkdownRenderer {
    /// The report as Markdown.
    public static func render(_ document: ReportDocument, catalogue: Catalogue = .english) -> String {
        MarkdownWriter(document, PageText(catalogue)).text()
    }
}

private struct MarkdownWriter {
    private let document: ReportDocument
    private let report: HealthReport
    private let page: PageText

    init(_ document: ReportDocument, _ page: PageText) {
        self.document = document
        report = document.report
        self.page = page
    }

    func text() -> String {
        var blocks = [
            "# " + escape(page.word("title", ["run": .text(report.run.name)])),
            escape(page.identity(report).joined(separator: " · ")),
            "**\(page.word("verdict." + report.verdict.rawValue))** — " + sentence(report.headline),
        ]
        if !report.reasons.isEmpty {
            blocks.append(report.reasons.map { "- **\(sentence($0.label))** — \(sentence($0.text))" }.joined(separator: "\n"))
        }
        blocks += nextSteps()
        blocks += losses()
        blocks += checks()
        blocks += forecast()
        blocks += pairs("section.speed", page.speed(document))
        blocks += pairs(
            "section.settings", document.settings.map { ("`\($0.key)`", page.setting($0.value) + origin($0.origin)) },
            isEscaped: true)
        blocks += sources()
        return blocks.joined(separator: "\n\n") + "\n"
    }

    private func origin(_ origin: FactOrigin) -> String {
        origin == .log ? "" : " (" + page.word("origin." + origin.rawValue) + ")"
    }

    private func nextSteps() -> [String] {
        guard !report.nextSteps.isEmpty else { return [] }
        var number = 0
        let items = report.nextSteps.map { step in
            number += step.discouraged ? 0 : 1
            var lines = [(step.discouraged ? "- " : "\(number). ") + "**\(page.capitalised(sentence(step.title)))**"]
            let price = [
                step.valLoss.map { page.word("loss") + " " + page.band($0) },
                step.hours.map { page.catalogue.number($0, .hours) },
            ].compactMap { $0 }
            if !price.isEmpty { lines[0] += " — " + price.joined(separator: ", ") }
            lines.append("   " + page.capitalised(sentence(step.why)))
            if let command = step.command { lines.append("\n   ```sh\n   \(oneLine(command))\n   ```") }
            return lines.joined(separator: "\n")
        }
        return ["## " + page.word("section.next"), items.joined(separator: "\n")]
    }

    private func losses() -> [String] {
        guard !report.curve.isEmpty else { return [] }
        let points = Statistics.thinned(report.curve, to: 40)
        let rows = points.map { point in
            [
                page.catalogue.number(Double(point.step), .integer),
                point.tokens.map { page.catalogue.number($0, .short) } ?? "–",
                point.trainLoss.map { page.catalogue.number($0, .fixed(3)) } ?? "–",
                point.valLoss.map { page.catalogue.number($0, .fixed(3)) } ?? "–",
            ]
        }
        let head = ["column.step", "column.tokens", "column.train-loss", "column.val-loss"].map { page.word($0) }
        var result = ["## " + page.word("section.curve"), table(head, rows, right: [0, 1, 2, 3])]
        if let band = report.expected.valLoss {
            result.append(
                page.word("expected", ["band": .text(page.band(band))]) + " " + page.capitalised(sentence(report.expected.basis))
                    + ".")
        }
        return result
    }

    private func checks() -> [String] {
        let rows = report.checks.map { check in
            [
                page.word("status." + check.status.rawValue), "`\(check.id)`",
                check.value.map { page.value($0, unit: check.unit) } ?? "",
                check.expected.map { page.range($0, unit: check.unit) } ?? "",
                sentence(check.why) + (check.advice.map { " " + sentence($0) } ?? ""),
            ]
        }
        let head = ["column.status", "column.check", "column.value", "column.expected", "column.finding"].map { page.word($0) }
        return ["## " + page.word("section.checks"), page.counts(report), table(head, rows, right: [2, 3])]
    }

    private func forecast() -> [String] {
        guard !report.forecast.isEmpty else { return [] }
        let rows = report.forecast.map { scenario in
            [
                page.capitalised(sentence(scenario.title)) + (scenario.best ? " **" + page.word("best") + "**" : ""),
                page.catalogue.number(scenario.tokens, .short),
                page.band(scenario.valLoss), scenario.hours.map { page.catalogue.number($0, .hours) } ?? "–",
                page.word("confidence." + scenario.confidence.rawValue),
            ]
        }
        let head = ["column.scenario", "column.tokens", "column.val-loss", "column.hours", "column.confidence"].map {
            page.word($0)
        }
        return ["## " + page.word("section.forecast"), table(head, rows, right: [1, 2, 3])]
    }

    private func pairs(_ title: String, _ pairs: [(String, String)], isEscaped: Bool = false) -> [String] {
        guard !pairs.isEmpty else { return [] }
        let rows = pairs.map { isEscaped ? [$0.0, escape($0.1)] : [escape($0.0), escape($0.1)] }
        return ["## " + page.word(title), table([page.word("column.name"), page.word("column.value")], rows, right: [1])]
    }

    private func sources() -> [String] {
        var seen: Set<String> = []
        var lines = report.checks.map(\.source).filter { !$0.isEmpty && seen.insert($0).inserted }.map { "- " + escape($0) }
        lines += report.notes.map { "- " + sentence($0) }
        return lines.isEmpty ? [] : ["## " + page.word("section.sources"), lines.joined(separator: "\n")]
    }

    private func table(_ head: [String], _ rows: [[String]], right: Set<Int>) -> String {
        let rule = head.indices.map { right.contains($0) ? "---:" : "---" }
        return ([head, rule] + rows).map { "| " + $0.map(oneLine).joined(separator: " | ") + " |" }.joined(separator: "\n")
    }

    private func oneLine(_ text: String) -> String {
        String(text.map { $0.isNewline ? " " : $0 })
    }

    /// A sentence with its commands as code; what comes from the input cannot become markup or end a table cell.
    private func sentence(_ message: Message) -> String {
        page.catalogue.segments(message).map { segment in
            segment.isCommand
                ? "`" + oneLine(segment.text).replacingOccurrences(of: "`", with: "'").replacingOccurrences(of: "|", with: "\\|")
                    + "`"
                : escape(segment.text)
        }.joined()
    }

    private func escape(_ text: String) -> String {
        var result = ""
        for character in text {
            if "\\`*[]<>|#".contains(character) { result.append("\\") }
            result.append(character.isNewline ? " " : character)
        }
        return result
    }
}
