// SPDX-License-Identifier: MIT
import Foundation

/// Writes a report as a letter for the terminal: verdict, reasons, what to do, a plot, and the number of checks.
public struct TerminalRenderer: Sendable {
    private let columns: Int
    private let style: TerminalStyle
    private let catalogue: Catalogue
    private let program: String

    /// - Parameters:
    ///   - columns: width of the terminal; below 60 the text is wrapped to 60.
    ///   - colour: whether to use colour; NO_COLOR and pipes are the caller's to ask.
    ///   - catalogue: the language
    ///   - program: named at the right of the title
    public init(columns: Int = 100, colour: Bool = false, catalogue: Catalogue = .english, program: String = "apus") {
        self.columns = max(60, min(columns, 120))
        style = TerminalStyle(colour: colour)
        self.catalogue = catalogue
        self.program = program
    }

    /// - Parameters:
    ///   - report: what is shown
    ///   - all: lists every check below the letter.
    public func render(_ report: HealthReport, all: Bool = false) -> String {
        var lines = [title(report), ""]
        lines += verdict(report)
        lines.append("")
        lines += report.reasons.flatMap { reason($0, report) }
        let next = nextSteps(report)
        if !next.isEmpty { lines += [""] + next }
        if let speed = speed(report) { lines += [""] + speed }
        lines += failures(report)
        let plot = TerminalPlot(columns: columns, style: style, catalogue: catalogue).lines(report)
        if !plot.isEmpty { lines += [""] + plot }
        lines += notes(report)
        if all { lines += [""] + table(report) }
        lines += ["", counts(report, all)]
        return lines.map(trimmed).joined(separator: "\n") + "\n"
    }

    private func text(_ key: String, _ arguments: [String: MessageArgument] = [:]) -> String {
        catalogue.text(Message(key, arguments))
    }

    private func trimmed(_ line: String) -> String {
        var line = line
        while line.last == " " { line.removeLast() }
        return line
    }

    private func title(_ report: HealthReport) -> String {
        var parts = [(report.run.name as NSString).lastPathComponent, text("source." + report.run.source.rawValue)]
        if let count = report.model.parameters { parts.append(text("page.parameters", ["count": .number(count, .short)])) }
        if let tokens = report.run.tokensSeen {
            parts.append(text("page.tokens", ["count": .number(tokens, .short)]))
        } else {
            parts.append(text("page.steps", ["count": .integer(report.run.steps)]))
        }
        if let device = report.throughput?.device { parts.append(device.replacingOccurrences(of: "GeForce ", with: "")) }
        let right = text("page.title", ["program": .text(program)])
        let left = " " + TerminalText.clipped(parts.filter { !$0.isEmpty }.joined(separator: " · "), columns - right.count - 4)
        return TerminalText.padded(left, columns - right.count - 1) + style.paint(right, .dim)
    }

    private func verdict(_ report: HealthReport) -> [String] {
        let word = text("verdict." + report.verdict.rawValue)
        let ink: TerminalStyle.Ink
        switch report.verdict {
        case .healthy: ink = .green
        case .watch: ink = .yellow
        case .unhealthy: ink = .red
        case .cannotTell: ink = .dim
        }
        let indent = word.count + 4
        let wrapped = TerminalText.wrap(catalogue.segments(report.headline), width: columns - indent - 1, style: style)
        return wrapped.enumerated().map { index, line in
            (index == 0 ? " " + style.paint(word, .bold, ink) + "   " : String(repeating: " ", count: indent)) + line
        }
    }

    private func reason(_ reason: Reason, _ report: HealthReport) -> [String] {
        let label = catalogue.text(reason.label)
        var segments = catalogue.segments(reason.text)
        // The weight of the first line, the loss, rests on how sure the band is.
        if reason.weight == 100, let check = report.checks.first(where: { $0.id == "loss-expected" }) {
            let level = text("page.confidence", ["level": .text(text("confidence." + check.confidence.rawValue))])
            segments.append(Catalogue.Segment(text: "  (\(level))", isCommand: false))
        }
        let margin = 11
        return TerminalText.wrap(segments, width: columns - margin - 1, style: style).enumerated().map { index, line in
            (index == 0
                ? TerminalText.padded(left: "", max(0, 9 - label.count)) + style.paint(label, .bold) + "  "
                : String(repeating: " ", count: margin)) + line
        }
    }

    private func nextSteps(_ report: HealthReport) -> [String] {
        guard !report.nextSteps.isEmpty else { return [] }
        let hasPrices = report.nextSteps.contains { $0.valLoss != nil }
        let hasHours = report.nextSteps.contains { $0.hours != nil }
        let lossWidth = 13, hoursWidth = hasHours ? 9 : 0
        let width = columns - 7 - (hasPrices ? lossWidth + hoursWidth + 3 : 0)
        var lines = [
            " " + style.paint(TerminalText.padded(text("page.next"), width + 5), .bold)
                + (hasPrices
                    ? "  " + TerminalText.padded(text("page.loss"), lossWidth)
                        + (hasHours ? TerminalText.padded(left: text("page.hours"), hoursWidth) : "") : "")
        ]
        var number = 0
        for step in report.nextSteps {
            if !step.discouraged { number += 1 }
            let mark = step.discouraged ? "–" : String(number)
            var loss = "", hours = ""
            if let band = step.valLoss {
                let low = catalogue.number(band.low, .fixed(2)), high = catalogue.number(band.high, .fixed(2))
                loss = low == high ? low : "\(low) – \(high)"
            }
            if let time = step.hours { hours = (step.continues ? "+" : "") + catalogue.number(time, .hours) }
            let wrapped = TerminalText.wrap(
                catalogue.segments(step.title), width: step.valLoss == nil ? columns - 8 : width, style: style)
            for (index, line) in wrapped.enumerated() {
                let plain = TerminalText.wrap(
                    catalogue.segments(step.title), width: step.valLoss == nil ? columns - 8 : width,
                    style: TerminalStyle(colour: false))[index]
                let space = String(repeating: " ", count: max(0, width - plain.count))
                let prices =
                    index == 0 && step.valLoss != nil
                    ? "  " + TerminalText.padded(loss, lossWidth) + TerminalText.padded(left: hours, hoursWidth) : ""
                lines.append((index == 0 ? "   \(mark)  " : "      ") + line + (prices.isEmpty ? "" : space + prices))
            }
            if let command = step.command, !catalogue.text(step.title).contains(command), !step.discouraged {
                lines.append("      " + style.paint("$ " + command, .dim))
            }
        }
        return lines
    }

    private func speed(_ report: HealthReport) -> [String]? {
        guard let throughput = report.throughput, let check = report.checks.first(where: { $0.id == "mfu" }) else { return nil }
        let head = text("page.speed")
        let segments: [Catalogue.Segment]
        if let speed = throughput.tokensPerSecond {
            segments =
                check.why.key.hasPrefix("need.")
                ? catalogue.segments(Message("page.speed-only", ["speed": .number(speed, .short)]))
                : catalogue.segments(Message("page.speed-line", ["speed": .number(speed, .short), "mfu": .message(check.why)]))
        } else {
            segments = catalogue.segments(check.why)
        }
        let margin = head.count + 4
        return TerminalText.wrap(segments, width: columns - margin - 1, style: style).enumerated().map { index, line in
            (index == 0 ? " " + style.paint(head, .bold) + "   " : String(repeating: " ", count: margin)) + line
        }
    }

    /// Failed checks that the letter has not spoken of: one about speed changes no verdict, but must not be found by `--all` alone.
    private func failures(_ report: HealthReport) -> [String] {
        let told = Set(report.reasons.map { catalogue.text($0.text) })
        let failed = report.checks.filter { check in
            check.status == .fail && !(check.reason.map { told.contains(catalogue.text($0.text)) } ?? false)
        }
        let head = text("status.fail")
        let margin = head.count + 4
        return failed.flatMap { check -> [String] in
            var segments = [Catalogue.Segment(text: text("check." + check.id) + ": ", isCommand: false)]
            segments += catalogue.segments(check.why)
            if let advice = check.advice { segments += [.init(text: " ", isCommand: false)] + catalogue.segments(advice) }
            return [""]
                + TerminalText.wrap(segments, width: columns - margin - 1, style: style).enumerated().map { index, line in
                    (index == 0 ? " " + style.paint(head, style.ink(.fail)) + "   " : String(repeating: " ", count: margin))
                        + line
                }
        }
    }

    private func notes(_ report: HealthReport) -> [String] {
        guard !report.notes.isEmpty else { return [] }
        let head = text("page.notes")
        return [""]
            + report.notes.flatMap { note in
                TerminalText.wrap(catalogue.segments(note), width: columns - head.count - 5, style: style).enumerated().map {
                    index, line in
                    (index == 0 ? " " + style.paint(head, .bold) + "   " : String(repeating: " ", count: head.count + 4)) + line
                }
            }
    }

    private func table(_ report: HealthReport) -> [String] {
        let statusWidth = CheckStatus.allCases.map { text("status." + $0.rawValue).count }.max() ?? 8
        let nameWidth = min(34, report.checks.map { text("check." + $0.id).count }.max() ?? 20)
        // On a narrow terminal the finding stands under the name.
        let isNarrow = columns < 88
        let margin = isNarrow ? statusWidth + 3 : statusWidth + nameWidth + 5
        var lines: [String] = []
        for check in report.checks {
            let status = style.paint(
                TerminalText.padded(text("status." + check.status.rawValue), statusWidth), style.ink(check.status))
            let name = TerminalText.clipped(text("check." + check.id), isNarrow ? columns - margin : nameWidth)
            var segments = catalogue.segments(check.why)
            if let advice = check.advice, check.status != .pass {
                segments += [.init(text: " ", isCommand: false)] + catalogue.segments(advice)
            }
            var wrapped = TerminalText.wrap(segments, width: columns - margin, style: style)
            if isNarrow { wrapped.insert(style.paint(name, .bold), at: 0) }
            let head = " " + status + "  " + (isNarrow ? "" : TerminalText.padded(name, nameWidth) + "  ")
            for (index, line) in wrapped.enumerated() {
                lines.append((index == 0 ? head : String(repeating: " ", count: margin)) + line)
            }
        }
        let basis = TerminalText.wrap(
            catalogue.segments(report.expected.basis), width: columns - text("page.basis").count - 5, style: style)
        lines.append("")
        lines += basis.enumerated().map { index, line in
            (index == 0
                ? " " + style.paint(text("page.basis"), .bold) + "   "
                : String(repeating: " ", count: text("page.basis").count + 4)) + line
        }
        return lines
    }

    private func counts(_ report: HealthReport, _ all: Bool) -> String {
        let line = text(
            "page.counts",
            [
                "total": .integer(report.checks.count), "pass": .integer(report.count(.pass)),
                "warn": .integer(report.count(.warn)),
                "fail": .integer(report.count(.fail)), "info": .integer(report.count(.info)),
                "cannot": .integer(report.count(.cannotTell)),
            ])
        let hint = text("page.all-hint")
        guard line.count < columns else {
            return TerminalText.wrap([.init(text: line, isCommand: false)], width: columns - 2, style: style).map { " " + $0 }
                .joined(separator: "\n")
        }
        guard !all, line.count + hint.count + 4 <= columns else { return " " + line }
        return TerminalText.padded(" " + line, columns - hint.count - 1) + style.paint(hint, .dim)
    }
}
