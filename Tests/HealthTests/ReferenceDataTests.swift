// SPDX-License-Identifier: MIT
import Foundation
import Health
import Testing

@Suite struct ReferenceDataTests {
    /// Public end points lie inside the expected band at least as often as the band claims; those the law was fitted to do not
    /// count.
    @Test func endPointsLieInTheBand() throws {
        var inside = 0, total = 0
        for run in ReferenceRun.all where !run.isFitted && !run.isSpecial && run.confidence == .good {
            let expectation = Expectation.of(run.facts, tokens: run.tokens)
            let band = try #require(expectation.band)
            let fits = run.loss >= band.low && run.loss <= band.high
            print(
                String(
                    format: "expected %@: %.3f [%.3f, %.3f], was %.3f%@", run.name, band.mid, band.low, band.high, run.loss,
                    fits ? "" : "  OUTSIDE"))
            total += 1
            if fits { inside += 1 }
        }
        #expect(total >= 12)
        #expect(Double(inside) / Double(total) >= Expectation.coverage)
    }

    @Test func fittedEndPointsLieInTheBand() throws {
        for run in ReferenceRun.all where run.isFitted {
            let band = try #require(Expectation.of(run.facts, tokens: run.tokens).band)
            #expect(run.loss >= band.low && run.loss <= band.high, "\(run.name) \(band)")
        }
    }

    @Test func namesOfCards() {
        #expect(GPU.named("RTX 4070")?.name == "GeForce RTX 4070")
        #expect(GPU.named("NVIDIA GeForce RTX 4070")?.bf16Tflops == 58.3)
        #expect(GPU.named("rtx4070ti")?.name == "GeForce RTX 4070 Ti")
        #expect(GPU.named("4070 Ti SUPER")?.name == "GeForce RTX 4070 Ti SUPER")
        #expect(GPU.named("RTX 4070 super")?.name == "GeForce RTX 4070 SUPER")
        #expect(GPU.named("NVIDIA A100-SXM4-80GB")?.name == "A100 SXM4 80GB")
        #expect(GPU.named("NVIDIA A100-SXM4-40GB")?.memoryGB == [40])
        #expect(GPU.named("NVIDIA H100 80GB HBM3")?.bf16Tflops == 989)
        #expect(GPU.named("H100 PCIe")?.bf16Tflops == 756)
        #expect(GPU.named("NVIDIA GeForce RTX 3090")?.memoryGB == [24])
        #expect(GPU.named("NVIDIA H200")?.memoryGB == [141])
        #expect(GPU.named("RTX 6000 Ada Generation")?.name == "RTX 6000 Ada")
        // A laptop's 4070 is another chip.
        #expect(GPU.named("NVIDIA GeForce RTX 4070 Laptop GPU") == nil)
        #expect(GPU.named("my computer") == nil)
        #expect(GPU.named("") == nil)
    }

    @Test func everyCardIsFoundByItsName() {
        for gpu in GPU.all {
            #expect(GPU.named(gpu.name)?.name == gpu.name)
            #expect((gpu.bf16Tflops ?? gpu.fp16Tflops ?? 0) > 0, "\(gpu.name)")
        }
    }

    @Test func namesOfDataSets() {
        #expect(DatasetKind("fineweb10B") == .fineweb)
        #expect(DatasetKind("data/fineweb_edu") == .finewebEdu)
        #expect(DatasetKind("dev/data/edu_fineweb100B/edu_fineweb_train_*.bin") == .finewebEdu)
        #expect(DatasetKind("OpenWebText") == .openwebtext)
        #expect(DatasetKind("shakespeare_char") == .characters)
        #expect(DatasetKind("shakespeare") == .other)
        #expect(DatasetKind("mine") == .unknown)
        #expect(DatasetKind(nil) == .unknown)
    }

    /// Numbers of the public laws, computed by hand.
    @Test func lawsGiveTheirPublishedNumbers() {
        #expect(abs(ScalingLaw.fineweb.loss(parameters: 123.6e6, tokens: 10.255e9) - 3.2165) < 0.002)
        #expect(abs(ScalingLaw.effectiveTokens(4e9, unique: 1e9) - 3.724e9) < 0.02e9)
        #expect(ScalingLaw.effectiveTokens(0.5e9, unique: 1e9) == 0.5e9)
        #expect(abs(GoodSettings.batch(tokens: 3.146e9) - 154e3) < 2e3)
        #expect(abs(GoodSettings.criticalBatch(loss: 3.276) - 7.05e5) < 0.05e5)
        let back = ScalingLaw.fineweb.tokens(forLoss: ScalingLaw.fineweb.loss(parameters: 4e7, tokens: 2e9), parameters: 4e7) ?? 0
        #expect(abs(back - 2e9) < 1e4)
    }

    /// Where the law says nothing the report says so, with the reason.
    @Test func noReferenceIsSaid() {
        func basis(_ change: (inout RunFacts) -> Void) -> String {
            var facts = ReferenceRun.all[0].facts
            change(&facts)
            let expectation = Expectation.of(facts, tokens: 1e9)
            #expect(expectation.band == nil)
            return expectation.basis.key
        }
        #expect(basis { $0.dataset.tokenizer = Fact("char", .log) } == "expected.characters")
        #expect(basis { $0.dataset.tokenizer = Fact("bpe", .log) } == "expected.other-tokenizer")
        #expect(
            basis {
                $0.dataset.tokenizer = nil; $0.config.vocabSize = Fact(32000, .log)
            } == "expected.other-vocabulary")
        #expect(
            basis {
                $0.dataset.tokenizer = nil; $0.config.vocabSize = Fact(65, .log)
            } == "expected.characters")
        #expect(basis { $0.dataset.name = nil } == "expected.no-dataset")
        #expect(basis { $0.dataset.name = Fact("shakespeare", .log) } == "expected.no-dataset")
        #expect(basis { $0.config.initFrom = Fact("gpt2-xl", .log) } == "expected.fine-tuned")
        #expect(basis { $0.config.parameters = nil } == "expected.no-parameters")
        #expect(Expectation.of(ReferenceRun.all[0].facts, tokens: nil).basis.key == "expected.no-tokens")
    }

    /// Outside the fitted range the band is wider and says so.
    @Test func extrapolationIsSaid() throws {
        let run = try #require(ReferenceRun.all.first { $0.name.hasPrefix("llm.c GPT-2 124M (Oct") })
        let inside = Expectation.of(run.facts, tokens: 1e10), outside = Expectation.of(run.facts, tokens: 3e12)
        #expect(inside.basis.key == "expected.law" && outside.basis.key == "expected.extrapolated")
        #expect(outside.sigma > 2 * inside.sigma)
        #expect(outside.confidence == .low)
    }
}
