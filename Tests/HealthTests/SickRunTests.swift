// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Testing

/// Sick runs made from a sound one, each with the check that must find it.
@Suite struct SickRunTests {
    private func report(_ run: SyntheticRun = SyntheticRun(), _ harm: (inout RunFacts) -> Void) -> HealthReport {
        var facts = run.facts()
        harm(&facts)
        return HealthReport.make(facts: facts)
    }

    @Test func rateTooHighDiverges() {
        let report = report(SyntheticRun(peak: 3e-2, minRate: 3e-3)) { facts in
            facts.changeLosses { step, loss in step < 1200 ? loss : loss + 3.5 * (1 - exp(-Double(step - 1200) / 200)) }
            for index in facts.steps.indices where facts.steps[index].step > 1100 { facts.steps[index].gradNorm = 8 }
        }
        #expect(report.status("divergence") == .fail)
        #expect(report.status("learning-rate") == .warn)
        #expect(report.verdict == .unhealthy)
        #expect(report.headline.key == "headline.divergence")
        #expect(report.forecast.isEmpty)
    }

    @Test func rateTooHighNeverLearns() {
        let report = report(SyntheticRun(peak: 2e-2, minRate: 2e-3)) { facts in
            facts.changeLosses { step, loss in max(loss, 7.72 + 3 * exp(-Double(step) / 80)) }
        }
        #expect(report.status("unigram") == .fail)
        #expect(report.headline.key == "headline.unigram")
    }

    @Test func missingWarmupWithASpikeThatStays() {
        let report = report(SyntheticRun(warmup: 0)) { facts in
            facts.changeLosses { step, loss in step < 700 ? loss : loss + 0.35 + 1.2 * exp(-Double(step - 700) / 60) }
        }
        #expect(report.status("warmup") == .warn)
        #expect(report.status("spikes") == .warn)
        #expect(report.verdict != .healthy)
    }

    @Test func spikesThatRecoverAreNoAlarm() {
        let report = report { facts in
            for index in facts.steps.indices where facts.steps[index].step == 2000 || facts.steps[index].step == 3001 {
                facts.steps[index].loss = (facts.steps[index].loss ?? 0) + 1.5
            }
        }
        #expect(report.checks.first { $0.id == "spikes" }?.why.key == "spikes.recovered")
        #expect(report.verdict == .healthy)
    }

    @Test func overflowEndsInNaN() {
        let report = report { facts in
            facts.config.dtype = Fact("float16", .log)
            facts.changeLosses { step, loss in step < 1500 ? loss : .nan }
        }
        #expect(report.status("non-finite") == .fail)
        #expect(report.headline.key == "headline.non-finite")
        let check = report.checks.first { $0.id == "non-finite" }
        #expect(check?.advice?.key == "non-finite.advice-fp16")
        #expect(check?.why.arguments["step"] == .integer(1500))
    }

    @Test func leakingLabels() {
        let report = report { facts in facts.changeLosses { step, loss in loss * exp(-Double(step) / 1200) } }
        #expect(report.status("too-good") == .fail)
        #expect(report.headline.key == "headline.too-good")
    }

    /// Documents cut into lines: high from the start, smooth, alike on both splits.
    @Test func documentsCutIntoLinesAreSuspected() {
        let report = report(SyntheticRun(excess: 0.45)) { _ in }
        #expect(report.status("loss-expected") == .warn)
        #expect(report.status("documents") == .warn)
        #expect(report.reasons.dropFirst().first?.label == Message("label.data"))
        #expect(report.checks.first { $0.id == "documents" }?.command == "apus prepare --audit data/fineweb")
        #expect(report.forecast.first { $0.best }?.id.contains("better-data") == true)
    }

    @Test func documentsCutIntoLinesAreProvedByTheAudit() {
        let report = report(SyntheticRun(excess: 0.45)) { facts in
            var audit = AuditRecord()
            audit.tokensPerDocumentMean = 38
            facts.dataset.audit = audit
        }
        #expect(report.status("documents") == .fail)
        #expect(report.verdict == .unhealthy)
        #expect(report.nextSteps.first?.title.key == "documents.advice-prepare")
    }

    /// The same loss with sound documents must not blame them.
    @Test func soundDocumentsAreNotBlamed() {
        let report = report(SyntheticRun(excess: 0.45)) { facts in
            var audit = AuditRecord()
            audit.tokensPerDocumentMean = 720
            facts.dataset.audit = audit
        }
        #expect(report.status("documents") == .pass)
        #expect(report.status("loss-expected") == .warn)
    }

    @Test func tinyValidationSplit() {
        let report = report { facts in
            facts.dataset.valTokens = Fact(6000, .log)
            var random = TestRandom(5)
            for index in facts.evals.indices {
                facts.evals[index].valLoss = (facts.evals[index].valLoss ?? 0) + 0.05 * random.normal()
            }
        }
        #expect(report.status("validation-power") == .fail)
    }

    /// A hundred thousand characters at 1.5 nats say as much as four hundred thousand tokens at 3.3.
    @Test func aSmallSplitOfCharactersSuffices() {
        let report = report { facts in
            facts.dataset.valTokens = Fact(111_540, .log)
            facts.dataset.tokenizer = Fact("char", .log)
            facts.config.vocabSize = Fact(65, .log)
            facts.changeLosses { step, _ in 1.45 + (log(65) - 1.45) * exp(-Double(step) / 200) }
        }
        #expect(report.status("validation-power") == .pass)
        #expect(report.verdict == .healthy)
    }

    @Test func repeatedDataIsOverFitted() {
        let report = report { facts in
            facts.dataset.trainTokens = Fact(20e6, .log)
            for index in facts.evals.indices where facts.evals[index].step > 1500 {
                let late = Double(facts.evals[index].step - 1500) / 2500
                facts.evals[index].trainLoss = (facts.evals[index].trainLoss ?? 0) - 0.8 * late
                facts.evals[index].valLoss = (facts.evals[index].valLoss ?? 0) + 0.9 * late
            }
            for index in facts.steps.indices where facts.steps[index].step > 1500 {
                facts.steps[index].loss = (facts.steps[index].loss ?? 0) - 0.8 * Double(facts.steps[index].step - 1500) / 2500
            }
        }
        #expect(report.status("epochs") == .fail)
        #expect(report.status("train-val-gap") == .fail)
        #expect(report.checks.first { $0.id == "train-val-gap" }?.why.key == "train-val-gap.overfit")
        // Over-fitting is no sign of cut documents.
        #expect(report.status("documents") == .cannotTell)
    }

    @Test func validationTextThatLeaksIntoTraining() {
        let report = report { facts in
            for index in facts.evals.indices where facts.evals[index].step > 0 {
                facts.evals[index].valLoss = (facts.evals[index].valLoss ?? 0) - 0.2
            }
        }
        #expect(report.checks.first { $0.id == "train-val-gap" }?.why.key == "train-val-gap.leak")
    }

    @Test func validationTextOfAnotherKind() {
        let report = report { facts in
            for index in facts.evals.indices where facts.evals[index].step > 0 {
                facts.evals[index].valLoss = (facts.evals[index].valLoss ?? 0) + 0.3
            }
        }
        #expect(report.checks.first { $0.id == "train-val-gap" }?.why.key == "train-val-gap.domain")
        #expect(report.status("documents") != .warn)
    }

    @Test func wrongVocabulary() {
        let report = report { facts in facts.changeLosses { step, loss in step < 3 ? log(5000) : min(loss, log(5000)) } }
        #expect(report.status("init-loss") == .fail)
    }

    @Test func scheduleCutShort() {
        let report = report(SyntheticRun(decayEnd: 60_000)) { _ in }
        #expect(report.status("schedule-end") == .warn)
        #expect(report.checks.first { $0.id == "schedule-end" }?.why.key == "schedule-end.late")
        #expect(report.status("final-rate") == .warn)
        // The loss is judged as that of a run whose rate is still high.
        #expect(report.status("loss-expected") == .pass)
    }

    @Test func decayThatEndsTooEarly() {
        let report = report(SyntheticRun(decayEnd: 2000)) { _ in }
        #expect(report.checks.first { $0.id == "schedule-end" }?.why.key == "schedule-end.early")
    }

    @Test func badResumeSeam() {
        let report = report { facts in
            facts.incidents.append(RunIncident(.resume, step: 2500, detail: ""))
            facts.changeLosses { step, loss in step < 2500 ? loss : loss + 0.6 * exp(-Double(step - 2500) / 150) }
        }
        #expect(report.status("resume-seams") == .fail)
        #expect(report.verdict == .unhealthy)
    }

    @Test func goodResumeSeam() {
        let report = report { facts in facts.incidents.append(RunIncident(.resume, step: 2500, detail: "")) }
        #expect(report.checks.first { $0.id == "resume-seams" }?.why.key == "resume-seams.pass")
        #expect(report.verdict == .healthy)
    }

    /// The loader gives the same batch for ever: training loss goes to nothing, validation loss climbs.
    @Test func deadDataLoader() {
        let report = report { facts in
            for index in facts.steps.indices where facts.steps[index].step > 1000 {
                let late = Double(facts.steps[index].step - 1000)
                facts.steps[index].loss = 0.02 + 4 * exp(-late / 100)
            }
            for index in facts.evals.indices where facts.evals[index].step > 1000 {
                facts.evals[index].valLoss = (facts.evals[index].valLoss ?? 0) + Double(facts.evals[index].step - 1000) / 1000
            }
        }
        #expect(report.verdict == .unhealthy)
        #expect(report.status("too-good") == .fail)
    }

    /// The loader hangs: updates wait for it.
    @Test func slowDataLoader() {
        let report = report { facts in
            for index in facts.steps.indices {
                facts.steps[index].dataMs = 700
                facts.steps[index].stepMs = 1700
            }
        }
        #expect(report.status("data-stalls") == .fail)
        // Slow is not sick.
        #expect(report.verdict == .healthy)
    }

    @Test func growingGradientNorm() {
        let report = report { facts in
            for index in facts.steps.indices {
                facts.steps[index].gradNorm = 0.3 * exp(4 * Double(facts.steps[index].step) / 4000)
            }
        }
        #expect(report.status("grad-norm") == .warn)
    }

    @Test func clippingMostOfTheTime() {
        let report = report { facts in for index in facts.steps.indices { facts.steps[index].gradNorm = 1.6 } }
        #expect(report.status("clip-rate") == .warn)
    }

    @Test func throttlingAndUnevenSteps() {
        let report = report { facts in
            for index in facts.steps.indices {
                let step = facts.steps[index].step
                facts.steps[index].stepMs = (step > 3000 ? 1300 : 1000) * (step % 10 == 3 ? 2.5 : 1)
            }
        }
        #expect(report.status("throughput-drift") == .warn)
        #expect(report.status("step-time") == .warn)
    }

    @Test func samplesThatGoRoundInCircles() {
        let report = report { facts in facts.samples = [String(repeating: "the cat sat on the mat and ", count: 30)] }
        #expect(report.status("samples") == .warn)
        let sound = (0..<200).map { "word\($0 * 7919 % 211)" }.joined(separator: " ")
        #expect(self.report { $0.samples = [sound] }.status("samples") == .pass)
    }
}
