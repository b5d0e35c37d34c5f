// SPDX-License-Identifier: MIT
import Foundation
import Storage
import TestKit
import Testing

/// What people are told when they name the wrong thing: what it is, and what is wanted there.
@Suite(.serialized) struct MessageTests {
    @Test func theWrongKindOfFileOrFolder() throws {
        let folder = try WholePathTests.prepared(), data = folder("data")
        try folder.write("small.txt", "A text of some words.\n")
        let out = folder("x")
        try Program.expect(
            2, "'\(data)' is a folder; a configuration is a .toml file", ["train", data, "--data", data, "--out", out])
        for value in ["maybe", "no"] {
            try Program.expect(
                2, "--bias is true or false, not '\(value)'", ["train", "--data", data, "--out", out, "--bias", value])
        }
        try Program.expect(
            1, "it is a file, and a dataset is a folder; make one of it with `apus prepare \(folder("small.txt")) --out DIR`",
            ["train", "--data", folder("small.txt"), "--out", out, "--max-iters", "1"])
        try Program.expect(
            1, "name the folder that it lies in, '\(data)'",
            ["train", "--data", data + "/val.bin", "--out", out, "--max-iters", "1"])
        try Program.expect(
            2, "there is no tokenizer 'bep:512'; --tokenizer takes gpt2, char, bpe:N",
            ["prepare", folder("small.txt"), "--out", out, "--tokenizer", "bep:512"])
        for command in ["list", "verify"] { try Program.expect(2, "'\(data)' is no run folder", ["checkpoint", command, data]) }
        try Program.expect(1, "it looks like text, not like token ids", ["prepare", "--audit", folder("small.txt")])
        let parquet = try folder.write("bad.parquet", "PAR1 and no footer PAR1")
        try Program.expect(1, "error: '\(parquet)', byte ", ["prepare", parquet, "--out", out, "--tokenizer", "bpe:300"])
        #expect(!FileManager.default.fileExists(atPath: out))
    }

    @Test func checkpointsThatAreMissingOrDamaged() throws {
        let folder = try WholePathTests.prepared()
        let run = try WholePathTests.train(
            folder, "--max-iters", "4", "--eval-interval", "2", "--eval-iters", "1", "--checkpoint-interval", "2")
        try Program.expect(1, "cannot find the checkpoint of step 5 in '\(run)", ["sample", run, "--checkpoint", "5"])
        let best = try String(contentsOfFile: run + "/best", encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        let path = "\(run)/checkpoints/\(best)/model.safetensors"
        var bytes = try #require(FileManager.default.contents(atPath: path))
        bytes[bytes.count - 5] ^= 4
        try bytes.write(to: URL(fileURLWithPath: path))
        let sample = try Program.run("sample", run, "--max-new-tokens", "3", "--quiet")
        #expect(sample.code == 0, "\(sample.errors)")
        #expect(sample.errors.components(separatedBy: "checkpoint \(best) is not used").count == 2, "\(sample.errors)")
    }

    @Test func mistypedArguments() throws {
        let folder = try TemporaryFolder()
        try folder.write("text.txt", "A text.\n")
        let cases: [(String, [String])] = [
            ("error: there is no command 'apus prepar'; did you mean 'prepare'?", ["prepar", "text.txt"]),
            ("error: there is no command 'apus tokenizer trai'; did you mean 'train'?", ["tokenizer", "trai"]),
            ("error: there is no command 'apus xylophone'; choose one of prepare, tokenizer, train", ["xylophone"]),
            ("error: temperature is -1.0", ["sample", "x", "--temperature", "-1"]),
            ("--max-tokens at least 0", ["eval", "x", "--data", "y", "--max-tokens", "-5"]),
            (
                "error: --workers is -1; it must be from 1 to 1024",
                ["prepare", folder("text.txt"), "--out", folder("x"), "--tokenizer", "char", "--workers", "-1"]
            ),
            ("error: Unknown option '--nonsense'", ["doctor", "--nonsense"]),
            ("error: --out is missing", ["prepare", "text.txt"]),
        ]
        for (sentence, arguments) in cases {
            try Program.expect(2, sentence, arguments)
            let result = try Program.start(arguments).1()
            #expect(!result.errors.contains("Usage: apus <subcommand>") && !result.errors.contains("Error:"), "\(result.errors)")
        }
        #expect(try Program.run("help", "train").code == 0)
        // Negative values of configuration keys are values too.
        try Program.expect(2, "learning_rate", ["train", "--learning-rate", "-1", "--out", folder("x"), "--max-iters", "1"])
    }

    /// Weights whose shapes do not tell the number of heads.
    @Test func headsAreGivenWhereNothingSaysThem() throws {
        let folder = try WholePathTests.prepared()
        let run = try WholePathTests.train(folder, "--max-iters", "1", "--eval-iters", "1")
        // The run's weights without their metadata, as another program may write them.
        let name = try #require(Folder.names(run + "/checkpoints").first)
        let bytes = try #require(FileManager.default.contents(atPath: "\(run)/checkpoints/\(name)/model.safetensors"))
        let length = bytes.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
        var header = try #require(
            try JSONSerialization.jsonObject(with: bytes[8..<8 + length]) as? [String: Any])
        header["__metadata__"] = nil
        var text = try JSONSerialization.data(withJSONObject: header)
        while text.count % 8 != 0 { text.append(0x20) }
        let size = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) }
        try Folder.create(folder("bare"))
        try folder.write("bare/weights.safetensors", size + text + bytes[(8 + length)...])
        let bare = folder("bare/weights.safetensors"), tokenizer = folder("data/tokenizer.json")
        let sampling = ["--max-new-tokens", "5", "--ignore-end", "--quiet"]
        try Program.expect(1, "give --n-head", ["sample", bare, "--tokenizer", tokenizer] + sampling)
        let own = try Program.start(["sample", run] + sampling).1()
        let given = try Program.start(["sample", bare, "--tokenizer", tokenizer, "--n-head", "2"] + sampling).1()
        #expect(given.code == 0 && given.output == own.output, "\(given.errors)")
        #expect(try Program.run("eval", bare, "--data", folder("data"), "--n-head", "2", "--max-tokens", "64").code == 0)
        let out = folder("named/model.safetensors")
        #expect(try Program.run("convert", bare, "--to", "safetensors", "--out", out, "--n-head", "2").code == 0)
        let named = try Program.start(["sample", out, "--tokenizer", tokenizer] + sampling).1()
        #expect(named.output == own.output, "\(named.errors)")
        let tuned = try Program.start(
            [
                "train", "--init_from=" + bare, "--n_head=2", "--data", folder("data"), "--out", folder("tuned"), "--max-iters",
                "1", "--eval-iters", "1", "--quiet",
            ]
        ).1()
        #expect(tuned.code == 0, "\(tuned.errors)")
        try Program.expect(2, "--n-head is 4, but", ["sample", run, "--n-head", "4"])
    }
}
