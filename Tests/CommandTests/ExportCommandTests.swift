// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import TestKit
import Testing

/// A run's numbers for other programs. The bytes are checked in RunLogTests, the real readers by scripts/bridges.
@Suite(.serialized) struct ExportCommandTests {
    @Test func eventFilesWhileTrainingAndAfter() throws {
        let folder = try WholePathTests.prepared(), run = folder("run")
        let arguments = ["train", "--data", folder("data"), "--out", run, "--max-iters", "3", "--quiet"] + WholePathTests.small
        let train = try Program.start(arguments + ["--tensorboard"]).1()
        #expect(train.code == 0, "\(train.errors)")
        #expect(TensorBoardLog.files(in: run).count == 1)
        // Going on needs no flag.
        let resumed = try Program.run("train", "--resume", "--out", run, "--max-iters", "5", "--quiet")
        #expect(resumed.code == 0, "\(resumed.errors)")
        #expect(TensorBoardLog.files(in: run).count == 2)

        let csv = try Program.run("export", run, "--to", "csv")
        #expect(csv.code == 0 && csv.errors.isEmpty, "\(csv.errors)")
        let kinds = csv.output.split(separator: "\n").map { $0.prefix { $0 != "," } }
        #expect(kinds.first == "event" && kinds.filter { $0 == "step" }.count == 5 && kinds.filter { $0 == "eval" }.count == 3)
        let wandb = try Program.run("export", run, "--to", "wandb", "--out", folder("w"))
        #expect(wandb.code == 0 && wandb.output.isEmpty, "\(wandb.errors)")
        #expect(FileManager.default.fileExists(atPath: folder("w/history.jsonl")))
        let board = try Program.run("export", run, "--to", "tensorboard", "--out", folder("logs"))
        #expect(board.code == 0 && TensorBoardLog.files(in: folder("logs")).count == 1, "\(board.errors)")
        try Program.expect(1, "would show the run twice", ["export", run, "--to", "tensorboard", "--out", run])
        // Another program's table can be judged; so can ours.
        #expect(try Program.run("export", run, "--to", "csv", "--out", folder("run.csv")).code == 0)
        #expect(try Program.run("report", folder("run.csv")).code == 0)
    }

    @Test func mistakes() throws {
        let folder = try TemporaryFolder()
        try Program.expect(2, "is no run folder (it has no run.json)", ["export", folder.path, "--to", "csv"])
        try Program.expect(2, "csv", ["export", folder.path, "--to", "excel"])
        let run = try WholePathTests.prepared()
        try WholePathTests.train(run, "--max-iters", "1", out: "r")
        try Program.expect(2, "--to wandb needs a folder: --out DIR", ["export", run("r"), "--to", "wandb"])
    }
}
