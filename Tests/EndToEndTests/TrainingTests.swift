// SPDX-License-Identifier: MIT
import Compute
import ComputeCPU
import Corpus
import Foundation
import Modeling
import RunLog
import TestKit
import Testing
import Training

@Suite struct TrainingTests {
    @Test func theLossFallsToWhatTheLanguageAllows() throws {
        let bench = try Workbench()
        let result = try bench.start(
            bench.config {
                $0.maxIters = 150; $0.evalInterval = 50
            })
        let evaluations = result.events.filter { $0.event == .eval }
        let first = try #require(evaluations.first?.valLoss), last = try #require(evaluations.last?.valLoss)
        // At first every one of 40 words is as likely as another.
        #expect(abs(first - log(40)) < 0.1)
        // Half of the time the next word is certain, half of the time any of 40: the entropy is 2.58 nats, one word's frequency
        // alone gives 3.69.
        #expect(last < 3.0)
        #expect(last > 2.5)
    }

    @Test func oneBatchIsLearnedByHeart() throws {
        let bench = try Workbench()
        // A data set of one block: 24 tokens and their targets.
        let tokens: [UInt16] = (0..<25).map { ($0 * 11 + 5) % 40 }
        try bench.folder.write("data/train.bin", tokens.withUnsafeBytes { Data($0) })
        let result = try bench.start(
            bench.config {
                $0.batchSize = 1
                $0.gradientAccumulationSteps = 1
                $0.maxIters = 120
                $0.evalInterval = 0
                $0.minLr = 5e-3
            })
        #expect(try #require(result.losses[120]) < 0.01)
    }

    /// Accumulation is only a way to fit a batch into memory: 8 x 1 and 1 x 8 are the same update, dropout masks included.
    @Test(arguments: [0.0, 0.2]) func accumulationIsTheSameUpdate(dropout: Double) throws {
        let bench = try Workbench()
        let losses = try [(8, 1), (1, 8), (2, 4)].map { batch, accumulation in
            try bench.start(
                bench.config {
                    $0.outDir = bench.folder("run-\(batch)-\(dropout)")
                    $0.batchSize = batch
                    $0.gradientAccumulationSteps = accumulation
                    $0.maxIters = 6
                    $0.evalInterval = 0
                    $0.dropout = dropout
                }
            ).losses
        }
        for other in losses.dropFirst() {
            // Only the order of float32 sums differs.
            for (step, loss) in losses[0] { #expect(abs(loss - (other[step] ?? 0)) < 2e-5, "step \(step)") }
        }
    }

    @Test(arguments: ["none", "attention", "block"]) func recomputationChangesNothing(recompute: String) throws {
        let bench = try Workbench()
        let losses = try ["none", recompute].enumerated().map { index, way in
            try bench.start(
                bench.config {
                    $0.outDir = bench.folder("run-\(index)")
                    $0.recompute = way
                    $0.dropout = 0.1
                    $0.maxIters = 5
                    $0.evalInterval = 0
                }
            ).losses
        }
        #expect(losses[0] == losses[1])
    }

    @Test func aNonFiniteUpdateIsSkippedAndTheWeightsStay() throws {
        let bench = try Workbench()
        let config = bench.config { $0.evalInterval = 0 }
        let trainer = try Trainer(try RunSetup(config), backend: try CPUBackend(threads: 1))
        trainer.initialize()
        // A weight that is not a number makes every loss not a number.
        let weights = trainer.weights
        let poisoned = weights.masters.tensors[0].view([1])
        [Float.nan].withUnsafeBytes { weights.backend.write($0, to: poisoned) }
        func all() throws -> [Float] {
            var values = [Float](repeating: 0, count: weights.masters.flat.count)
            try values.withUnsafeMutableBytes { try weights.backend.read(weights.masters.flat, into: $0) }
            return values
        }
        let before = try all().map(\.bitPattern)
        var events: [RunEvent] = []
        #expect {
            _ = try trainer.run { events.append($0) }
        } throws: { "\($0)".contains("not finite in 10 updates in a row") }
        #expect(events.count == 10 && events.allSatisfy { $0.event == .skip && $0.code == "non-finite" })
        #expect(try all().map(\.bitPattern) == before)
    }

    @Test func evaluationIsTheMeanOverFixedBlocks() throws {
        let bench = try Workbench()
        let setup = try RunSetup(bench.config())
        let backend = try CPUBackend(threads: 2)
        let weights = try GPTWeights(setup.model, dtype: .float32, on: backend)
        weights.initialize(seed: 3)
        let split = try #require(setup.dataset.val)
        let samples = try TokenSamples(split: split, kind: .sequential, seed: 0, blockSize: 24)
        // The number must not depend on how many blocks go side by side, also when the last micro-batch is not full.
        let results = try [1, 4, 7].map { batch in
            try Evaluator(try GPT(weights: weights, batch: batch, length: 24, training: false)).evaluate(samples, blocks: 10)
        }
        let first = try #require(results[0])
        #expect(first.blocks == 10 && first.tokens == 240)
        for other in results.dropFirst() {
            let loss = try #require(other).loss, error = try #require(other?.standardError),
                expected = try #require(first.standardError)
            #expect(abs(loss - first.loss) < 1e-6)
            #expect(abs(error - expected) < 1e-6)
        }
    }

    @Test func idsBeyondTheVocabularyAreRefused() throws {
        let bench = try Workbench()
        var tokens = [UInt16](repeating: 1, count: 200)
        tokens[150] = 41
        try bench.folder.write("data/train.bin", tokens.withUnsafeBytes { Data($0) })
        #expect { try RunSetup(bench.config()) } throws: { "\($0)".contains("vocab_size is 40") }
    }

    @Test func aBatchThatDoesNotFitIsRefusedBeforeTheFirstStep() throws {
        let bench = try Workbench()
        let setup = try RunSetup(
            bench.config {
                $0.batchSize = 60_000; $0.blockSize = 1024; $0.nEmbd = 4096; $0.nHead = 32
            })
        let backend = try CPUBackend(threads: 1)
        let memory = RunMemory.plan(setup, backend: backend)
        #expect { try memory.check(backend) } throws: { error in
            let text = (error as? MemoryError)?.description ?? ""
            return text.contains("not enough memory") && text.contains("batch_size")
        }
    }
}
