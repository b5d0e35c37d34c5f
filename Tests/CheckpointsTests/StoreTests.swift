// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import Storage
import Testing

@Suite struct CheckpointStoreTests {
    @Test func commitsAndReadsBack() throws {
        let run = try TemporaryFolder()
        let store = CheckpointStore(runFolder: run.path)
        #expect(try store.latestValid() == nil)
        let committed = try store.commit(
            step: 500, model: modelSources(seed: 1), optimizer: optimizerSources(seed: 2), state: state(step: 500), best: true)
        #expect(committed.name == "step-00000500")
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
}
