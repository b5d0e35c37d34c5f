// SPDX-License-Identifier: MIT
import Foundation
import TestKit
import Testing

/// A file that somebody cuts short while it is mapped: the system then sends SIGBUS to whoever touches the lost pages.
@Suite(.serialized) struct ShrinkingFileTests {
    @Test func trainingOnDataThatIsCutShortEndsWithASentence() throws {
        let folder = try WholePathTests.prepared(), train = folder("data/train.bin")
        let arguments = ["train", "--data", folder("data"), "--out", folder("run"), "--quiet", "--checkpoint-interval", "10"]
        let whole = try #require(FileManager.default.contents(atPath: train))
        let (process, finish) = try Program.start(
            arguments + ["--max-iters", "1000000", "--eval-interval", "0"] + WholePathTests.small)
        let first = folder("run/checkpoints/step-00000010")
        for _ in 0..<3000 where !FileManager.default.fileExists(atPath: first) && process.isRunning { usleep(10_000) }
        #expect(truncate(train, 0) == 0)
        let result = finish()
        #expect(process.terminationReason == .exit && result.code == 1, "\(result.code) \(result.errors)")
        #expect(
            result.errors.contains("error: cannot read '\(train)': it became shorter while it was in use"), "\(result.errors)")
        // With the file as it was, the run goes on from what it had saved.
        try whole.write(to: URL(fileURLWithPath: train))
        let verified = try Program.run("checkpoint", "verify", folder("run"))
        #expect(verified.code == 0, "\(verified.errors)")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder("run/checkpoints")).filter {
            $0.hasPrefix("step-")
        }
        let step = try #require(names.sorted().last.flatMap { Int($0.dropFirst(5)) })
        let resumed = try Program.run(
            "train", "--resume", "--out", folder("run"), "--max-iters", "\(step + 2)", "--quiet")
        #expect(resumed.code == 0, "\(resumed.errors)")
    }
}
