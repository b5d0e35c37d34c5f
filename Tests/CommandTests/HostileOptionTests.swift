// SPDX-License-Identifier: MIT
import Dispatch
import Foundation
import RunLog
import Synchronization
import TestKit
import Testing

/// Every option of every command with values that nobody means: the program does what they say or refuses them in a sentence. It
/// never traps, and never fails without a word.
@Suite(.serialized) struct HostileOptionTests {
    /// Numbers at the edges of their types, none at all, and texts that are paths, patterns or no text.
    private static let values = [
        "", "-1", "0", "1e308", "-inf", "nan", "9223372036854775807", "-9223372036854775808", "18446744073709551616", "65537",
        "0x10", "1/9223372036854775807", "bpe:9223372036854775807", "../x", "/dev/full", "%n%s", "é\u{202E}\u{1}", "[{\"",
    ]

    /// A short command line for each command; OUT stands for a path where nothing is, RUN and DATA for what `belongings` made.
    private static let commands: [String: [String]] = {
        let small = [
            "--max-iters", "1", "--n-layer", "1", "--n-head", "1", "--n-embd", "8", "--block-size", "8", "--batch-size", "2",
            "--eval-iters", "1", "--threads", "1",
        ]
        return [
            "prepare": ["DATA/../text.txt", "--out", "OUT", "--tokenizer", "bpe:300", "--quiet"],
            "tokenizer train": ["DATA/../text.txt", "--vocab-size", "300", "--out", "OUT", "--quiet"],
            "tokenizer encode": ["--tokenizer", "DATA/tokenizer.json"],
            "tokenizer decode": ["--tokenizer", "DATA/tokenizer.json"], "tokenizer inspect": ["DATA/tokenizer.json"],
            "train": ["--data", "DATA", "--out", "OUT", "--quiet"] + small,
            "eval": ["RUN", "--data", "DATA", "--max-tokens", "50", "--quiet"],
            "sample": ["RUN", "--max-new-tokens", "2", "--num-samples", "1", "--quiet"], "report": ["RUN"],
            "export": ["RUN", "--to", "csv", "--out", "OUT"], "plan": ["--device", "A100"] + small, "checkpoint list": ["RUN"],
            "checkpoint verify": ["RUN"], "checkpoint prune": ["RUN", "--dry-run"],
            "convert": ["RUN", "--to", "safetensors", "--out", "OUT", "--quiet"],
            "bench": ["--steps", "1", "--tokens", "1"] + small,
            "doctor": [],
        ]
    }()

    /// Values that are valid and would take long: what they ask for is really done.
    private static let long: Set<[String]> = [
        ["train", "--max-iters", "65537"], ["train", "--gradient-accumulation-steps", "65537"],
        ["train", "--eval-iters", "65537"],
        ["sample", "--num-samples", "65537"], ["sample", "--max-new-tokens", "65537"], ["bench", "--steps", "65537"],
        ["bench", "--tokens", "65537"],
    ]

    /// What the program says it takes: (command, option), from its own description for other tools.
    private static func options() throws -> [(command: String, option: String)] {
        let help = try Program.run("--experimental-dump-help")
        var found: [(command: String, option: String)] = []
        func visit(_ command: [String: Any], _ path: [String]) {
            let subcommands = command["subcommands"] as? [[String: Any]] ?? []
            for subcommand in subcommands {
                visit(subcommand, path + [subcommand["commandName"] as? String ?? ""])
            }
            guard subcommands.isEmpty, path != ["help"] else { return }
            for argument in command["arguments"] as? [[String: Any]] ?? [] where argument["kind"] as? String == "option" {
                let names = argument["names"] as? [[String: Any]] ?? []
                if let name = names.first(where: { $0["kind"] as? String == "long" })?["name"] as? String {
                    found.append((path.joined(separator: " "), "--" + name))
                }
            }
        }
        visit(try #require(try help.object["command"] as? [String: Any]), [])
        // `bench` takes the same keys, but measures for seconds before it uses them.
        for command in ["train", "plan"] { found += RunConfig.fields.map { (command: command, option: $0.option) } }
        return found
    }

    private func belongings() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try folder.write("text.txt", String(repeating: "A line of text for the test. ", count: 500))
        // Relative paths such as ../x stay in the temporary folder.
        try FileManager.default.createDirectory(atPath: folder("inside"), withIntermediateDirectories: true)
        let data = try Program.run(
            "prepare", "stories:60", "--out", folder("data"), "--tokenizer", "bpe:300", "--val-fraction", "0.1", "--quiet")
        #expect(data.code == 0, "\(data.errors)")
        let train = try Program.start(
            ["train", "--out", folder("run"), "--data", folder("data")] + (Self.commands["train"] ?? []).dropFirst(4)
        )
        .1()
        #expect(train.code == 0, "\(train.errors)")
        return folder
    }

    /// The command line with one option replaced or added.
    private static func line(
        _ command: String, _ option: String, _ value: String, _ folder: String, _ out: String
    ) -> [String] {
        var words = commands[command] ?? []
        if let place = words.firstIndex(of: option) { words.removeSubrange(place...place + 1) }
        words = words.map {
            $0 == "OUT" ? out : $0 == "RUN" ? folder + "/run" : $0.replacingOccurrences(of: "DATA", with: folder + "/data")
        }
        return command.split(separator: " ").map(String.init) + words + ["\(option)=\(value)"]
    }

    @Test func noValueOfAnyOptionTraps() throws {
        let belongings = try belongings(), folder = belongings.path, options = try Self.options()
        #expect(Set(options.map(\.command)).isSubset(of: Self.commands.keys), "a command is new: give it a line above")
        #expect(options.count > 150)
        // Each option gets three of the values, so that every six options in a row try all of them.
        let lines = options.enumerated().flatMap { index, entry in
            (0..<3).map { turn in (entry.command, entry.option, Self.values[(3 * index + turn * 7) % Self.values.count]) }
        }.filter { !Self.long.contains([$0.0, $0.1, $0.2]) }
        let complaints = Mutex<[String]>([]), refused = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: lines.count) { index in
            let (command, option, value) = lines[index], out = "\(folder)/out-\(index)"
            let words = Self.line(command, option, value, folder, out)
            guard let (process, finish) = try? Program.start(words, input: "1 2 3\n", folder: folder + "/inside") else { return }
            let result = finish()
            try? FileManager.default.removeItem(atPath: out)
            if result.code != 0 { refused.add(1, ordering: .relaxed) }
            let trapped = process.terminationReason != .exit || result.errors.contains("Fatal error")
            if trapped || ![0, 1, 2].contains(result.code) || result.code != 0 && !result.errors.lowercased().contains("error: ")
            {
                complaints.withLock { $0.append("\(words): \(result.code), \(result.errors.suffix(300))") }
            }
        }
        withExtendedLifetime(belongings) {}
        let found = complaints.withLock { $0 }, count = refused.load(ordering: .relaxed)
        #expect(found == [])
        #expect(count > lines.count / 3)
    }
}
