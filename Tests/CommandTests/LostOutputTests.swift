// SPDX-License-Identifier: MIT
import Foundation
import Storage
import TestKit
import Testing

/// Terminals close, disks fill up, readers go away: what is said may be lost, what is trained is not.
@Suite(.serialized) struct LostOutputTests {
    /// Runs a line of the shell in which `apus` is the program.
    private static func shell(_ line: String, _ folder: TemporaryFolder) throws -> (code: Int32, errors: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "apus() { \"\(Program.path)\" \"$@\"; }; \(line)"]
        process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
        try folder.write("errors", "")
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: folder("errors")))
        process.standardOutput = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, try String(contentsOfFile: folder("errors"), encoding: .utf8))
    }

    private static let train =
        "apus train --data data --threads 1 --n-layer 1 --n-head 2 --n-embd 16 --block-size 16 --batch-size 2 --eval-iters 1"

    @Test func trainingGoesOnWithoutAnybodyToTell() throws {
        let folder = try WholePathTests.prepared()
        for (name, redirection, code) in [
            ("full", "2>/dev/full", 0), ("closed", "2>&-", 0), ("gone", "2>&1 | head -c 10", 0), ("json", "--json >/dev/full", 1),
            ("reader", "--json 2>&1 | head -c 10", 0),
        ] {
            let result = try Self.shell("\(Self.train) --out \(name) --max-iters 200 \(redirection)", folder)
            #expect(result.code == Int32(code), "\(name): \(result.errors)")
            // A pipe's code is its last command's: what counts is that the run is complete.
            let metrics = try String(contentsOfFile: folder(name + "/metrics.jsonl"), encoding: .utf8)
            #expect(metrics.contains("completed"), "\(name)")
            #expect(FileManager.default.fileExists(atPath: folder(name + "/checkpoints/step-00000200")), "\(name)")
            if code == 1 { #expect(result.errors.contains("cannot write to standard output"), "\(result.errors)") }
        }
    }

    @Test func lostDataIsAnErrorInASentence() throws {
        let folder = try WholePathTests.prepared()
        #expect(try Self.shell("\(Self.train) --out run --max-iters 20 --quiet", folder).code == 0)
        for command in [
            "report run", "sample run --max-new-tokens 5 --threads 1", "export run --to csv",
            "eval run --data data --max-tokens 200",
            "checkpoint list run", "doctor", "plan --n-layer 1 --n-head 1 --n-embd 8 --device A100",
        ] {
            let result = try Self.shell("apus \(command) >/dev/full", folder)
            #expect(result.code == 1, "\(command): \(result.errors)")
            #expect(result.errors.contains("cannot write to standard output: No space left"), "\(command): \(result.errors)")
            #expect(!result.errors.contains("Fatal error"), "\(command): \(result.errors)")
        }
    }

    /// A closed terminal stops a run as Ctrl-C does; under nohup it goes on.
    @Test(arguments: [false, true]) func aClosedTerminalLosesNothing(underNohup: Bool) throws {
        let folder = try WholePathTests.prepared()
        let command =
            "\(Self.train) --out run --max-iters 400000 --eval-interval 0 --quiet".replacingOccurrences(of: "apus ", with: "")
        let ignore = underNohup ? "trap '' HUP; " : ""
        let line =
            "\(ignore)\"\(Program.path)\" \(command) & run=$!; "
            + "for i in $(seq 600); do grep -q '\"step\":20,' run/metrics.jsonl 2>/dev/null && break; sleep 0.05; done; "
            + "kill -HUP $run; sleep 1; "
            + (underNohup ? "kill -0 $run || exit 99; kill -INT $run; " : "") + "wait $run"
        let result = try Self.shell(line, folder)
        #expect(result.code == 130, "\(result.errors)")
        #expect(Folder.names(folder("run/checkpoints")).contains { $0.hasPrefix("step-") })
    }

    /// A name of one character where nothing can be made.
    @Test func aFolderThatCannotBeMadeIsNamed() throws {
        let folder = try WholePathTests.prepared()
        let result = try Self.shell("data=$PWD/data; cd /proc && apus train --data \"$data\" --out x --max-iters 1", folder)
        #expect(result.code == 1 && result.errors.contains("cannot create the folder 'x'"), "\(result.errors)")
    }
}
