// SPDX-License-Identifier: MIT
import Foundation

/// The report as one HTML file that needs nothing else: no script, no network, light and dark, for screens and for paper.
public enum HTMLRenderer {
    /// The report as one HTML page that needs no other file.
    public static func render(_ document: ReportDocument, catalogue: Catalogue = .english) -> String {
        HTMLWriter(document, PageText(catalogue)).page()
    }
}

/// Writes the page from top to bottom: verdict, reasons, what to do, curves, checks, forecast, speed, settings, sources.
private struct HTMLWriter {
    private let document: ReportDocument
    private let report: HealthReport
    private let text: PageText
    private let plots: HTMLPlots

    init(_ document: ReportDocument, _ text: PageText) {
        self.document = document
        report = document.report
        self.text = text
        plots = HTMLPlots(document, text)
    }

    func page() -> String {
        let title = text.word("title", ["run": .text(report.run.name)])
        let parts = [letter(), nextSteps(), curves(), checks(), forecast(), speed(), settings(), sources()]
        return """
            <!DOCTYPE html>
            <html lang="\(text.catalogue.language)">
            <head>
            <meta charset="utf-8"/>
            <meta name="viewport" content="width=device-width, initial-scale=1"/>
            <meta name="color-scheme" content="light dark"/>
            <meta name="generator" content="apus report"/>
            <title>\(Markup.escape(title))</title>
            <style>\(HTMLStyle.sheet)</style>
            </head>
            <body class="\(report.verdict.rawValue)">
            <main>
            \(parts.joined())</main>
            </body>
            </html>

            """
    }

    private func word(_ key: String, _ arguments: [String: MessageArgument] = [:]) -> String {
        Markup.escape(text.word(key, arguments))
    }
    private func number(_ value: Double, _ style: NumberStyle) -> String { Markup.escape(text.catalogue.number(value, style)) }

    private func sentence(_ message: Message) -> String {
        text.catalogue.segments(message).map { $0.isCommand ? "<code>\(Markup.command($0.text))</code>" : Markup.escape($0.text) }
            .joined()
    }

    /// The same as a title of its own: it starts with a capital letter.
    private func headline(_ message: Message) -> String {
        text.capitalised(sentence(message))
    }

    private func section(_ id: String, _ body: String) -> String {
        body.isEmpty
            ? "" : "<section aria-labelledby=\"h-\(id)\">\n<h2 id=\"h-\(id)\">\(word("section." + id))</h2>\n\(body)</section>\n"
    }

    // MARK: The letter

    private func letter() -> String {
        let identity = text.identity(report).enumerated().map { index, part in
            index == 0 ? "<b>\(Markup.escape(part))</b>" : "<span>\(Markup.escape(part))</span>"
        }
        let reasons = report.reasons.map { reason in
            // A number speaks louder than a word.
            let label = text.catalogue.text(reason.label), isNumber = label.contains { $0.isNumber }
            return
                "<div><dt\(isNumber ? " class=\"figure\"" : "")>\(Markup.escape(label))</dt>"
                + "<dd>\(sentence(reason.text))</dd></div>\n"
        }.joined()
        let notes = report.notes.map { "<p class=\"note\">\(sentence($0))</p>\n" }.joined()
        return """
            <header>
            <p class="identity">\(identity.joined(separator: " "))</p>
            <p class="verdict"><span>\(word("verdict." + report.verdict.rawValue))</span></p>
            <h1>\(sentence(report.headline))</h1>
            </header>
            \(reasons.isEmpty ? "" : "<dl class=\"reasons\">\n\(reasons)</dl>\n")\(notes)
            """
    }

    private func nextSteps() -> String {
        func item(_ step: HealthReport.NextStep) -> String {
            var price: [String] = []
            if let band = step.valLoss { price.append("<span>\(word("loss")) <b>\(Markup.escape(text.band(band)))</b></span>") }
            if let hours = step.hours { price.append("<span><b>\(number(hours, .hours))</b></span>") }
            return "<li\(step.discouraged ? " class=\"discouraged\"" : "")><h3>\(headline(step.title))</h3>"
                + (price.isEmpty ? "" : "<p class=\"price\">\(price.joined())</p>")
                + "<p>\(headline(step.why))</p>"
                + (step.command.map { "<pre><code>\(Markup.command($0))</code></pre>" } ?? "") + "</li>\n"
        }
        let good = report.nextSteps.filter { !$0.discouraged }, bad = report.nextSteps.filter(\.discouraged)
        var body = good.isEmpty ? "" : "<ol class=\"steps\">\n\(good.map(item).joined())</ol>\n"
        if !bad.isEmpty {
            body += "<h3 class=\"aside\">\(word("not-worth-it"))</h3>\n<ul class=\"steps\">\n\(bad.map(item).joined())</ul>\n"
        }
        return section("next", body)
    }

    // MARK: Curves

    private func curves() -> String {
        let small = [plots.learningRate(), plots.gradientNorm(), plots.throughput()].compactMap { plots.figure($0) }
        let main = plots.figure(plots.loss(), details: lossTable()) ?? lossTable()
        return section("curve", main + (small.isEmpty ? "" : "<div class=\"small\">\n\(small.joined())</div>\n"))
    }

    private func lossTable() -> String {
        guard !report.curve.isEmpty else { return "" }
        let points = Statistics.thinned(report.curve, to: 40)
        let rows = points.map { point -> String in
            let cells = [
                point.tokens.map { number($0, .short) }, point.trainLoss.map { number($0, .fixed(3)) },
                point.valLoss.map { number($0, .fixed(3)) },
            ]
            return "<tr><th scope=\"row\">\(number(Double(point.step), .integer))</th>"
                + cells.map { "<td>\($0 ?? "–")</td>" }.joined() + "</tr>\n"
        }.joined()
        return "<details\(points.count <= 12 ? " open=\"open\"" : "")><summary>\(word("loss-table"))</summary>\n"
            + "<div class=\"scroll\"><table class=\"numbers\">\(head(["step", "tokens", "train-loss", "val-loss"]))"
            + "<tbody>\n\(rows)</tbody></table></div></details>"
    }

    // MARK: Tables

    private func checks() -> String {
        // What needs attention stands first; within a kind the order of the rules holds.
        let order: [CheckStatus] = [.fail, .warn, .pass, .info, .cannotTell]
        let rows = order.flatMap { status in report.checks.filter { $0.status == status } }.map(row).joined()
        let columns = head(["status", "check", "value", "expected", "finding"])
        let table =
            "<table class=\"checks\">\(columns)<tbody>\n\(rows)</tbody></table>\n"
        return section("checks", "<p>\(Markup.escape(text.counts(report)))</p>\n" + table)
    }

    private func row(_ check: Check) -> String {
        let value = check.value.map { Markup.escape(text.value($0, unit: check.unit)) } ?? ""
        let range = check.expected.map { Markup.escape(text.range($0, unit: check.unit)) } ?? ""
        let confidence = word("confidence", ["level": .text(text.word("confidence." + check.confidence.rawValue))])
        let finding = [
            "<p>\(sentence(check.why))</p>", check.advice.map { "<p class=\"advice\">\(sentence($0))</p>" } ?? "",
            check.command.map { "<pre><code>\(Markup.command($0))</code></pre>" } ?? "",
            "<details><summary>\(word("rule"))</summary><p>\(sentence(Message("rule." + check.id)))",
            " <cite>\(Markup.citation(check.source))</cite> \(confidence)</p></details>",
        ]
        return "<tr class=\"\(check.status.rawValue)\">"
            + "<td class=\"status\"><span>\(word("status." + check.status.rawValue))</span></td>"
            + "<th scope=\"row\">\(headline(Message("check." + check.id)))<small>\(Markup.escape(check.id))</small></th>"
            + cell("value", value, style: "value") + cell("expected", range, style: "value")
            + "<td class=\"finding\">\(finding.joined())</td></tr>\n"
    }

    /// A cell that carries its column's name for narrow screens, where the table becomes a list.
    private func cell(_ column: String, _ html: String, style: String? = nil) -> String {
        "<td\(style.map { " class=\"\($0)\"" } ?? "") data-label=\"\(word("column." + column))\">\(html)</td>"
    }

    private func head(_ columns: [String]) -> String {
        "<thead><tr>" + columns.map { "<th scope=\"col\">\(word("column." + $0))</th>" }.joined() + "</tr></thead>"
    }

    private func forecast() -> String {
        var body = "<p>\(headline(report.expected.basis)). \(bitsPerByte())</p>\n"
        if !report.forecast.isEmpty {
            let rows = report.forecast.map { scenario in
                "<tr\(scenario.best ? " class=\"best\"" : "")><th scope=\"row\">\(headline(scenario.title))"
                    + (scenario.best ? " <em>\(word("best"))</em>" : "") + "<small>\(headline(scenario.basis))</small></th>"
                    + cell("tokens", number(scenario.tokens, .short))
                    + cell("val-loss", Markup.escape(text.band(scenario.valLoss)))
                    + cell("hours", scenario.hours.map { number($0, .hours) } ?? "–")
                    + cell("confidence", word("confidence." + scenario.confidence.rawValue)) + "</tr>\n"
            }.joined()
            let columns = head(["scenario", "tokens", "val-loss", "hours", "confidence"])
            body += "<table class=\"forecast\">\(columns)<tbody>\n\(rows)</tbody></table>\n"
        }
        return section("forecast", body)
    }

    private func bitsPerByte() -> String {
        guard let bits = report.expected.bitsPerByte else { return "" }
        return word("bits-per-byte", ["bits": .number(bits, .fixed(3))])
    }

    private func speed() -> String {
        let lines = text.speed(document)
        guard !lines.isEmpty else { return "" }
        return section("speed", list(lines.map { (Markup.escape($0.name), Markup.escape($0.value), "") }))
    }

    private func settings() -> String {
        let lines = document.settings.map { setting in
            let origin = setting.origin == .log ? "" : " <small>\(word("origin." + setting.origin.rawValue))</small>"
            return ("<code>\(Markup.escape(setting.key))</code>", Markup.escape(text.setting(setting.value)), origin)
        }
        return lines.isEmpty ? "" : section("settings", list(lines))
    }

    private func list(_ lines: [(name: String, value: String, after: String)]) -> String {
        "<dl class=\"facts\">\n" + lines.map { "<div><dt>\($0.name)</dt><dd>\($0.value)\($0.after)</dd></div>\n" }.joined()
            + "</dl>\n"
    }

    private func sources() -> String {
        var seen: Set<String> = []
        let lines = ([report.expected.source] + report.checks.map(\.source)).filter { !$0.isEmpty && seen.insert($0).inserted }
        let body =
            lines.isEmpty
            ? "" : "<ul class=\"sources\">\n" + lines.map { "<li>\(Markup.citation($0))</li>\n" }.joined() + "</ul>\n"
        return section("sources", body)
    }
}
