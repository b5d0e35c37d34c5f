// SPDX-License-Identifier: MIT
import ArgumentParser
import Checkpoints
import Compute
import Foundation
import RunLog
import Storage

/// `apus checkpoint`: what a run has saved.
struct CheckpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "List, verify and prune a run's checkpoints.",
        subcommands: [CheckpointListCommand.self, CheckpointVerifyCommand.self, CheckpointPruneCommand.self])

    /// The checkpoints of a run folder.
    ///
    /// - Throws: `FileError` when there is no such folder, `UsageError` when it is no run's.
    static func store(_ run: String) throws -> CheckpointStore {
        guard Folder.exists(run) else { throw FileError(path: run, operation: "open the run folder", errno: ENOENT) }
        let store = CheckpointStore(runFolder: run)
        // A run that lost its record still has its checkpoints.
        guard RunFolder(run).exists || Folder.exists(store.folder) else {
            throw UsageError(
                "'\(run)' is no run folder (it has neither run.json nor checkpoints/); give the --out of an `apus train`")
        }
        return store
    }

    static func printJSON(_ object: [String: Any]) throws {
        let data = try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
        Console.print(String(decoding: data, as: UTF8.self))
    }

    static func json(_ info: CheckpointInfo) -> [String: Any] {
        [
            "name": info.name, "step": info.step, "bytes": info.byteCount, "created": info.manifest.created,
            "latest": info.isLatest,
            "best": info.isBest,
        ]
    }

    static func json(_ skipped: [SkippedCheckpoint]) -> [[String: Any]] {
        skipped.map { ["name": $0.name, "reason": $0.reason] }
    }

    static func marks(_ info: CheckpointInfo) -> String {
        [info.isLatest ? "latest" : nil, info.isBest ? "best" : nil].compactMap { $0 }.joined(separator: ", ")
    }

    static func padded(_ text: String, _ width: Int, right: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, width - text.count))
        return right ? space + text : text + space
    }
}

/// `apus checkpoint list RUN`
struct CheckpointListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List a run's checkpoints, the one committed last first.",
        discussion: "Reads manifests and file sizes only; `apus checkpoint verify` reads everything.")

    @Argument(help: ArgumentHelp("Run folder.", valueName: "run"))
    var folder: String

    @Flag(help: "Print {\"checkpoints\":[..],\"invalid\":[..]}.")
    var json = false

    func run() throws {
        let store = try CheckpointCommand.store(folder)
        let valid = store.list(), invalid = store.invalid()
        if json {
            try CheckpointCommand.printJSON([
                "checkpoints": valid.map { CheckpointCommand.json($0) }, "invalid": CheckpointCommand.json(invalid),
            ])
            return
        }
        if valid.isEmpty, invalid.isEmpty {
            Console.note("'\(folder)' has no checkpoints yet")
            return
        }
        Console.print("    step       size  committed")
        for info in valid {
            let step = CheckpointCommand.padded(String(info.step), 8, right: true)
            let size = CheckpointCommand.padded(MemoryError.text(info.byteCount), 10, right: true)
            let marks = CheckpointCommand.marks(info)
            Console.print("\(step) \(size)  \(info.manifest.created)" + (marks.isEmpty ? "" : "  \(marks)"))
        }
        for skipped in invalid { Console.warning("\(skipped.name) is no valid checkpoint: \(skipped.reason)") }
    }
}

/// `apus checkpoint verify RUN`
struct CheckpointVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read every byte of a run's checkpoints and compare sizes and checksums with their manifests.",
        discussion: "Exit code 1 when one is damaged.")

    @Argument(help: ArgumentHelp("Run folder.", valueName: "run"))
    var folder: String

    @Option(help: "Only this one: best, latest or a step [all].")
    var checkpoint: String?

    @Flag(help: "Print {\"valid\":[..],\"invalid\":[..]}.")
    var json = false

    func run() throws {
        let store = try CheckpointCommand.store(folder)
        var invalid = checkpoint == nil ? store.invalid() : []
        var valid: [CheckpointInfo] = []
        for info in try chosen(store) {
            if !json { Console.progress("verifying \(info.name)") }
            do {
                try store.verify(info)
                valid.append(info)
            } catch {
                invalid.append(SkippedCheckpoint(name: info.name, reason: "\(error)"))
            }
        }
        Console.clearProgress()
        if json {
            try CheckpointCommand.printJSON([
                "valid": valid.map { CheckpointCommand.json($0) }, "invalid": CheckpointCommand.json(invalid),
            ])
        } else {
            for info in valid { Console.print("valid    \(info.name)  \(MemoryError.text(info.byteCount))") }
            for skipped in invalid { Console.print("invalid  \(skipped.name)  \(skipped.reason)") }
            if valid.isEmpty, invalid.isEmpty { Console.note("'\(folder)' has no checkpoints yet") }
        }
        if !invalid.isEmpty { throw ExitCode(Failure.failed) }
    }

    /// The checkpoints to verify.
    ///
    /// - Throws: `UsageError` for a choice that means nothing, `FileError` when there is no such checkpoint.
    private func chosen(_ store: CheckpointStore) throws -> [CheckpointInfo] {
        guard let checkpoint else { return store.list() }
        guard let choice = CheckpointChoice(checkpoint) else {
            throw UsageError("--checkpoint '\(checkpoint)' is not valid; give best, latest or a step")
        }
        switch choice {
        case .step(let step): return [try store.checkpoint(step: step)]
        case .best, .latest:
            guard let info = store.list().first(where: { choice == .best ? $0.isBest : $0.isLatest }) else {
                throw FileError(
                    path: folder, operation: "find the \(checkpoint) checkpoint", reason: "no valid checkpoint has that mark")
            }
            return [info]
        }
    }
}

/// `apus checkpoint prune RUN --keep N`
struct CheckpointPruneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Remove all checkpoints but the newest ones, the latest and the best.",
        discussion: "Before anything is removed, one of those that stay is read completely and must be valid.")

    @Argument(help: ArgumentHelp("Run folder.", valueName: "run"))
    var folder: String

    @Option(help: "How many of the newest stay, at least 1.")
    var keep: Int

    @Flag(name: .customLong("dry-run"), help: "Only say what would be removed.")
    var dryRun = false

    @Flag(help: "Print {\"removed\":[..],\"bytes\":..,\"dry_run\":..}.")
    var json = false

    func run() throws {
        guard keep >= 1 else { throw UsageError("--keep \(keep) would lose the run; give at least 1") }
        let store = try CheckpointCommand.store(folder)
        // A run that is being trained prunes by itself (keep_checkpoints); two at once could count on each other's leavings.
        let lock = dryRun ? nil : try FolderLock(folder: folder)
        let removed = try withExtendedLifetime(lock) { try store.prune(keep: keep, dryRun: dryRun) }
        let bytes = removed.reduce(0) { $0 + $1.byteCount }
        if json {
            try CheckpointCommand.printJSON([
                "removed": removed.map { CheckpointCommand.json($0) }, "bytes": bytes, "dry_run": dryRun,
            ])
            return
        }
        for info in removed {
            Console.print("\(dryRun ? "would remove" : "removed")  \(info.name)  \(MemoryError.text(info.byteCount))")
        }
        if removed.isEmpty { Console.note("nothing to remove") }
    }
}
