// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Testing

/// The HTML and Markdown pages: structure, escaping, self-containment; numbers and sentences are tested where they are made.
@Suite struct RenderingTests {
    private func document(_ facts: RunFacts) -> ReportDocument {
        ReportDocument(report: HealthReport.make(facts: facts), facts: facts)
    }

    private var sick: RunFacts {
        var facts = SyntheticRun(excess: 0.5).facts()
        facts.config.nHead = Fact(24, .log)
        facts.device.name = Fact("RTX 4070", .option)
        facts.changeLosses { step, loss in step > 3000 ? loss + 2 : loss }
        return facts
    }

    private var underWay: RunFacts { SyntheticRun().facts().prefix(0.5) }

    private func runs() -> [(name: String, facts: RunFacts)] {
        [("healthy", SyntheticRun().facts()), ("sick", sick), ("under way", underWay)]
    }

    @Test func pagesAreWellFormedInBothLanguages() throws {
        for (name, facts) in runs() {
            for catalogue in [Catalogue.english, .german] {
                let html = HTMLRenderer.render(document(facts), catalogue: catalogue)
                #expect(Markup.firstError(html) == nil, "\(name), \(catalogue.language): \(Markup.firstError(html) ?? "")")
                #expect(html.contains("<html lang=\"\(catalogue.language)\">"))
            }
        }
    }

    /// One file that works without a network: nothing is loaded, and the only addresses are citations.
    @Test func pagesAreSelfContained() {
        for (name, facts) in runs() {
            let html = HTMLRenderer.render(document(facts))
            for forbidden in ["<script", "<link", "<img", "<iframe", "@import", "url(", "src=", "javascript:", "onload"] {
                #expect(!html.contains(forbidden), "\(name): \(forbidden)")
            }
            let addresses = html.components(separatedBy: "http").dropFirst()
            #expect(!addresses.isEmpty)
            for address in addresses { #expect(address.hasPrefix("s://arxiv.org/abs/"), "\(address.prefix(40))") }
        }
    }

    @Test func theVerdictComesFirstAndPlotsHaveTextAlternatives() throws {
        let html = HTMLRenderer.render(document(underWay))
        let parts = ["class=\"verdict\"", "<h1>", "h-next", "h-curve", "h-checks", "h-forecast", "h-settings", "h-sources"]
        let places = try parts.map { part in try #require(html.range(of: part), "\(part) is missing").lowerBound }
        #expect(places == places.sorted())
        let drawings = html.components(separatedBy: "<svg").count - 1
        #expect(drawings == 4)
        #expect(
            html.components(
                separatedBy: "<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" role=\"img\" aria-labelledby="
            ).count - 1 == drawings)
        #expect(html.components(separatedBy: "<title id=").count - 1 == drawings)
        #expect(html.components(separatedBy: "<desc id=").count - 1 == drawings)
        #expect(html.contains("class=\"area expected\"") && html.contains("class=\"area forecast\""))
        #expect(html.contains("scope=\"col\"") && html.contains("scope=\"row\""))
        #expect(html.contains("prefers-color-scheme:dark") && html.contains("@media print"))
        #expect(html.components(separatedBy: "<h1>").count == 2)
    }

    @Test func whatComesFromTheInputIsEscaped() {
        var facts = underWay
        facts.name = "<script>alert(1)</script>\u{202E}\"'&\u{0}|`x`"
        facts.dataset.name = Fact("a<b>|c\n# d", .option)
        facts.device.name = Fact("<img src=x onerror=y>", .option)
        facts.incidents = [RunIncident(.traceback, step: 10, detail: "</td></table><script>&amp;")]
        let html = HTMLRenderer.render(document(facts))
        #expect(Markup.firstError(html) == nil, "\(Markup.firstError(html) ?? "")")
        #expect(!html.contains("<script") && !html.contains("<img") && !html.contains("\u{202E}") && !html.contains("\u{0}"))
        #expect(html.contains("&lt;script&gt;alert(1)"))
        let markdown = MarkdownRenderer.render(document(facts))
        #expect(!markdown.contains("<script>") && !markdown.contains("\n# d"))
        #expect(markdown.contains("\\<script\\>"))
    }

    @Test func markdownTablesHaveEqualColumns() {
        for (name, facts) in runs() {
            let lines = MarkdownRenderer.render(document(facts), catalogue: .german).components(separatedBy: "\n")
            var columns: Int?
            for line in lines {
                guard line.hasPrefix("|") else {
                    columns = nil
                    continue
                }
                let count = line.replacingOccurrences(of: "\\|", with: "").components(separatedBy: "|").count
                #expect(columns == nil || columns == count, "\(name): \(line)")
                columns = count
            }
            #expect(lines.filter { $0.hasPrefix("## ") }.count >= 5)
        }
    }

    /// A run of one point, of no settings and of infinite values makes a page too.
    @Test func poorRecordsMakePages() {
        var facts = RunFacts(source: .csv, name: "x")
        var step = StepPoint(step: 5)
        step.loss = 3
        facts.steps = [step]
        var evaluations = underWay
        evaluations.config = ConfigFacts()
        evaluations.changeLosses { step, loss in step % 400 == 0 ? .infinity : loss }
        for facts in [facts, evaluations] {
            let html = HTMLRenderer.render(document(facts))
            #expect(Markup.firstError(html) == nil)
            for drawing in html.components(separatedBy: "<svg").dropFirst() {
                let svg = drawing.components(separatedBy: "</svg>")[0]
                #expect(!svg.contains("nan") && !svg.contains("inf"))
            }
            #expect(!MarkdownRenderer.render(document(facts)).isEmpty)
        }
    }

    @Test func jsonHasSettingsAndTheShareOfTheCeiling() throws {
        var document = document(SyntheticRun().facts())
        document.ceilingFraction = 0.71
        let object = try #require(JSONSerialization.jsonObject(with: document.json(catalogue: .english)) as? [String: Any])
        let settings = try #require(object["settings"] as? [String: Any])
        #expect(
            settings["n_layer"] as? Int == 12 && settings["learning_rate"] as? Double == 8e-4
                && settings["bias"] as? Bool == false)
        #expect((object["throughput"] as? [String: Any])?["ceiling_fraction"] as? Double == 0.71)
        #expect(object["schema"] as? Int == 1)
    }

    @Test func theRecordShowsLossesAndSettings() {
        let text = document(SyntheticRun().facts()).recordText(catalogue: .english, columns: 80)
        for part in [
            "Parameters", "123,600,000", "Tokens seen", "Tokens a second", "Validation loss", "n_layer = 12",
            "learning_rate = 8e-4", "vocab_size = 50304",
        ] {
            #expect(text.contains(part), "\(part)")
        }
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }
}

/// Looks for the first place where a page is not well-formed XML.
private enum Markup {
    static func firstError(_ html: String) -> String? {
        var open: [String] = []
        var rest = html[...]
        if let end = rest.range(of: "<!DOCTYPE html>") { rest = rest[end.upperBound...] }
        while let start = rest.firstIndex(where: { $0 == "<" || $0 == "&" || $0 == ">" }) {
            switch rest[start] {
            case ">":
                // Style sheets may use it as a combinator.
                guard open.last == "style" else { return "a bare > near \(rest[start...].prefix(40))" }
                rest = rest[rest.index(after: start)...]
            case "&":
                guard let end = rest[start...].prefix(9).firstIndex(of: ";"),
                    ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].contains(String(rest[start...end]))
                else { return "an unknown entity near \(rest[start...].prefix(40))" }
                rest = rest[rest.index(after: end)...]
            default:
                guard let end = rest[start...].firstIndex(of: ">") else { return "an open tag near \(rest[start...].prefix(40))" }
                let tag = rest[rest.index(after: start)..<end]
                rest = rest[rest.index(after: end)...]
                if tag.contains("<") { return "a tag inside a tag: \(tag.prefix(60))" }
                if tag.hasPrefix("/") {
                    guard open.popLast() == String(tag.dropFirst()) else { return "</\(tag.dropFirst())> closes nothing" }
                    continue
                }
                if tag.filter({ $0 == "\"" }).count % 2 != 0 { return "an open quote in <\(tag.prefix(60))>" }
                if !tag.hasSuffix("/") { open.append(String(tag.prefix { !$0.isWhitespace })) }
            }
        }
        return open.isEmpty ? nil : "never closed: \(open)"
    }
}
