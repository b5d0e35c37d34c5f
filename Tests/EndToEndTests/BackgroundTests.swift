// SPDX-License-Identifier: MIT
import Checkpoints
import Foundation
import RunLog
import Storage
import Synchronization
import TestKit
import Testing
import Training

/// Checkpoints that are written beside the training.
@Suite struct BackgroundTests {
    /// A checkpoint is of the step it was begun at, although training goes on while it is written.
    @Test func holdsWhatTheForegroundHolds() throws {
        let bench = try Workbench()
        func run(_ background: Bool) throws -> String {
            let name = "background-\(background)"
            // Every write is held up for longer than a step takes, so that each checkpoint sees later steps.
            var calls = FileCalls.system
            calls.write = { file, bytes, count in
                if background { usleep(3000) }
                return FileCalls.system.write(file, bytes, count)
            }
            let result = try bench.start(
                bench.config {
                    $0.outDir = bench.folder(name)
                    $0.checkpointBackground = background
                    $0.checkpointInterval = 10
                    $0.keepCheckpoints = 0
                    $0.evalInterval = 0
                    $0.maxIters = 60
                }, calls: calls)
            let saved = result.events.filter { $0.event == .checkpoint }
            #expect(saved.map(\.step) == [10, 20, 30, 40, 50, 60])
            // Told when it is committed: steps were made in between, except for the last, which is waited for.
            if background {
                #expect(saved.allSatisfy { ($0.stallMs ?? 0) <= ($0.checkpointMs ?? 0) && $0.bytes ?? 0 > 0 })
                #expect(result.events.contains { $0.event == .step && $0.saving == true })
                #expect(result.events.last?.event == .eval)
            }
            return bench.folder(name)
        }
        let folders = try [run(true), run(false)]
        for step in stride(from: 10, through: 60, by: 10) {
            for file in ["model.safetensors", "optimizer.safetensors", "state.json"] {
                let contents = folders.map {
                    FileManager.default.contents(atPath: "\($0)/checkpoints/\(CheckpointStore.name(step: step))/\(file)")
                }
                #expect(contents[0] != nil && contents[0] == contents[1], "step \(step), \(file)")
            }
        }
    }

    /// The system calls of a whole run with its checkpoints, metrics and pointers, each failing in turn: the run ends with an
    /// error or does not notice, and goes on afterwards to the undisturbed weights.
    @Test(arguments: FaultyCalls.Fault.allCases) func everyCallOfARunFailing(_ fault: FaultyCalls.Fault) throws {
        let bench = try Workbench()
        func config(_ name: String) -> RunConfig {
            bench.config {
                $0.outDir = bench.folder(name)
                $0.nLayer = 1
                $0.nEmbd = 8
                $0.batchSize = 2
                $0.gradientAccumulationSteps = 1
                $0.maxIters = 3
                $0.evalInterval = 2
                $0.evalIters = 1
                $0.checkpointInterval = 1
                $0.keepCheckpoints = 2
            }
        }
        let counter = FaultyCalls(failing: -1)
        let whole = try bench.start(config("whole"), threads: 1, calls: counter.calls)
        #expect(counter.total > 100)
        var ended = 0
        let healthy = FaultyCalls(failing: -1).calls  // without real flushes: a thousand of them would take minutes
        for number in 0..<counter.total {
            let name = "run-\(number)"
            let faulty = FaultyCalls(failing: number, fault: fault, code: number.isMultiple(of: 2) ? ENOSPC : EIO)
            do {
                let result = try bench.start(config(name), threads: 1, calls: faulty.calls)
                let same = try result.weights() == whole.weights()
                #expect(same, "call \(number)")
            } catch let error as FileError {
                ended += 1
                #expect(error.code == faulty.code, "call \(number): \(error)")
                // run.json is written first: without it there was never a run, and the folder may be used again.
                if RunFolder(bench.folder(name)).exists {
                    let resumed = try bench.resume(bench.folder(name), threads: 1, calls: healthy)
                    let same = try resumed.weights() == whole.weights()
                    #expect(same, "call \(number)")
                } else {
                    try FileManager.default.removeItem(atPath: bench.folder(name))
                    let same = try bench.start(config(name), threads: 1, calls: healthy).weights() == whole.weights()
                    #expect(same, "call \(number)")
                }
            }
            let store = CheckpointStore(runFolder: bench.folder(name))
            #expect(try store.latestValid()?.info.step == 3, "call \(number)")
            #expect(Folder.names(store.folder).allSatisfy { $0.hasPrefix("step-") }, "call \(number)")
            try FileManager.default.removeItem(atPath: bench.folder(name))
        }
        // A close that fails after everything was flushed is the only harmless failure.
        if fault == .short { #expect(ended == 0) } else { #expect(ended >= counter.total - 40) }
        print("fault injections: \(counter.total) calls of a run (\(fault.rawValue)), \(ended) ended it, none lost anything")
    }

    /// What goes wrong in the background ends the run at the next step, not at its end.
    @Test func anErrorComesUpAtTheNextStep() throws {
        let bench = try Workbench()
        let config = bench.config {
            $0.maxIters = 5000
            $0.checkpointInterval = 10
            $0.evalInterval = 0
        }
        let flushes = Atomic(0)
        var calls = FileCalls.system
        calls.fsync = { file in
            // The first are those of run.json and of the first checkpoints.
            guard flushes.add(1, ordering: .relaxed).newValue > 20 else { return 0 }
            errno = ENOSPC
            return -1
        }
        #expect {
            _ = try bench.start(config, calls: calls)
        } throws: { "\($0)".contains("the disk is full") }
        let steps = try RunFolder(config.outDir).readMetrics().events.filter { $0.event == .step }.count
        #expect(steps < 4000)
    }
}

/// Checkpoints of every format version that was ever written still load and go on.
@Suite struct FormatTests {
    @Test(arguments: ["checkpoint-format-1"]) func oldCheckpointsGoOn(name: String) throws {
        let bench = try Workbench()
        let fixture = Places.fixture(name)
        try FileManager.default.copyItem(atPath: fixture + "/run", toPath: bench.folder("old"))
        let store = CheckpointStore(runFolder: bench.folder("old"))
        #expect(store.list().map(\.step) == [6, 3])
        for info in store.list() { try store.verify(info) }
        let then = try RunFolder(bench.folder("old")).readMetrics().events
        // Back to step 3, and to step 6 again: what was measured then comes out again.
        try FileManager.default.removeItem(atPath: bench.folder("old/checkpoints/step-00000006"))
        var resumption: RunSession.Resumption? = try RunSession.resume(bench.folder("old")) { record in
            var record = record
            record.config.data = fixture + "/data"
            return record
        }
        let checkpoint = try #require(resumption?.checkpoint)
        #expect(checkpoint.state.nextSample == 6 && checkpoint.state.extra["updates"] == "3")
        resumption = nil  // frees the folder's lock
        let result = try bench.resume(bench.folder("old"), threads: 1)
        for step in 4...6 {
            let expected = try #require(then.first { $0.event == .step && $0.step == step }?.loss)
            // Kernels of other instruction sets add in another order.
            #expect(abs(try #require(result.losses[step]) - expected) < 1e-4, "step \(step)")
        }
        let expected = try #require(then.last { $0.event == .eval }?.valLoss)
        #expect(abs(try #require(result.events.last { $0.event == .eval }?.valLoss) - expected) < 1e-4)
    }
}
