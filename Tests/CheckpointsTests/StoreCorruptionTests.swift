// SPDX-License-Identifier: MIT
import Checkpoints
import Foundation
import Storage
import Testing

/// Damages checkpoints in every way a disk can: the damage is seen, named, and the checkpoint before is used.
@Suite struct StoreCorruptionTests {
    private func makeRun() throws -> TemporaryFolder {
        let run = try TemporaryFolder(), store = CheckpointStore(runFolder: run.path)
        for step in [100, 200] {
            try store.commit(
                step: step, model: modelSources(seed: UInt64(step)), optimizer: optimizerSources(seed: 1),
                state: state(step: step))
        }
        return run
    }

    @Test(arguments: ["manifest.json", "state.json", "model.safetensors", "optimizer.safetensors"])
    func everyFlippedByteIsFound(_ file: String) throws {
        let run = try makeRun(), path = run.file("checkpoints/step-00000200/" + file)
        let original = try Data(contentsOf: URL(fileURLWithPath: path))
        let store = CheckpointStore(runFolder: run.path)
        var generator = SeededGenerator(7)
        for position in original.indices {
            var damaged = original
            damaged[position] ^= UInt8.random(in: 1...255, using: &generator)
            try overwrite(path, damaged)
            let found = try #require(try store.latestValid())
            #expect(found.info.step == 100, "byte \(position) of \(file)")
            #expect(found.skipped.count == 1 && found.skipped.first?.name == "step-00000200")
            #expect(found.skipped.first?.reason.contains(file) == true, "\(found.skipped)")
        }
        try overwrite(path, original)
        #expect(try store.latestValid()?.info.step == 200)
    }

    @Test(arguments: ["manifest.json", "state.json", "model.safetensors", "optimizer.safetensors"])
    func everyCutFileIsFound(_ file: String) throws {
        let run = try makeRun(), path = run.file("checkpoints/step-00000200/" + file)
        let original = try Data(contentsOf: URL(fileURLWithPath: path)), store = CheckpointStore(runFolder: run.path)
        for length in original.indices {
            try overwrite(path, original.prefix(length))
            let found = try #require(try store.latestValid())
            #expect(found.info.step == 100 && found.skipped.count == 1, "cut to \(length) bytes")
        }
        try FileManager.default.removeItem(atPath: path)
        #expect(try store.latestValid()?.info.step == 100)
        try overwrite(path, (original + Data([0])))
        #expect(try store.latestValid()?.info.step == 100)
    }

    @Test func reasonsReachThePerson() throws {
        let run = try makeRun(), store = CheckpointStore(runFolder: run.path)
        let path = run.file("checkpoints/step-00000200/model.safetensors")
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count - 1] ^= 1
        try overwrite(path, bytes)
        let error = #expect(throws: FileError.self) { try store.verify(name: "step-00000200") }
        #expect(error?.path == path)
        #expect(error?.reason.hasSuffix("it changed after it was written") == true)
        try store.verify(name: "step-00000100")

        try FileManager.default.removeItem(atPath: run.file("checkpoints/step-00000100/manifest.json"))
        let all = #expect(throws: FileError.self) { try store.latestValid() }
        #expect(all?.reason.hasPrefix("none of the 2 is valid: step-00000200: cannot verify") == true, "\(all?.reason ?? "")")
        #expect(store.list().map(\.step) == [200])
        #expect(store.invalid().map(\.name) == ["step-00000100"])
    }

    @Test func aRenamedFolderIsNotBelieved() throws {
        let run = try makeRun(), store = CheckpointStore(runFolder: run.path)
        try FileManager.default.moveItem(
            atPath: run.file("checkpoints/step-00000200"), toPath: run.file("checkpoints/step-00000300"))
        #expect(try store.latestValid()?.info.step == 100)
        #expect(store.invalid().first?.reason.contains("its manifest is of step 200") == true)
    }
}
