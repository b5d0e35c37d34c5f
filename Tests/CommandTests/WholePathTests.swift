// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import TestKit
import Testing

/// What the README shows, in small: text in, a model, a report and samples out.
@Suite(.serialized) struct WholePathTests {
    static let small = ["--n-layer", "2", "--n_head=2", "--n_embd=32", "--block-size", "32", "--batch-size", "4"]

    static func prepared() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let result = try Program.run(
            "prepare", "stories:400", "--out", folder("data"), "--tokenizer", "bpe:400", "--val-fraction", "0.1")
        #expect(result.code == 0, "\(result.errors)")
        return folder
    }

    /// A small run on the folder's data, complete.
    ///
    /// - Returns: its folder.
    @discardableResult
    static func train(_ folder: TemporaryFolder, _ options: String..., out: String = "run") throws -> String {
        let run = folder(out)
        let result = try Program.start(["train", "--data", folder("data"), "--out", run, "--quiet"] + options + small).1()
        #expect(result.code == 0, "\(result.errors)")
        return run
    }

    @Test func fromStoriesToSamples() throws {
        let folder = try Self.prepared(), run = folder("run")
        let data = folder("data")
        for name in ["train.bin", "val.bin", "dataset.json", "tokenizer.json"] {
            #expect(FileManager.default.fileExists(atPath: data + "/" + name), "\(name)")
        }
        let train = try Program.start(
            ["train", "--data", data, "--out", run, "--max-iters", "40", "--eval-interval", "20", "--learning-rate", "1e-2"]
                + Self.small
        ).1()
        #expect(train.code == 0, "\(train.errors)")
        #expect(
            train.errors.contains("parameters") && train.errors.contains("memory") && train.errors.contains("eval    step 40"))
        #expect(train.output.isEmpty)

        let evaluation = try Program.run("eval", run, "--data", data, "--json")
        #expect(evaluation.code == 0, "\(evaluation.errors)")
        let loss = try #require(try evaluation.object["loss"] as? Double)
        #expect(loss > 1 && loss < log(448))
        #expect(abs((try evaluation.object["perplexity"] as? Double ?? 0) / exp(loss) - 1) < 1e-9)
        #expect((try evaluation.object["bits_per_byte"] as? Double ?? 0) > 0)

        let samples = try (0..<2).map { _ in
            try Program.run("sample", run, "--max-new-tokens", "30", "--start", "One day", "--seed", "7")
        }
        #expect(samples[0].code == 0, "\(samples[0].errors)")
        #expect(samples[0].output.hasPrefix("One day"))
        #expect(samples[0].output == samples[1].output)
        let json = try Program.run("sample", run, "--json", "--ignore-end", "--max-new-tokens", "50", "--quiet")
        #expect(try json.object["tokens"] as? Int == 50)  // longer than the context of 32
        #expect(json.errors.isEmpty)

        let report = try Program.run("report", run, "--format", "json")
        #expect(report.code == 0, "\(report.errors)")
        #expect(try report.object["schema"] as? Int == 1)
        #expect((try report.object["curve"] as? [[String: Any]])?.count ?? 0 >= 2)
        let text = try Program.run("report", run)
        #expect(text.code == 0 && !text.output.isEmpty)

        let list = try Program.run("checkpoint", "verify", run)
        #expect(list.code == 0, "\(list.errors)")
    }

    /// Killed by SIGINT at some step, the run says so, and goes on to the weights of the uninterrupted run.
    @Test func interruptAndResume() throws {
        let folder = try Self.prepared()
        func arguments(_ run: String) -> [String] {
            [
                "train", "--data", folder("data"), "--out", folder(run), "--max-iters", "2000", "--eval-interval", "0",
                "--threads", "1",
            ] + Self.small
        }
        #expect(try Program.start(arguments("whole")).1().code == 0)
        let (process, finish) = try Program.start(arguments("parts"))
        // Wait for the first steps, whatever the machine's speed.
        let metrics = folder("parts") + "/metrics.jsonl"
        for _ in 0..<3000 {
            if let text = try? String(contentsOfFile: metrics, encoding: .utf8), text.contains("\"step\":5") { break }
            usleep(10_000)
        }
        process.interrupt()
        let first = finish()
        #expect(first.code == 130, "\(first.errors)")
        #expect(first.errors.contains("apus train --resume --out"))
        let second = try Program.run("train", "--resume", "--out", folder("parts"))
        #expect(second.code == 0, "\(second.errors)")
        for file in ["model.safetensors", "optimizer.safetensors"] {
            let parts = ["whole", "parts"].map {
                FileManager.default.contents(atPath: folder($0) + "/checkpoints/step-00002000/" + file)
            }
            #expect(parts[0] != nil && parts[0] == parts[1], "\(file)")
        }
        // Once complete, a run has nothing left to do.
        #expect(try Program.run("train", "--resume", "--out", folder("parts")).code == 0)
        // Other data under the same name is not gone on with unseen.
        let more = try Program.run(
            "prepare", "stories:500", "--out", folder("more"), "--tokenizer", folder("data") + "/tokenizer.json")
        #expect(more.code == 0, "\(more.errors)")
        try FileManager.default.moveItem(atPath: folder("data"), toPath: folder("old"))
        try FileManager.default.moveItem(atPath: folder("more"), toPath: folder("data"))
        let changed = try Program.run("train", "--resume", "--out", folder("parts"), "--max-iters", "2001")
        #expect(changed.code == 2 && changed.errors.contains("changed since the run was started"), "\(changed.errors)")
        let named = try Program.run(
            "train", "--resume", "--out", folder("parts"), "--max-iters", "2001", "--data", folder("data"))
        #expect(named.code == 0, "\(named.errors)")
    }

    @Test func nanoGPTsSpelling() throws {
        let folder = try Self.prepared()
        try folder.write(
            "train_tiny.py",
            """
            # a configuration as nanoGPT has them
            wandb_log = False
            compile = False
            n_layer = 1
            n_head = 2
            n_embd = 8 * 4
            block_size = 32
            batch_size = 4
            max_iters = 10
            lr_decay_iters = 10
            learning_rate = 1e-3
            """)
        let result = try Program.run(
            "train", folder("train_tiny.py"), "--data=" + folder("data"), "--out_dir=" + folder("run"), "--max_iters=6",
            "--compile=False")
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.errors.contains("'compile' has no meaning here"))
        let record = try RunFolder(folder("run")).readRecord()
        #expect(record.config.maxIters == 6 && record.config.nEmbd == 32)
        let sample = try Program.run("sample", "--out_dir=" + folder("run"), "--num_samples=1", "--max_new_tokens=5")
        #expect(sample.code == 0, "\(sample.errors)")
    }

    @Test func eventsAsJSON() throws {
        let folder = try Self.prepared()
        let result = try Program.start(
            ["train", "--data", folder("data"), "--out", folder("run"), "--max-iters", "3", "--json", "--quiet"] + Self.small
        ).1()
        #expect(result.errors.isEmpty)
        let kinds = try result.output.split(separator: "\n").map {
            try RunEvent.makeDecoder().decode(RunEvent.self, from: Data($0.utf8)).event
        }
        #expect(kinds == [.start, .eval, .step, .step, .step, .checkpoint, .eval, .end])
    }
}
