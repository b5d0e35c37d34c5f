// SPDX-License-Identifier: MIT
import Foundation
import TestKit
import Testing

/// What a resume may change, and that one that is refused changes nothing.
@Suite(.serialized) struct ResumeRefusalTests {
    private static func train(_ folder: TemporaryFolder, _ arguments: [String]) throws -> Program.Result {
        try Program.start(["train", "--out", folder("run"), "--quiet"] + arguments, folder: folder.path).1()
    }

    /// A run of 20 updates, complete.
    private static func started() throws -> TemporaryFolder {
        let folder = try WholePathTests.prepared()
        try WholePathTests.train(folder, "--max-iters", "20", "--eval-interval", "10", "--threads", "1")
        return folder
    }

    @Test(arguments: [
        (["--data", "typo"], "typo"), (["--device", "cuda"], "cuda"), (["--min-lr", "1"], "min_lr"),
        (["--max-iters", "5"], "the run has made 20 updates"), (["--n-layer", "3"], "--n-layer is 3"),
    ]) func aRefusedResumeLeavesTheRunAsItWas(_ options: [String], _ sentence: String) throws {
        let folder = try Self.started()
        let before = try #require(FileManager.default.contents(atPath: folder("run/run.json")))
        let refused = try Self.train(folder, ["--resume"] + options)
        #expect(refused.code != 0 && refused.errors.contains(sentence), "\(refused.errors)")
        let after = FileManager.default.contents(atPath: folder("run/run.json"))
        #expect(after == before)
        // And it can be resumed as before.
        let resumed = try Self.train(folder, ["--resume", "--max-iters", "22"])
        #expect(resumed.code == 0, "\(resumed.errors)")
    }

    /// Data that was named once is the run's from then on.
    @Test func otherDataIsNamedOnce() throws {
        let folder = try Self.started()
        let other = try Program.run(
            "prepare", "stories:300", "--out", folder("other"), "--tokenizer", folder("data/tokenizer.json"), "--val-fraction",
            "0.1")
        #expect(other.code == 0, "\(other.errors)")
        #expect(try Self.train(folder, ["--resume", "--data", folder("other"), "--max-iters", "22"]).code == 0)
        let again = try Self.train(folder, ["--resume", "--max-iters", "24"])
        #expect(again.code == 0, "\(again.errors)")
        // Data that changes under its name is still seen.
        try FileManager.default.removeItem(atPath: folder("other"))
        try FileManager.default.copyItem(atPath: folder("data"), toPath: folder("other"))
        let changed = try Self.train(folder, ["--resume", "--max-iters", "26"])
        #expect(changed.code == 2 && changed.errors.contains("changed since the run was started"), "\(changed.errors)")
    }
}
