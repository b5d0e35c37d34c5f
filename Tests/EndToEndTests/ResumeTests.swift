// SPDX-License-Identifier: MIT
import Checkpoints
import Foundation
import RunLog
import Storage
import TestKit
import Testing
import Training

/// An interrupted run that goes on is the run that was never interrupted, bit for bit.
@Suite struct ResumeTests {
    @Test(arguments: ["float32", "bfloat16"], ["shuffle", "random", "sequential"])
    func interruptedEqualsUninterrupted(dtype: String, order: String) throws {
        let bench = try Workbench()
        func config(_ name: String) -> RunConfig {
            bench.config {
                $0.outDir = bench.folder(name)
                $0.dtype = dtype
                $0.dataOrder = order
                $0.dropout = 0.1
            }
        }
        let whole = try bench.start(config("whole"))
        #expect(whole.outcome == .completed)
        let first = try bench.start(config("parts"), stopAfter: 5)
        #expect(first.outcome == .interrupted)
        let second = try bench.resume(bench.folder("parts"), stopAfter: 9)
        let third = try bench.resume(bench.folder("parts"))
        #expect(third.outcome == .completed)
        #expect(third.trainer.step == 12)
        let losses = first.losses.merging(second.losses) { $1 }.merging(third.losses) { $1 }
        #expect(losses == whole.losses)
        #expect(try third.weights() == whole.weights())
        let moments = { (result: Workbench.Result) in
            try result.trainer.optimizer.moments.map { pair -> [Float] in
                var values = [Float](repeating: 0, count: pair.tensor.count)
                try values.withUnsafeMutableBytes { try result.trainer.weights.backend.read(pair.tensor, into: $0) }
                return values
            }
        }
        #expect(try moments(third) == moments(whole))
        // The files as well: a checkpoint holds nothing that depends on the interruption.
        for file in ["model.safetensors", "optimizer.safetensors"] {
            let a = FileManager.default.contents(atPath: bench.folder("whole/checkpoints/step-00000012/\(file)"))
            let b = FileManager.default.contents(atPath: bench.folder("parts/checkpoints/step-00000012/\(file)"))
            #expect(a != nil && a == b, "\(file)")
        }
    }

    /// A process may end between the evaluation that found the best and the moment when `best` names it.
    @Test func theBestIsNamedAfterAll() throws {
        let bench = try Workbench()
        let first = try bench.start(bench.config { $0.checkpointInterval = 4 }, stopAfter: 9)
        let best = try #require(first.trainer.best?.step)
        #expect(best > 4, "the loss of this run falls")
        try bench.folder.write("run/best", CheckpointStore.name(step: 4) + "\n")
        _ = try bench.resume(bench.folder("run"), stopAfter: 9)
        #expect(try String(contentsOfFile: bench.folder("run/best"), encoding: .utf8) == CheckpointStore.name(step: best) + "\n")
    }

    /// A count that no run reaches is a damaged file's; the run goes on with the one that its step says.
    @Test func impossibleCountsEndNothing() throws {
        let bench = try Workbench()
        let first = try bench.start(bench.config(), stopAfter: 6)
        let weights = first.trainer.weights, moments = first.trainer.optimizer.moments, c = weights.config
        var state = CheckpointState(step: 7, tokensSeen: 7 * 192, nextSample: 56, seed: 1337)
        state.extra["updates"] = String(Int.max)
        _ = try CheckpointStore(runFolder: bench.folder("run")).commit(
            step: 7,
            model: zip(weights.masters.descriptions, weights.masters.tensors).map {
                TensorSource(name: $0.name, tensor: $1, backend: weights.backend)
            }, optimizer: moments.map { TensorSource(name: $0.name, tensor: $0.tensor, backend: weights.backend) }, state: state,
            facts: ModelFacts(
                nLayer: c.nLayer, nHead: c.nHead, nEmbd: c.nEmbd, blockSize: c.blockSize, vocabSize: c.vocabSize, bias: c.bias,
                activation: c.activation.rawValue))
        let second = try bench.resume(bench.folder("run"))
        #expect(second.outcome == .completed)
        let last = try CheckpointState.read(path: bench.folder("run/checkpoints/step-00000012/state.json"))
        #expect(last.extra["updates"] == "12")
    }

    /// A run cannot end before where it is.
    @Test func fewerUpdatesThanWereMadeAreRefused() throws {
        let bench = try Workbench()
        _ = try bench.start(bench.config(), stopAfter: 6)
        func resumption(_ maxIters: Int) throws -> RunSession.Resumption {
            try RunSession.resume(bench.folder("run")) { stored in
                var record = stored
                record.config.maxIters = maxIters
                return record
            }
        }
        #expect { _ = try resumption(3) } throws: { "\($0)".contains("the run has made 6 updates") }
        #expect(try RunFolder(bench.folder("run")).readRecord().config.maxIters == 12)
        #expect(try resumption(6).checkpoint?.info.step == 6)
    }

    /// An update of many micro-batches may take minutes; a stop does not wait for its end, and what was computed of it is dropped.
    @Test func aRunStoppedInsideAnUpdateGoesOnFromTheOneBefore() throws {
        let bench = try Workbench()
        func config(_ name: String) -> RunConfig {
            bench.config {
                $0.outDir = bench.folder(name)
                $0.gradientAccumulationSteps = 5
                $0.dropout = 0.1
                $0.evalInterval = 1000
            }
        }
        let whole = try bench.start(config("whole"))
        var stopped: Set<Int> = []
        // Five questions an update: one before it and one before each micro-batch but the first.
        for question in 16...21 {
            let name = "parts-\(question)"
            let first = try bench.start(config(name), stopAtQuestion: question)
            #expect(first.outcome == .interrupted)
            stopped.insert(first.trainer.step)
            let second = try bench.resume(bench.folder(name))
            #expect(second.outcome == .completed)
            #expect(first.losses.merging(second.losses) { $1 } == whole.losses)
            #expect(try second.weights() == whole.weights())
        }
        #expect(stopped.count == 2)
    }

    @Test func aRunKilledBeforeItsFirstCheckpointStartsAgain() throws {
        let bench = try Workbench()
        let whole = try bench.start(bench.config { $0.outDir = bench.folder("whole") })
        let killed = bench.config()
        _ = try RunSession.create(killed.outDir, record: Workbench.record(try RunSetup(killed).config))
        let again = try bench.resume(killed.outDir)
        #expect(try again.weights() == whole.weights())
    }

    @Test func metricsDropWhatAResumeUndid() throws {
        let bench = try Workbench()
        let config = bench.config { $0.checkpointInterval = 4 }
        _ = try bench.start(config, stopAfter: 7)
        // The interruption saved step 7; without it the run goes back to step 4.
        try FileManager.default.removeItem(atPath: config.outDir + "/checkpoints/step-00000007")
        let second = try bench.resume(config.outDir)
        #expect(second.losses[5] != nil)
        let events = try RunFolder(config.outDir).readMetrics().events.filter { $0.event == .step }
        #expect(events.map(\.step) == Array(1...12))
    }

    @Test func aDamagedCheckpointGivesWayToTheOneBefore() throws {
        let bench = try Workbench()
        let config = bench.config { $0.checkpointInterval = 4 }
        let whole = try bench.start(config)
        let path = config.outDir + "/checkpoints/step-00000012/model.safetensors"
        var bytes = try #require(FileManager.default.contents(atPath: path))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(fileURLWithPath: path))
        let resumption = try RunSession.resume(config.outDir)
        #expect(resumption.checkpoint?.info.step == 8)
        #expect(resumption.skipped.map(\.name) == ["step-00000012"])
        withExtendedLifetime(resumption) {}
        _ = whole
    }

    @Test func oldCheckpointsGoAndTheBestStays() throws {
        let bench = try Workbench()
        let config = bench.config {
            $0.checkpointInterval = 1
            $0.keepCheckpoints = 2
            $0.evalInterval = 3
        }
        let result = try bench.start(config)
        let names = Folder.names(config.outDir + "/checkpoints")
        let best = try #require(result.trainer.best)
        let expected = Set([11, 12, best.step].map { CheckpointStore.name(step: $0) })
        #expect(Set(names) == expected)
        let pointer = try String(contentsOfFile: config.outDir + "/best", encoding: .utf8)
        #expect(pointer == CheckpointStore.name(step: best.step) + "\n")
    }

    @Test func aRunFolderIsNeitherOverwrittenNorShared() throws {
        let bench = try Workbench()
        let config = bench.config()
        _ = try bench.start(config, stopAfter: 3)
        #expect(throws: TrainingError.self) { try bench.start(config) }
        let held = try RunSession.resume(config.outDir)
        #expect(throws: FileError.self) { try RunSession.resume(config.outDir) }
        withExtendedLifetime(held) {}
        #expect(throws: TrainingError.self) { try RunSession.resume(bench.folder("nothing")) }
    }

    @Test func aFullDiskEndsTheRunAndHarmsNothing() throws {
        let bench = try Workbench()
        let config = bench.config { $0.checkpointInterval = 4 }
        let session = try RunSession.create(config.outDir, record: Workbench.record(try RunSetup(config).config))
        withExtendedLifetime(session) {}
        let first = try bench.start(bench.config { $0.outDir = bench.folder("full") }, stopAfter: 4)
        #expect(first.outcome == .interrupted)
        var calls = FileCalls.system
        calls.write = { _, _, count in
            guard count > 4096 else { return count }
            errno = ENOSPC
            return -1
        }
        let resumption = try RunSession.resume(bench.folder("full"), calls: calls)
        let trainer = try Trainer(try RunSetup(resumption.session.record.config), backend: first.trainer.weights.backend)
        try trainer.restore(try #require(resumption.checkpoint))
        #expect {
            _ = try trainer.run(session: resumption.session) { _ in }
        } throws: { error in
            (error as? FileError)?.description.contains("the disk is full") == true
        }
        let store = CheckpointStore(runFolder: bench.folder("full"))
        #expect(try store.latestValid()?.info.step == 4)
    }
}
