// SPDX-License-Identifier: MIT
import Foundation
import TestKit
import Testing

/// `apus convert` when something is wrong: a sentence, the right exit code, nothing overwritten and nothing left behind.
@Suite(.serialized) struct ConvertMistakesTests {
    /// A folder with a run of two updates and things that are no models.
    private func belongings() throws -> TemporaryFolder {
        let folder = try WholePathTests.prepared()
        try WholePathTests.train(folder, "--max-iters", "2")
        let weights = try #require(
            FileManager.default.contents(atPath: folder("run/checkpoints/step-00000002/model.safetensors")))
        try folder.write("cut.safetensors", weights.prefix(weights.count / 2))
        try folder.write("text.txt", "hello\n")
        try FileManager.default.createDirectory(atPath: folder("empty"), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: folder("dangling"), withDestinationPath: "nowhere")
        return folder
    }

    private func names(_ folder: TemporaryFolder) -> [String] {
        (FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []).sorted()
    }

    @Test func everyMistakeIsASentenceAndLeavesNothing() throws {
        let folder = try belongings(), run = folder("run"), before = names(folder)
        // (exit code, words of the sentence, source, options); --out is new/x unless it is given.
        let cases: [(Int32, String, String, [String])] = [
            (2, "unknown form 'excel'; --to takes one of nanogpt, huggingface, safetensors, llmc, gguf", run, ["--to", "excel"]),
            (2, "unknown form ''", run, ["--to", ""]),
            (2, "--dtype q8_0 is not possible with --to safetensors", run, ["--to", "safetensors", "--dtype", "q8_0"]),
            (2, "--dtype float16 is not possible with --to nanogpt", run, ["--to", "nanogpt", "--dtype", "float16"]),
            (2, "--dtype float16 is not possible with --to llmc", run, ["--to", "llmc", "--dtype", "float16"]),
            (2, "--dtype int8 is not possible with --to huggingface", run, ["--to", "huggingface", "--dtype", "int8"]),
            (2, "--out is empty", run, ["--to", "gguf", "--out", ""]),
            (2, "exists already; nothing is overwritten", run, ["--to", "gguf", "--out", folder("text.txt")]),
            (2, "exists already; nothing is overwritten", run, ["--to", "gguf", "--out", folder("dangling")]),
            (2, "exists already; nothing is overwritten", run, ["--to", "huggingface", "--out", folder("empty")]),
            (2, "exists already; nothing is overwritten", run, ["--to", "safetensors", "--out", "/dev/full"]),
            (2, "unknown checkpoint 'soon'; choose best, latest or a step", run, ["--to", "gguf", "--checkpoint", "soon"]),
            (1, "there are checkpoints of the steps 2", run, ["--to", "gguf", "--checkpoint", "99"]),
            (1, "no such file or folder", folder("nothing"), ["--to", "gguf"]),
            (1, "it is no run folder", folder("empty"), ["--to", "gguf"]),
            (1, "text.txt", folder("text.txt"), ["--to", "gguf"]),
            (1, "cut.safetensors", folder("cut.safetensors"), ["--to", "nanogpt"]),
            (1, "there is no tokenizer '\(folder("none.json"))'", run, ["--to", "gguf", "--tokenizer", folder("none.json")]),
            (1, "is no known kind of tokenizer file", run, ["--to", "gguf", "--tokenizer", folder("text.txt")]),
            (1, "text.txt' is a file", run, ["--to", "gguf", "--out", folder("text.txt/model.gguf")]),
            (1, "text.txt' is a file", run, ["--to", "huggingface", "--out", folder("text.txt/model")]),
            (2, "datasets are written with --to llmc", folder("data"), ["--to", "huggingface"]),
            (2, "--shard-tokens takes 1 to", folder("data"), ["--to", "llmc", "--shard-tokens", "0"]),
            (2, "--name is the beginning of file names", folder("data"), ["--to", "llmc", "--name", "../x"]),
            (2, "--name is the beginning of file names", folder("data"), ["--to", "llmc", "--name", ""]),
            (2, "Missing expected argument '--to <to>'", run, []),
        ]
        for (code, sentence, source, options) in cases {
            let out = options.contains("--out") ? [] : ["--out", folder("x")]
            try Program.expect(code, sentence, ["convert", source] + options + out)
            #expect(names(folder) == before, "\(options)")
        }
        #expect(try String(contentsOfFile: folder("text.txt"), encoding: .utf8) == "hello\n")
    }

    @Test func aRunWithoutCheckpointsAndADamagedOne() throws {
        let folder = try belongings()
        let weights = folder("run/checkpoints/step-00000002/model.safetensors")
        var bytes = try #require(FileManager.default.contents(atPath: weights))
        bytes[bytes.count - 9] ^= 1
        try bytes.write(to: URL(fileURLWithPath: weights))
        try Program.expect(
            1, "model.safetensors",
            ["convert", folder("run"), "--to", "gguf", "--checkpoint", "latest", "--out", folder("x.gguf")])
        try FileManager.default.removeItem(atPath: folder("run/checkpoints/step-00000002"))
        try Program.expect(
            1, "the run has not saved one yet", ["convert", folder("run"), "--to", "llmc", "--out", folder("x")])
        #expect(!names(folder).contains { $0.hasPrefix("x") })
    }
}
