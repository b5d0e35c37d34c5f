// SPDX-License-Identifier: MIT
import Foundation
import Health
import Testing

@Suite struct TerminalTests {
    private func plain(_ text: String) -> String { text.replacing(/\u{1B}\[[0-9;]*m/, with: "") }

    /// Nothing is wider than the terminal, at any width and for any run.
    @Test func fitsTheWidth() throws {
        var reports = [try ReferenceRunTests.report(), HealthReport.make(facts: SyntheticRun().facts())]
        for harm in CatalogueTests.harms {
            var facts = SyntheticRun().facts()
            harm(&facts)
            reports.append(HealthReport.make(facts: facts))
        }
        for columns in [60, 80, 96, 120] {
            for report in reports {
                for line in TerminalRenderer(columns: columns).render(report, all: true).split(separator: "\n") {
                    // A command is one word, so that it can be copied; a long one stands out.
                    if line.contains("apus ") || line.contains("$ ") { continue }
                    #expect(line.count <= columns, "\(columns): \(line)")
                }
            }
        }
    }

    /// Curves whose top and bottom are next to each other, or further apart than a number can say, once were traps.
    @Test(arguments: [
        ["3", "3", "3", "3.0000000000000004", "3"], ["1e308", "-1e308", "3", "2.5", "2.4"], ["1e-320", "0", "1e-320", "0", "0"],
        ["1e300", "4", "3", "2.5", "2.4"],
    ]) func lossesAtTheEdgesOfNumbersAreDrawn(losses: [String]) throws {
        let rows = losses.enumerated().map { "\(100 * $0),\($1)\n" }.joined()
        let facts = try HealthInput.parse(Data(("step,val_loss\n" + rows).utf8), name: "input.csv")
        let report = HealthReport.make(facts: facts)
        let document = ReportDocument(report: report, facts: facts, ceilingFraction: nil)
        for catalogue in [Catalogue.english, .german] {
            let terminal = TerminalRenderer(columns: 80, colour: false, catalogue: catalogue).render(report, all: true)
            let page = HTMLRenderer.render(document, catalogue: catalogue)
            #expect(terminal.contains("input.csv") && page.contains("input.csv"))
            #expect(!MarkdownRenderer.render(document, catalogue: catalogue).isEmpty)
            #expect(try JSONSerialization.jsonObject(with: document.json(catalogue: catalogue)) is [String: Any])
        }
    }

    /// The letter fits on a screen, and colour changes nothing but colour.
    @Test func theLetter() throws {
        let report = try ReferenceRunTests.report()
        let letter = TerminalRenderer(columns: 100).render(report)
        #expect(letter.split(separator: "\n", omittingEmptySubsequences: false).count <= 42)
        let coloured = TerminalRenderer(columns: 100, colour: true).render(report)
        #expect(coloured != letter)
        #expect(plain(coloured) == letter)
        #expect(!letter.contains("\u{1B}"))
        // Verdict, reasons, next steps, speed, plot, counts: in this order.
        let order = ["WATCH", "4.17", "data", "What to do next", "Speed", "loss", "3.15B tokens\n", "32 checks"]
        var rest = letter[...]
        for word in order {
            let found = try #require(rest.range(of: word), "\(word) is missing")
            rest = rest[found.upperBound...]
        }
    }

    @Test func theListOfChecks() throws {
        let report = try ReferenceRunTests.report()
        let letter = TerminalRenderer(columns: 100).render(report),
            list = TerminalRenderer(columns: 100).render(report, all: true)
        #expect(!letter.contains("gradient norm"))
        for check in report.checks {
            #expect(list.contains(Catalogue.english.text(Message("check." + check.id))), "\(check.id)")
        }
    }

    /// Text of this page against the last time someone looked at it; a change of wording is made in both places on purpose.
    @Test func theReferenceRunsLetter() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "Fixtures/reference-40m.txt"
        ).path
        let expected = try String(contentsOfFile: path, encoding: .utf8)
        let letter = TerminalRenderer(columns: 96).render(try ReferenceRunTests.report())
        #expect(letter == expected)
    }
}
