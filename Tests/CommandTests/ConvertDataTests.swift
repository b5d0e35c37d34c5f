// SPDX-License-Identifier: MIT
import Foundation
import TestKit
import Testing

/// GGUF and llm.c at the command line. The bytes are checked in CheckpointsTests and CorpusTests, the programs at the other end
/// by scripts/bridges.
@Suite(.serialized) struct ConvertDataTests {
    @Test func modelsAndTokensGoOutAndComeBack() throws {
        let folder = try WholePathTests.prepared()
        let run = try WholePathTests.train(folder, "--max-iters", "2", "--activation", "gelu_tanh")
        for (form, out) in [("gguf", "alone/model.gguf"), ("llmc", "model")] {
            let result = try Program.run("convert", run, "--to", form, "--out", folder(out), "--json")
            #expect(try result.code == 0 && result.object["format"] as? String == form, "\(result.errors)")
        }
        let data = try Program.run("convert", folder("data"), "--to", "llmc", "--out", folder("tokens"), "--name", "web")
        #expect(data.code == 0 && data.output.contains("web_train_000001.bin"), "\(data.errors)")

        // The same weights and the same tokens, whatever the form: the same loss, bit for bit.
        var losses: [Double] = []
        for (model, data) in [("alone/model.gguf", "data"), ("model", "data"), ("model/model.bin", "tokens")] {
            let result = try Program.run("eval", folder(model), "--data", folder(data), "--json", "--quiet")
            #expect(result.code == 0, "\(result.errors)")
            losses.append(try #require(try result.object["loss"] as? Double))
        }
        #expect(Set(losses).count == 1, "\(losses)")

        // A GGUF file has its tokenizer with it.
        let arguments = ["--temperature", "0", "--max-new-tokens", "12", "--dtype", "float32", "--json", "--quiet"]
        let sample = try Program.start(["sample", folder("alone/model.gguf")] + arguments).1()
        let ours = try Program.start(["sample", folder("model")] + arguments).1()
        #expect(try sample.code == 0 && sample.object["text"] as? String == ours.object["text"] as? String, "\(sample.errors)")
        #expect(sample.output == ours.output)
    }

    @Test func mistakes() throws {
        let folder = try WholePathTests.prepared()
        try Program.expect(
            2, "datasets are written with --to llmc", ["convert", folder("data"), "--to", "gguf", "--out", folder("x.gguf")])
        try Program.expect(
            2, "--shard-tokens takes 1 to",
            ["convert", folder("data"), "--to", "llmc", "--out", folder("x"), "--shard-tokens", "0"])
        let forged = try folder.write("forged.gguf", Data("GGUF".utf8) + Data([3, 0, 0, 0]) + Data(repeating: 0xff, count: 16))
        try Program.expect(1, "it claims 18446744073709551615 tensors", ["eval", forged, "--data", folder("data")])
    }
}
