// SPDX-License-Identifier: MIT
import Foundation
import RunLog

/// Completes the argument parser's completion scripts: the configuration's keys, which are a table and no properties of a parser,
/// and files where a path is meant.
///
/// Tests run the result in the shells, so that a parser that writes other scripts one day is noticed.
enum Completions {
    /// The commands that take the configuration's keys as options.
    private static let withKeys = ["train", "report", "plan"]
    /// The commands whose arguments are paths.
    private static let withPaths = [
        "prepare", "train", "eval", "sample", "report", "plan", "convert", "tokenizer train", "tokenizer inspect",
        "checkpoint list", "checkpoint verify", "checkpoint prune",
    ]
    /// The options whose values are paths, in every command.
    private static let pathOptions = ["out", "vocab", "tokenizer", "data", "config", "cache", "audit", "out-dir", "init-from"]

    /// An option that a key becomes.
    private struct Key {
        let name, help: String
        let choices: [String]
    }

    private static let keys: [Key] = {
        let defaults = RunConfig()
        let fields = RunConfig.fields.map { field in
            var choices = field.choices
            if case .boolean = field.get(defaults) { choices = ["true", "false"] }
            return Key(name: String(field.option.dropFirst(2)), help: field.help, choices: choices)
        }
        return [Key(name: "out", help: "short for --out-dir", choices: [])] + fields
    }()

    /// The script of any of the three shells, completed; other text as it is.
    static func extended(_ script: String) -> String {
        if script.hasPrefix("#!/bin/bash") { return bash(script) }
        if script.hasPrefix("#compdef") { return zsh(script) }
        if script.hasPrefix("function __apus") { return fish(script) }
        return script
    }

    /// The keys that a command does not define itself.
    private static func missing(in body: String, written: (String) -> String) -> [Key] {
        keys.filter { !body.contains(written($0.name)) }
    }

    /// Changes the shell function of one command.
    private static func change(_ script: inout String, _ command: String, _ edit: (inout String) -> Void) {
        let name = "\n_apus_" + command.replacing(" ", with: "_") + "() {\n"
        guard let start = script.range(of: name), let end = script.range(of: "\n}\n", range: start.upperBound..<script.endIndex)
        else { return }
        var body = String(script[start.upperBound..<end.lowerBound]) + "\n"
        edit(&body)
        script.replaceSubrange(start.upperBound..<end.lowerBound, with: body.dropLast())
    }

    // MARK: Shells

    private static func bash(_ text: String) -> String {
        var script = text
        for command in withKeys {
            change(&script, command) { body in
                let new = missing(in: body) { "'--\($0)')" }
                let names = new.map { " --" + $0.name }.joined()
                if let start = body.range(of: "\n    non_repeating_options=("),
                    let end = body.range(of: ")\n", range: start.upperBound..<body.endIndex)
                {
                    body.insert(contentsOf: names, at: end.lowerBound)
                }
                let cases = new.map { key in
                    let values = key.choices.joined(separator: "'$'\\n''")
                    let offer = key.choices.isEmpty ? "" : "        __apus_add_completions -W '\(values)'\n"
                    return "    '--\(key.name)')\n\(offer)        return\n        ;;\n"
                }
                body = body.replacing("    case \"${prev}\" in\n", with: "    case \"${prev}\" in\n" + cases.joined())
            }
        }
        for option in pathOptions {
            script = script.replacing(
                "    '--\(option)')\n        return\n",
                with: "    '--\(option)')\n        __apus_add_completions -f\n        return\n")
        }
        // What comes to a function's end is no option and no option's value.
        for command in withPaths { change(&script, command) { $0 += "\n    __apus_add_completions -f\n" } }
        return script
    }

    private static func zsh(_ text: String) -> String {
        func quoted(_ text: String) -> String {
            var quoted = text.replacing("'", with: "'\\''")
            for character in ["[", "]", ":"] { quoted = quoted.replacing(character, with: "\\" + character) }
            return quoted
        }
        var script = text
        for command in withKeys {
            change(&script, command) { body in
                let specs = missing(in: body) { "'--\($0)[" }.map { key in
                    let values = key.choices.isEmpty ? "" : "(\(key.choices.joined(separator: " ")))"
                    return "        '--\(key.name)[\(quoted(key.help))]:\(key.name):\(values)'\n"
                }
                let opening = "    local -ar arg_specs=(\n"
                body = body.replacing(opening, with: opening + "        '*:path:'\n" + specs.joined())
            }
        }
        for option in pathOptions { script = script.replacing("]:\(option):'\n", with: "]:\(option):_files'\n") }
        for argument in ["':model:", "':run:", "':tokenizer:", "'*:source:", "'*:path:"] {
            script = script.replacing(argument + "'\n", with: argument + "_files'\n")
        }
        return script
    }

    private static func fish(_ text: String) -> String {
        func quoted(_ text: String) -> String { text.replacing("\\", with: "\\\\").replacing("'", with: "\\'") }
        var script = text
        for command in withKeys {
            let condition = "__apus_should_offer_completions_for_flags_or_options \"apus \(command)\""
            let new = keys.filter { !script.contains("\(condition) \($0.name)'") }
            // Which options take a value, for finding the arguments among the words.
            let opening = "        case '\(command)'\n            __apus_parse_subcommand -r 1"
            script = script.replacing(opening, with: opening + fishSpecs(new).map { " '\($0)'" }.joined())
            if !script.hasSuffix("\n") { script += "\n" }
            for key in new {
                script += "complete -c 'apus' -n '\(condition) \(key.name)' -l '\(key.name)' -d '\(quoted(key.help))' -rfka "
                script += "'\(key.choices.joined(separator: " "))'\n"
            }
        }
        let lines = script.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            pathOptions.contains { line.contains(" -l '\($0)' ") } && line.hasSuffix(" -rfka ''")
                ? String(line.dropLast(" -rfka ''".count)) + " -rF" : String(line)
        }
        script = lines.joined(separator: "\n")
        for command in withPaths {
            script += "complete -c 'apus' -n '__apus_should_offer_completions_for_positional \"apus \(command)\" -gt 0' -F\n"
        }
        return script
    }

    /// Options as fish's argparse is told of them.
    ///
    /// It takes `n-layer` for a short option `n` with the long form `layer`; a short option given on purpose, one nobody types, keeps
    /// the name whole.
    private static func fishSpecs(_ keys: [Key]) -> [String] {
        var letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[...]
        return keys.map { key in
            let isMistakable = key.name.dropFirst().first == "-"
            guard isMistakable, let letter = letters.popFirst() else { return key.name + "=" }
            return "\(letter)/\(key.name)="
        }
    }
}
