// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import Storage
import Testing

/// Reads the checkpoints that nanoGPT itself saved.
@Suite struct GoldenCheckpointTests {
    static let folders = ["nanogpt-tiny-bias", "nanogpt-tiny-nobias"]

    @Test(arguments: folders) func initialWeightsEqualBitForBit(_ name: String) throws {
        guard let folder = golden(name) else { return }
        let checkpoint = try NanoGPTCheckpoint(path: folder + "/ckpt.pt")
        let reference = try SafetensorsFile(path: folder + "/init.safetensors")
        #expect(Set(checkpoint.tensors.keys) == Set(reference.entries.map(\.name)))
        #expect(Set(checkpoint.facts.parameters.map(\.name)) == Set(reference.entries.map(\.name)))
        for source in try checkpoint.modelSources() {
            let entry = try reference.entry(source.name)
            #expect(entry.shape == source.shape && entry.dtype == .float32)
            #expect(try source.floats().map(\.bitPattern) == reference.floats(source.name).map(\.bitPattern), "\(source.name)")
        }
        #expect(checkpoint.optimizer.isEmpty && checkpoint.groups.count == 2)
        #expect(checkpoint.facts.bias == (name == "nanogpt-tiny-bias"))
    }

    @Test(arguments: folders) func optimizerStateIsNamed(_ name: String) throws {
        guard let folder = golden(name) else { return }
        for (file, steps) in [("ckpt_mid.pt", 15), ("ckpt_final.pt", 30)] {
            let checkpoint = try NanoGPTCheckpoint(path: folder + "/" + file)
            #expect(checkpoint.iterNum == steps)
            #expect(checkpoint.optimizer.count == checkpoint.facts.parameters.count)
            #expect(checkpoint.optimizer.values.allSatisfy { $0.step == steps })
            let loss = try #require(checkpoint.bestValLoss)
            #expect(loss > 4 && loss < 6.5)
            #expect(checkpoint.groups.map(\.weightDecay) == [0.1, 0])
            #expect(checkpoint.groups.allSatisfy { $0.beta1 == 0.9 && $0.beta2 == 0.95 && $0.epsilon == 1e-8 })
            #expect(checkpoint.config["gradient_accumulation_steps"]?.integer == 2)
            let sources = try checkpoint.optimizerSources()
            #expect(sources.count == 2 * checkpoint.facts.parameters.count)
            for source in sources where source.name.hasSuffix(".exp_avg_sq") {
                #expect(try source.floats().allSatisfy { $0 >= 0 && $0.isFinite })
            }
        }
    }

    @Test(arguments: folders) func opensAsModel(_ name: String) throws {
        guard let folder = golden(name) else { return }
        let model = try ModelSource.open(path: folder + "/ckpt_final.pt")
        #expect(model.kind == .nanoGPT && model.step == 30)
        #expect(model.tensors.map(\.name) == model.facts.parameters.map(\.name))
        let folderModel = try ModelSource.open(path: folder)
        #expect(folderModel.facts == model.facts)
        let bare = try ModelSource.open(path: folder + "/init.safetensors", nHead: model.facts.nHead)
        #expect(bare.facts == model.facts)
        #expect(throws: FileError.self) { try ModelSource.open(path: folder + "/init.safetensors") }
        for (a, b) in zip(bare.tensors, folderModel.tensors) { #expect(try a.floats() == b.floats()) }
    }
}
