// SPDX-License-Identifier: MIT
import Foundation
import RunLog

/// Turns configuration files and `--key value` arguments into a configuration, and remembers what was said.
struct ConfigArguments {
    private(set) var config = RunConfig()
    /// Keys that a file or the command line gave.
    private(set) var given: Set<String> = []
    private(set) var files: [String] = []
    /// Whether batch_size is to be chosen by measuring.
    private(set) var isBatchSizeAuto = false
    /// Sentences about keys that have no meaning here.
    private(set) var notices: [String] = []
    /// nanoGPT's `eval_only`.
    private(set) var evalOnly = false
    /// Whether keys that a nanoGPT file leaves out take nanoGPT's defaults: not over the settings of a stored run.
    private let isNew: Bool

    /// nanoGPT's keys that do nothing here, with the reason.
    static let withoutMeaning: [String: String] = [
        "compile": "there is nothing to compile", "backend": "one process trains",
        "always_save_checkpoint": "latest and best are kept apart", "eval_only": "use `apus eval`",
    ]

    private static func reason(_ key: String) -> String? {
        key.hasPrefix("wandb_") ? "`apus export --to wandb` writes what W&B imports" : withoutMeaning[key]
    }
    /// Shorter names on the command line.
    private static let aliases = ["out": "out_dir"]

    /// - Parameters:
    ///   - arguments: configuration files and options, in order; later ones win, as in nanoGPT
    ///   - base: the settings of a stored run; nil for a new one
    /// - Throws: `UsageError`, `ConfigError`, `FileError`.
    init(_ arguments: [String], base: RunConfig? = nil) throws {
        config = base ?? RunConfig()
        isNew = base == nil
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("-"), argument.count > 1 else {
                try apply(file: argument)
                continue
            }
            guard argument.hasPrefix("--") else {
                throw UsageError("unknown option '\(argument)'; options are written --name value")
            }
            let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
                String.init)
            let name = parts[0].replacingOccurrences(of: "-", with: "_"), key = Self.aliases[name] ?? name
            let value: String
            if parts.count == 2 {
                value = parts[1]
            } else if Self.isBoolean(key), rest.first.map({ ConfigValue(typed: $0) }).flatMap(Self.boolean) == nil {
                if let next = rest.first, Self.isMistakenBoolean(next) {
                    throw UsageError("--\(parts[0]) is true or false, not '\(next)'")
                }
                value = "true"  // `--bias` alone
            } else if let next = rest.first, !next.hasPrefix("--") {
                value = next
                rest.removeFirst()
            } else {
                throw UsageError("--\(parts[0]) needs a value: --\(parts[0]) VALUE")
            }
            try set(key, ConfigValue(typed: value), source: "--" + parts[0])
        }
    }

    private mutating func apply(file: String) throws {
        let entries = try ConfigFile.read(file)
        if ConfigFile.isNanoGPT(file), isNew, !files.contains(where: ConfigFile.isNanoGPT) { takeNanoGPTsDefaults(file) }
        files.append(file)
        for entry in entries where !(entry.isHelper && RunConfig.fieldsByKey[entry.key] == nil && Self.reason(entry.key) == nil) {
            try set(entry.key, entry.value, source: entry.source)
        }
    }

    /// A file of nanoGPT's says only what differs from train.py's own values.
    private mutating func takeNanoGPTsDefaults(_ file: String) {
        let ours = RunConfig(), theirs = RunConfig.nanoGPT
        for field in RunConfig.fields where !given.contains(field.key) && field.get(ours) != field.get(theirs) {
            // The values are valid by construction.
            try? config.set(field.key, field.get(theirs))
        }
    }

    private mutating func set(_ key: String, _ value: ConfigValue, source: String) throws {
        if let reason = Self.reason(key) {
            if key == "eval_only" { evalOnly = Self.boolean(value) ?? (value == .integer(1)) }
            notices.append("\(source): '\(key)' has no meaning here (\(reason)); ignored")
            return
        }
        // What is typed as a number may be meant as a name: --dataset 1984.
        var value = value
        if let field = RunConfig.fieldsByKey[key], case .text = field.get(RunConfig()), field.choices.isEmpty {
            if case .integer(let integer) = value { value = .text(String(integer)) }
        }
        if key == "batch_size" {
            isBatchSizeAuto = value == .text("auto")
            if isBatchSizeAuto { return }
        }
        if key == "dtype", value == .text("float16") {
            notices.append("\(source): float16 is not used here; bfloat16 has its speed without its overflows")
            value = .text("bfloat16")
        }
        if key == "device", case .text(let device) = value, device.hasPrefix("cuda:") { value = .text("cuda") }
        try config.set(key, value, source: source)
        given.insert(key)
    }

    private static func isBoolean(_ key: String) -> Bool {
        if case .boolean = RunConfig.fieldsByKey[key]?.get(RunConfig()) { return true }
        return false
    }

    /// Whether what follows a boolean key is meant as its value, and not an option or a configuration file.
    private static func isMistakenBoolean(_ argument: String) -> Bool {
        !argument.hasPrefix("-") && !argument.hasSuffix(".toml") && !ConfigFile.isNanoGPT(argument)
            && !FileManager.default.fileExists(atPath: argument)
    }

    private static func boolean(_ value: ConfigValue) -> Bool? {
        if case .boolean(let value) = value { return value }
        return nil
    }

    /// All keys as help text, by group.
    static var help: String {
        var lines: [String] = []
        var group = ""
        let defaults = RunConfig()
        for field in RunConfig.fields {
            if field.group != group {
                group = field.group
                lines.append("\n  \(group):")
            }
            let choices = field.choices.isEmpty ? "" : " (\(field.choices.joined(separator: ", ")))"
            let name = field.option.padding(toLength: max(32, field.option.count + 1), withPad: " ", startingAt: 0)
            lines.append("    \(name)\(field.help)\(choices) [\(field.get(defaults).description.trimmingCharacters(in: ["\""]))]")
        }
        return lines.joined(separator: "\n")
    }
}
