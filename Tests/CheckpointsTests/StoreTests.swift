// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import Storage
import Testing

@Suite struct CheckpointStoreTests {
    private func commit(_ store: CheckpointStore, _ step: Int, seed: UInt64 = 1, best: Bool = false) throws {
        try store.commit(step: step, model: modelSources(seed: seed), optimizer: [], state: state(step: step), best: best)
    }

    @Test func commitsAndReadsBack() throws {
        let run = try TemporaryFolder()
        let store = CheckpointStore(runFolder: run.path)
        #expect(try store.latestValid() == nil)
        #expect(!Folder.exists(run.file("checkpoints")))  // looking changes nothing
        let committed = try store.commit(
            step: 500, model: modelSources(seed: 1), optimizer: optimizerSources(seed: 2), state: state(step: 500), best: true)
        #expect(committed.name == "step-00000500")
        #expect(committed.isLatest && committed.isBest)
        try store.commit(step: 1000, model: modelSources(seed: 3), optimizer: optimizerSources(seed: 4), state: state(step: 1000))

        let reader = CheckpointStore(runFolder: run.path)
        #expect(reader.list().map(\.step) == [1000, 500])
        #expect(reader.list().map(\.isLatest) == [true, false])
        #expect(reader.best()?.step == 500)
        #expect(try String(contentsOfFile: run.file("latest"), encoding: .utf8) == "step-00001000\n")
        #expect(try String(contentsOfFile: run.file("best"), encoding: .utf8) == "step-00000500\n")
        let (info, skipped) = try #require(try reader.latestValid())
        #expect(info.step == 1000 && skipped.isEmpty)
        let loaded = try reader.open(info)
        #expect(loaded.state == state(step: 1000))
        #expect(try loaded.model.floats("transformer.wte.weight") == values(40, seed: 3))
        #expect(try loaded.optimizer.floats("transformer.ln_f.weight.exp_avg_sq") == values(4, seed: 5))
        #expect(loaded.optimizer.entries.map(\.name).first == "transformer.wte.weight.exp_avg")
        #expect(
            Folder.names(run.file("checkpoints/step-00001000")) == [
                "manifest.json", "model.safetensors", "optimizer.safetensors", "state.json",
            ])
        #expect(Folder.names(run.file("checkpoints")).count == 2)
    }

    @Test func afterARollbackTheLastCommitIsTheNewest() throws {
        let run = try TemporaryFolder(), store = CheckpointStore(runFolder: run.path)
        for step in [100, 200, 300] { try commit(store, step) }
        try commit(store, 150, seed: 9)  // the run went back to step 100 and on from there
        #expect(try store.latestValid()?.info.step == 150)
        #expect(store.list().map(\.step) == [150, 300, 200, 100])
        try commit(store, 200, seed: 10)
        #expect(store.list().map(\.step) == [200, 150, 300, 100])
        let found = try store.open(try store.checkpoint(step: 200))
        #expect(try found.model.floats("transformer.wte.weight") == values(40, seed: 10))
    }

    @Test func theBestCanBeNamedLater() throws {
        let run = try TemporaryFolder(), store = CheckpointStore(runFolder: run.path)
        for step in [10, 20] { try commit(store, step, best: step == 20) }
        try store.markBest(step: 10)
        #expect(store.best()?.step == 10)
        #expect(throws: FileError.self) { try store.markBest(step: 30) }
        #expect(store.best()?.step == 10)
    }

    @Test func pruningKeepsTheNewestAndTheNamedOnes() throws {
        let run = try TemporaryFolder(), store = CheckpointStore(runFolder: run.path)
        for step in 1...6 { try commit(store, step, best: step == 2) }
        #expect(try store.prune(keep: 2, dryRun: true).map(\.step) == [1, 3, 4])
        #expect(store.list().count == 6)
        #expect(try store.prune(keep: 2).map(\.step) == [1, 3, 4])
        #expect(Folder.names(run.file("checkpoints")) == ["step-00000002", "step-00000005", "step-00000006"])
        #expect(try store.prune(keep: 2).isEmpty)
        try "step-00000005\n".write(toFile: run.file("latest"), atomically: true, encoding: .utf8)
        #expect(try store.prune(keep: 1).isEmpty)
        #expect(throws: FileError.self) { try store.prune(keep: 0) }
    }

    @Test func pruningNeverRemovesTheOnlyValidOne() throws {
        let run = try TemporaryFolder(), store = CheckpointStore(runFolder: run.path)
        for step in 1...3 { try commit(store, step) }
        for step in 2...3 {
            let path = run.file("checkpoints/step-0000000\(step)/model.safetensors")
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            bytes[bytes.count - 1] ^= 1
            try bytes.write(to: URL(fileURLWithPath: path))
        }
        let error = #expect(throws: FileError.self) { try store.prune(keep: 2) }
        #expect(error?.reason.hasPrefix("none of the checkpoints that would stay is valid, so nothing was removed") == true)
        #expect(store.list().count == 3)
        #expect(try store.latestValid()?.info.step == 1)
    }

    @Test func whatDeadProcessesLeftIsRemoved() throws {
        let run = try TemporaryFolder(), store = CheckpointStore(runFolder: run.path)
        try commit(store, 1)
        try Folder.create(run.file("checkpoints/.tmp-step-00000002"))
        try "x".write(toFile: run.file("checkpoints/.tmp-step-00000002/model.safetensors"), atomically: false, encoding: .utf8)
        try "x".write(toFile: run.file("latest.tmp-99"), atomically: false, encoding: .utf8)
        // A folder that a living process is writing is marked by a lock on it.
        let busy = run.file("checkpoints/.tmp-step-00000003")
        try Folder.create(busy)
        let file = open(busy, O_RDONLY | O_DIRECTORY)
        #expect(flock(file, LOCK_EX) == 0)
        try CheckpointStore(runFolder: run.path).prepareForWriting()
        #expect(Folder.names(run.file("checkpoints")) == [".tmp-step-00000003", "step-00000001"])
        #expect(Folder.names(run.path) == ["checkpoints", "latest"])
        close(file)
        try CheckpointStore(runFolder: run.path).prepareForWriting()
        #expect(Folder.names(run.file("checkpoints")) == ["step-00000001"])
    }

    @Test func aMissingStepIsNamedWithThoseThereAre() throws {
        let run = try TemporaryFolder(), store = CheckpointStore(runFolder: run.path)
        for step in [10, 20] { try commit(store, step) }
        let error = #expect(throws: FileError.self) { try store.checkpoint(step: 15) }
        #expect(
            error?.description
                == "cannot find the checkpoint of step 15 in '\(run.file("checkpoints"))': there are checkpoints of the steps 10, 20"
        )
    }

    @Test func aNewerFormatIsRefusedByNumber() throws {
        let run = try TemporaryFolder()
        let path = try run.write(Array(#"{"format_version": 2, "step": 1}"#.utf8), "state.json")
        let error = #expect(throws: FileError.self) { try CheckpointState.read(path: path) }
        #expect(error?.reason == "it has format_version 2, this Apus reads 1; update Apus")
    }

    @Test func positionsThatNoRunReachesAreRefused() throws {
        let folder = try TemporaryFolder(), text = String(decoding: try state(step: 4).encoded(), as: UTF8.self)
        for (key, value) in [("step", Int.max), ("step", -1), ("next_sample", Int.max), ("tokens_seen", -5)] {
            let forged = text.replacing(try Regex("\"\(key)\" : \\d+"), with: "\"\(key)\" : \(value)")
            #expect(forged != text)
            let path = try folder.write(Array(forged.utf8), "state.json")
            let error = #expect(throws: FileError.self) { try CheckpointState.read(path: path) }
            #expect(error?.reason.contains("\(key) is \(value)") == true, "\(String(describing: error))")
        }
    }

    @Test func statesSurviveWithUnusualNumbers() throws {
        let run = try TemporaryFolder()
        var unusual = state(step: 1)
        unusual.bestValLoss = .infinity
        unusual.seed = .max
        let path = try run.write(Array(unusual.encoded()), "state.json")
        #expect(try CheckpointState.read(path: path) == unusual)
        unusual.bestValLoss = nil
        _ = try run.write(Array(unusual.encoded()), "state.json")
        #expect(try CheckpointState.read(path: path) == unusual)
    }
}
