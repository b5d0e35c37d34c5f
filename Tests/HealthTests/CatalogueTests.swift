// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Testing

@Suite struct CatalogueTests {
    private let english = Catalogue.english

    @Test func numbers() {
        #expect(english.number(4.1699, .fixed(2)) == "4.17")
        #expect(english.number(-0.001, .fixed(2)) == "0.00")
        #expect(english.number(0.03, .signed(2)) == "+0.03")
        #expect(english.number(1_234_567, .integer) == "1,234,567")
        #expect(english.number(1024, .integer) == "1024")
        #expect(english.number(40_560_000, .short) == "40.6M")
        #expect(english.number(3_145_728_000, .short) == "3.15B")
        #expect(english.number(5e9, .short) == "5B")
        #expect(english.number(999_600, .short) == "1M")
        #expect(english.number(524_288, .short) == "524k")
        #expect(english.number(0.617, .percent(0)) == "62%")
        #expect(english.number(5e-4, .rate) == "5e-4")
        #expect(english.number(9.996e-4, .rate) == "1e-3")
        #expect(english.number(1.25e-3, .rate) == "1.25e-3")
        #expect(english.number(0, .rate) == "0")
        #expect(english.number(7.28, .hours) == "7.3 h")
        #expect(english.number(0.5, .hours) == "30 min")
        #expect(english.number(250, .hours) == "250 h")
        #expect(english.number(0.001, .hours) == "< 1 min")
        #expect(english.number(35.88, .significant(3)) == "35.9")
        #expect(english.number(.nan, .fixed(2)) == "NaN")
    }

    @Test func marksOfAnotherLanguage() {
        let german = Catalogue(
            language: "de", decimalMark: ",", groupMark: ".", listLast: " und ", shortUnits: [" Tsd.", " Mio.", " Mrd."],
            templates: ["a": "{x} und {y}"])
        #expect(german.number(40_560_000, .short) == "40,6 Mio.")
        #expect(german.number(1_234_567.5, .fixed(1)) == "1.234.567,5")
        #expect(german.text(Message("a", ["x": .number(0.5, .percent(0)), "y": .text("z")])) == "50 % und z")
    }

    @Test func templates() {
        let catalogue = Catalogue(
            language: "en", decimalMark: ".", groupMark: ",", listLast: " and ",
            templates: [
                "a": "run {command} now", "b": "{count#one thing|% things}", "c": "{list}", "d": "x {missing}", "word": "w",
            ])
        #expect(catalogue.segments(Message("a", ["command": .command("ls -l")])).map(\.isCommand) == [false, true, false])
        #expect(catalogue.text(Message("b", ["count": .integer(1)])) == "one thing")
        #expect(catalogue.text(Message("b", ["count": .integer(3)])) == "3 things")
        let words = MessageArgument.list([Message("word"), Message("word"), Message("word")])
        #expect(catalogue.text(Message("c", ["list": words])) == "w, w and w")
        #expect(catalogue.text(Message("d")) == "x {missing}")
        #expect(catalogue.text(Message("none", ["k": .integer(2)])) == "none k=2")
        #expect(catalogue.text(.verbatim("as is {x}")) == "as is {x}")
    }

    /// Every check has a name and a rule, and no template is left with a hole, over all the runs that the tests know.
    @Test func everyMessageHasItsTemplate() throws {
        for rule in HealthRules.all {
            #expect(english.has("check." + rule.id), "\(rule.id)")
            #expect(english.has("rule." + rule.id), "\(rule.id)")
        }
        var runs = [SyntheticRun().facts(), SyntheticRun(excess: 0.5).facts(), SyntheticRun().facts().prefix(0.4)]
        runs.append(try HealthInput.load(path: ReferenceRunTests.log))
        for (index, harm) in Self.harms.enumerated() {
            var facts = SyntheticRun(seed: UInt64(index)).facts()
            harm(&facts)
            runs.append(facts)
        }
        for facts in runs { Self.expectComplete(HealthReport.make(facts: facts), english) }
    }

    /// Ways to make each rule say something else.
    static let harms: [@Sendable (inout RunFacts) -> Void] = [
        { $0.config = ConfigFacts() },
        {
            $0.evals = []; $0.config.vocabSize = Fact(300, .log)
        },
        { $0.steps = [] },
        { $0.changeLosses { step, loss in step > 2000 ? loss + 3 : loss } },
        { $0.changeLosses { step, loss in step > 2000 ? .nan : loss } },
        { $0.changeLosses { step, loss in step == 2000 ? .infinity : loss } },
        { $0.changeLosses { _, loss in loss * 0.2 } },
        {
            $0.config.learningRate = Fact(1e-1, .log); $0.config.warmupIters = Fact(0, .log)
        },
        {
            $0.config.learningRate = Fact(1e-5, .log); $0.config.warmupIters = Fact(3000, .log)
        },
        {
            $0.config.learningRate = Fact(1e-5, .log); $0.config.nEmbd = nil
        },
        {
            $0.config.schedule = Fact(.constant, .log); $0.device.name = Fact("RTX 4090", .option);
            $0.device.memoryUsedBytes = 25e9
        },
        {
            $0.config.tokensPerStep = Fact(8e6, .log); $0.dataset.trainTokens = Fact(1e9, .log)
        },
        {
            $0.config.optimizer = Fact("Lion", .log); $0.dataset.trainTokens = nil
        },
        {
            $0.incidents = [
                RunIncident(.resume, step: 1000, detail: ""), RunIncident(.outOfMemory, step: 900, detail: "CUDA out of memory"),
            ]
        },
        {
            $0.incidents = [
                RunIncident(.traceback, step: 1000, detail: "ValueError: x"), RunIncident(.skip, step: 3, detail: ""),
            ]
        },
        {
            $0.config.nHead = Fact(24, .log); $0.config.nLayer = Fact(24, .log)
        },
        {
            $0.config.nHead = Fact(16, .log); $0.config.nLayer = Fact(24, .log); $0.device.name = Fact("RTX 4090", .option)
        },
        {
            $0.dataset.trainDocuments = 1; var audit = AuditRecord(); audit.tokensPerDocumentMean = 5; $0.dataset.audit = audit
        },
        {
            var audit = AuditRecord(); audit.tokensPerDocumentMean = 300; $0.dataset.audit = audit;
            $0.dataset.validationStderr = Fact(0.03, .log)
        },
        {
            $0.source = .apus; $0.device.name = Fact("AMD EPYC", .log); $0.device.memoryUsedBytes = 1e9
        },
        {
            $0.source = .apus; $0.device.name = Fact("RTX 3090", .log); $0.device.memoryUsedBytes = 20e9;
            $0.dataset.bytesPerToken = Fact(4.6, .log)
        },
    ]

    /// No hole, no missing template anywhere in a report.
    static func expectComplete(_ report: HealthReport, _ catalogue: Catalogue) {
        var messages: [Message] = [report.headline, report.expected.basis] + report.notes
        messages += report.reasons.flatMap { [$0.label, $0.text] }
        messages += report.checks.flatMap {
            [$0.why] + ($0.advice.map { [$0] } ?? []) + ($0.reason.map { [$0.label, $0.text] } ?? [])
        }
        messages += report.forecast.flatMap { [$0.title, $0.basis] }
        messages += report.nextSteps.flatMap { [$0.title, $0.why] }
        for message in messages {
            #expect(catalogue.has(message.key) || message.key == "verbatim", "no template for \(message.key)")
            let text = catalogue.text(message)
            #expect(!text.contains("{") && !text.contains("}"), "a hole in \(message.key): \(text)")
        }
    }
}
