// SPDX-License-Identifier: MIT
import Foundation
import TestKit
import Testing

/// Bad input: one clear sentence, exit code 1 or 2, nothing harmed.
@Suite(.serialized) struct BadInputTests {
    @Test func wrongUsage() throws {
        let folder = try TemporaryFolder()
        try folder.write("bad.toml", "n_layer = 2\nn_embed = 64\n")
        try folder.write("broken.toml", "n_layer = \n")
        try folder.write("nested.toml", "[model]\nn_layer = 2\n")
        let brackets = Places.fixture("fuzz/toml-config/section-of-brackets")
        try FileManager.default.copyItem(atPath: brackets, toPath: folder("brackets.toml"))
        try folder.write("evil.py", "n_layer = 2\nimport os\nn_embd = os.system('ls')\n")
        let cases: [(Int32, String, [String])] = [
            (2, "unknown key 'n_embed'; did you mean 'n_embd'?", ["train", folder("bad.toml"), "--out", "x"]),
            (2, "broken.toml:1", ["train", folder("broken.toml"), "--out", "x"]),
            (2, "the configuration is flat", ["train", folder("nested.toml"), "--out", "x"]),
            (2, "brackets.toml:3: sections have no meaning here", ["train", folder("brackets.toml"), "--out", "x"]),
            (2, "evil.py:3", ["train", folder("evil.py"), "--out", "x"]),
            (2, "unknown key 'n_layr'; did you mean 'n_layer'?", ["train", "--n-layr", "3", "--out", "x"]),
            (2, "n_layer = \"three\" is not valid", ["train", "--n-layer", "three", "--out", "x"]),
            (2, "--n-layer needs a value", ["train", "--n-layer"]),
            (2, "no run folder given", ["train", "--n-layer", "3"]),
            (2, "max_iters is not set", ["train", "--out", folder("run")]),
            (2, "no data given", ["train", "--out", folder("run"), "--max-iters", "5"]),
            (1, "there is no such folder", ["train", "--out", folder("run"), "--max-iters", "5", "--data", folder("nothing")]),
            (1, "cannot read the configuration", ["train", folder("nothing.toml"), "--out", folder("run")]),
            (2, "--dry-run shows a new run", ["train", "--resume", "--dry-run", "--out", folder("run")]),
            (2, "there is no run to resume", ["train", "--resume", "--out", folder("nothing")]),
            (2, "no model given", ["sample"]),
            (1, "nothing", ["sample", folder("nothing")]),
            (2, "temperature is -1.0", ["sample", folder("nothing"), "--temperature=-1"]),
            (2, "unknown kernels 'sse'", ["sample", folder("nothing"), "--isa", "sse"]),
            (2, "Unknown option '--nonsense'", ["doctor", "--nonsense"]),
        ]
        for (code, sentence, arguments) in cases { try Program.expect(code, sentence, arguments) }
        #expect(!FileManager.default.fileExists(atPath: folder("run")))
    }

    /// One sentence of what is missing: the driver on most machines, NVRTC where the named folder has none.
    @Test func graphicsCardWithoutItsLibraries() throws {
        let folder = try TemporaryFolder()
        let known = ["no NVIDIA driver was found", "the NVIDIA driver offers no graphics card", "NVRTC was not found"]
        for start in [["bench"], ["sample", folder("model")]] {
            let result = try Program.start(start + ["--device", "cuda", "--cuda-libraries", folder.path]).1()
            #expect(result.code == 1 && known.contains { result.errors.contains("error: " + $0) }, "\(result.errors)")
        }
        try Program.expect(2, "--memory-limit is for --device cuda", ["sample", "nothing", "--memory-limit", "3"])
        try Program.expect(2, "--batch-size auto is for `apus train`", ["bench", "--batch-size", "auto"])
    }

    @Test func badSources() throws {
        let folder = try TemporaryFolder()
        try folder.write("empty.txt", "")
        try folder.write("text.txt", String(repeating: "A line of text for the test. ", count: 2000))
        try folder.write("broken.jsonl", "{\"text\": \"good\"}\n{\"text\": \n")
        try folder.write("cut.txt.gz", Data([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 0x4c]))
        func prepare(_ source: String) -> [String] { ["prepare", source, "--out", folder("data"), "--tokenizer", "bpe:300"] }
        try Program.expect(2, "nothing.txt", prepare(folder("nothing.txt")))
        try Program.expect(1, "empty.txt", prepare(folder("empty.txt")))
        try Program.expect(1, "broken.jsonl", prepare(folder("broken.jsonl")))
        try Program.expect(1, "cut.txt.gz", prepare(folder("cut.txt.gz")))
        try Program.expect(2, "tokenizer", ["prepare", folder("text.txt"), "--out", folder("data"), "--tokenizer", "bpe:12"])
        #expect(!FileManager.default.fileExists(atPath: folder("data")))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.contains("tmp") } == [])
        // A folder that exists is not overwritten.
        try FileManager.default.createDirectory(atPath: folder("data"), withIntermediateDirectories: true)
        try folder.write("data/mine.txt", "keep me")
        try Program.expect(2, "data", prepare(folder("text.txt")))
        #expect(try String(contentsOfFile: folder("data/mine.txt"), encoding: .utf8) == "keep me")
    }

    @Test func badDatasets() throws {
        let folder = try TemporaryFolder()
        func train() -> [String] {
            [
                "train", "--data", folder("data"), "--out", folder("run"), "--max-iters", "3", "--n-layer", "1", "--n-head", "1",
                "--n-embd", "8",
                "--block-size", "8", "--vocab-size", "50",
            ]
        }
        try FileManager.default.createDirectory(atPath: folder("data"), withIntermediateDirectories: true)
        try Program.expect(1, "no train.bin", train())
        try folder.write("data/train.bin", Data())
        try Program.expect(1, "train.bin", train())
        try folder.write("data/train.bin", Data([1, 0, 2]))
        try Program.expect(1, "train.bin", train())
        try folder.write("data/train.bin", Data([1, 0, 2, 0]))
        try Program.expect(1, "block_size", train())
        try folder.write("data/train.bin", Data((0..<100).flatMap { [UInt8($0), 0] }))
        try Program.expect(2, "ids up to 99", train())
        #expect(!FileManager.default.fileExists(atPath: folder("run")))
        try Program.expect(
            2, "n_embd 10 is not divisible by n_head 4",
            train().map { $0 == "50" ? "128" : $0 } + ["--n-embd", "10", "--n-head", "4"])
    }

    @Test func aRunInUseAndADamagedCheckpoint() throws {
        let folder = try WholePathTests.prepared()
        let arguments =
            [
                "train", "--data", folder("data"), "--out", folder("run"), "--max-iters", "100000", "--eval-interval", "0",
                "--checkpoint-interval", "5", "--threads", "1",
            ] + WholePathTests.small
        let (process, finish) = try Program.start(arguments)
        for _ in 0..<3000 {
            if FileManager.default.fileExists(atPath: folder("run") + "/checkpoints/step-00000010") { break }
            usleep(10_000)
        }
        try Program.expect(1, "another process", ["train", "--resume", "--out", folder("run")])
        try Program.expect(2, "already holds a run", arguments)
        process.terminate()
        #expect(finish().code == 130)
        // The newest checkpoint loses a bit: the one before is used, and the program says why.
        let names = try FileManager.default.contentsOfDirectory(atPath: folder("run") + "/checkpoints").sorted()
        let newest = try #require(names.last), path = folder("run") + "/checkpoints/\(newest)/optimizer.safetensors"
        var bytes = try #require(FileManager.default.contents(atPath: path))
        bytes[bytes.count - 5] ^= 4
        try bytes.write(to: URL(fileURLWithPath: path))
        let step = try #require(Int(newest.dropFirst(5)))
        let resumed = try Program.run("train", "--resume", "--out", folder("run"), "--max-iters", "\(step + 1)")
        #expect(resumed.code == 0, "\(resumed.errors)")
        #expect(resumed.errors.contains("warning: checkpoint \(newest) is not used"))
    }

    @Test func helpAndVersion() throws {
        let help = try Program.run("--help")
        #expect(help.code == 0)
        for command in ["prepare", "tokenizer", "train", "eval", "sample", "report", "plan", "checkpoint", "bench", "doctor"] {
            #expect(help.output.contains("  \(command) "), "\(command)")
            #expect(try Program.run(command, "--help").code == 0, "\(command)")
        }
        let train = try Program.run("train", "--help")
        #expect(train.output.contains("--gradient-accumulation-steps") && train.output.contains("[0.1]"))
        #expect(try Program.run("--version").output == "0.1.0\n")
    }
}
