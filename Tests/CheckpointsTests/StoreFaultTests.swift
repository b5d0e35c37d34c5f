// SPDX-License-Identifier: MIT
import Checkpoints
import Foundation
import Storage
import TestKit
import Testing

/// Makes every system call of a commit fail in turn: whatever fails, a complete checkpoint stays the newest valid one.
@Suite struct StoreFaultTests {
    /// What is committed before the fault, and what is being committed when it comes.
    enum Scenario: String, CaseIterable {
        /// A later step.
        case next
        /// The same step again, with other weights.
        case replace
    }

    private func commit(_ step: Int, seed: UInt64, in path: String, _ calls: FileCalls = FaultyCalls(failing: -1).calls) throws {
        try CheckpointStore(runFolder: path, calls: calls).commit(
            step: step, model: modelSources(seed: seed), optimizer: optimizerSources(seed: seed &+ 7), state: state(step: step),
            best: true)
    }

    /// The seed of the complete checkpoint that a reader finds; every tensor and the state are compared.
    private func foundSeed(in path: String, _ seeds: [UInt64: Int]) throws -> UInt64 {
        let store = CheckpointStore(runFolder: path)
        let found = try #require(try store.latestValid())
        let loaded = try store.open(found.info)
        for (seed, step) in seeds where step == found.info.step {
            guard try loaded.model.floats("transformer.wte.weight") == values(40, seed: seed) else { continue }
            #expect(try loaded.model.floats("transformer.ln_f.weight") == values(4, seed: seed &+ 1))
            #expect(try loaded.optimizer.floats("transformer.wte.weight.exp_avg") == values(40, seed: seed &+ 7))
            #expect(try loaded.optimizer.floats("transformer.ln_f.weight.exp_avg_sq") == values(4, seed: seed &+ 8))
            #expect(loaded.state == state(step: step))
            return seed
        }
        Issue.record("the checkpoint of step \(found.info.step) is a mixture")
        return 0
    }

    private func callCount(_ scenario: Scenario) throws -> Int {
        let run = try TemporaryFolder(), counter = FaultyCalls(failing: -1)
        try commit(100, seed: 1, in: run.path)
        try commit(scenario == .next ? 200 : 100, seed: 50, in: run.path, counter.calls)
        return counter.total
    }

    @Test(arguments: Scenario.allCases, FaultyCalls.Fault.allCases)
    func everyCallFailing(_ scenario: Scenario, _ fault: FaultyCalls.Fault) throws {
        let total = try callCount(scenario), step = scenario == .next ? 200 : 100
        // 4 files and 2 pointers take 5 calls or more each; fewer would mean that the faults miss something.
        #expect(total > 30)
        var failures = 0
        for number in 0..<total {
            let run = try TemporaryFolder()
            try commit(100, seed: 1, in: run.path)
            let faulty = FaultyCalls(failing: number, fault: fault, code: number.isMultiple(of: 2) ? ENOSPC : EIO)
            let seeds: [UInt64: Int] = [1: 100, 50: step]
            do {
                try commit(step, seed: 50, in: run.path, faulty.calls)
                #expect(try foundSeed(in: run.path, seeds) == 50, "call \(number) did not stop the commit")
            } catch let error as FileError {
                failures += 1
                #expect(error.code == faulty.code, "call \(number): \(error)")
                let found = try foundSeed(in: run.path, seeds)
                #expect(found == 1 || found == 50)
                // A replacement that failed is undone at once when the disk still works.
                if fault == .once { #expect(Folder.exists(run.path + "/checkpoints/step-00000100"), "call \(number)") }
            }
            // The next start works, commits, and leaves nothing behind.
            try commit(step, seed: 50, in: run.path)
            #expect(try foundSeed(in: run.path, seeds) == 50)
            let left =
                Folder.names(run.path + "/checkpoints").filter { $0.hasPrefix(".") }
                + Folder.names(run.path).filter { $0.contains("tmp") }
            #expect(left.isEmpty, "call \(number) left \(left)")
        }
        // A failing close of a folder or of a file that failed anyway is the only harmless one.
        if fault == .short { #expect(failures == 0) } else { #expect(failures >= total - 6, "\(failures) of \(total)") }
    }

    /// Copies the run folder before every call, as if the process had been killed there.
    @Test(arguments: Scenario.allCases) func killedBeforeEveryCall(_ scenario: Scenario) throws {
        let total = try callCount(scenario), step = scenario == .next ? 200 : 100
        let run = try TemporaryFolder(), copies = try TemporaryFolder()
        let source = run.path, target = copies.path
        try commit(100, seed: 1, in: run.path)
        let recorder = FaultyCalls(failing: -1) { number in
            try? FileManager.default.copyItem(atPath: source, toPath: "\(target)/\(number)")
        }
        try commit(step, seed: 50, in: run.path, recorder.calls)
        var firstNew: Int?
        for number in 0..<total {
            let path = "\(target)/\(number)", seeds: [UInt64: Int] = [1: 100, 50: step]
            let found = try foundSeed(in: path, seeds)
            if found == 50, firstNew == nil { firstNew = number }
            // Once the new one is there it stays.
            #expect(found == (firstNew == nil ? 1 : 50), "before call \(number)")
            try CheckpointStore(runFolder: path).prepareForWriting()
            #expect(Folder.names(path + "/checkpoints").allSatisfy { $0.hasPrefix("step-") }, "before call \(number)")
            #expect(try foundSeed(in: path, seeds) == found)
            try commit(step, seed: 50, in: path)
            #expect(try foundSeed(in: path, seeds) == 50)
            #expect(Folder.names(path + "/checkpoints").allSatisfy { $0.hasPrefix("step-") })
        }
        #expect(firstNew != nil)
    }

    @Test func aSourceThatThrowsHarmsNothing() throws {
        struct Broken: Error {}
        let run = try TemporaryFolder()
        try commit(100, seed: 1, in: run.path)
        let broken = TensorSource(name: "transformer.wte.weight", dtype: .float32, shape: [4]) { _, _ in throw Broken() }
        #expect(throws: Broken.self) {
            try CheckpointStore(runFolder: run.path).commit(step: 200, model: [broken], optimizer: [], state: state(step: 200))
        }
        #expect(try foundSeed(in: run.path, [1: 100]) == 1)
        #expect(Folder.names(run.path + "/checkpoints") == ["step-00000100"])
    }

    @Test func aFullDiskIsSeenBeforeWriting() throws {
        let run = try TemporaryFolder()
        try commit(100, seed: 1, in: run.path)
        let counter = FaultyCalls(failing: -1)
        let store = CheckpointStore(runFolder: run.path, calls: counter.calls, freeBytes: { _ in 1000 })
        let error = #expect(throws: FileError.self) {
            try store.commit(step: 200, model: modelSources(seed: 1), optimizer: [], state: state(step: 200))
        }
        #expect(error?.code == ENOSPC)
        #expect(error?.description.contains("the disk has 1.0 kB free; free some space or prune older checkpoints") == true)
        #expect(counter.total == 0)
        #expect(try foundSeed(in: run.path, [1: 100]) == 1)
    }

    @Test func aStateOfAnotherStepIsRefused() throws {
        let run = try TemporaryFolder()
        #expect(throws: FileError.self) {
            try CheckpointStore(runFolder: run.path).commit(step: 1, model: [], optimizer: [], state: state(step: 2))
        }
    }
}
