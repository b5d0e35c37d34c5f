// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Testing

/// Both catalogues say the same things.
@Suite struct RenderingLanguagesTests {
    /// The names in braces of a template, and which of them choose between two forms.
    private func placeholders(_ template: String) -> Set<String> {
        Set(
            template.components(separatedBy: "{").dropFirst().compactMap { part in
                part.firstIndex(of: "}").map { end in
                    let inside = part[..<end].split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
                    return String(inside[0])
                }
            })
    }

    @Test func germanHasExactlyTheEnglishKeys() {
        let english = Set(Catalogue.english.withPageWords.templates.keys), german = Set(Catalogue.german.templates.keys)
        #expect(english.count > 300)
        #expect(english.subtracting(german).sorted() == [])
        #expect(german.subtracting(english).sorted() == [])
    }

    @Test func templatesHaveTheSamePlaceholders() {
        for (key, template) in Catalogue.english.withPageWords.templates {
            guard let german = Catalogue.german.templates[key] else { continue }
            #expect(placeholders(german) == placeholders(template), "\(key): \(german)")
            #expect(!german.trimmingCharacters(in: .whitespaces).isEmpty, "\(key)")
            #expect(german.filter { $0 == "{" }.count == german.filter { $0 == "}" }.count, "\(key)")
        }
    }

    /// Whole reports of every kind of run have no hole in German.
    @Test func everyGermanMessageIsWhole() {
        var runs = [SyntheticRun().facts(), SyntheticRun(excess: 0.5).facts(), SyntheticRun().facts().prefix(0.4)]
        for (index, harm) in CatalogueTests.harms.enumerated() {
            var facts = SyntheticRun(seed: UInt64(index)).facts()
            harm(&facts)
            runs.append(facts)
        }
        for facts in runs {
            let report = HealthReport.make(facts: facts)
            CatalogueTests.expectComplete(report, .german)
            let text = TerminalRenderer(columns: 100, catalogue: .german).render(report, all: true)
            #expect(!text.contains("{") && !text.contains("page.") && !text.contains("headline."))
            let html = HTMLRenderer.render(ReportDocument(report: report, facts: facts), catalogue: .german)
            #expect(!html.contains("doc.") || html.contains("docs/"))
        }
    }

    @Test func germanNumbers() {
        let german = Catalogue.german
        #expect(german.number(40_560_000, .short) == "40,6 Mio.")
        #expect(german.number(1_234_567, .integer) == "1.234.567")
        #expect(german.number(4.17, .fixed(2)) == "4,17")
        #expect(german.number(0.62, .percent(0)) == "62 %")
        // What is typed keeps the point: commands come from the rules, never from the catalogue.
        #expect(Catalogue.english.number(1.5e-3, .rate) == "1.5e-3")
    }
}
