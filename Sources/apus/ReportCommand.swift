// SPDX-License-Identifier: MIT
import ArgumentParser
import Foundation
import Health
import RunLog
import Storage

/// `apus report`: what a run's record says about its health, and what to do next.
struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Judge a run: is it healthy, how good is it, what next.",
        usage:
            "apus report PATH [--format terminal|markdown|html|json] [--lang en|de] [--device NAME] [--KEY VALUE ...]",
        discussion: """
            PATH is an Apus run folder, or a log: what nanoGPT or llm.c printed, llm.c's main.log, Hugging Face's
            trainer_state.json, or a CSV with columns step and train_loss or val_loss.

            What a log lacks can be given: --device "RTX 4070", --dataset fineweb, --config FILE.py or FILE.toml, --data DIR
            (for the audit in its dataset.json), and any key of the configuration, such as --n-embd 384. Besides those:
            --parameters N, --train-tokens N, --tokenizer NAME, --total-batch-size TOKENS, --optimizer NAME,
            --architecture gpt2|modern, --cooldown-iters N.
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument {
        case terminal, markdown, html, json
    }

    @Argument(parsing: .allUnrecognized, help: .hidden)
    var arguments: [String] = []

    @Option(help: "terminal, markdown, html or json.")
    var format: Format = .terminal

    @Option(help: "Language of the report: en or de.")
    var lang = "en"

    @Flag(help: "List every check, the settings and the losses too.")
    var all = false

    @Option(help: "The device the run was made on, such as \"RTX 4070\".")
    var device: String?

    @Option(help: "The data set, such as fineweb, fineweb-edu or openwebtext.")
    var dataset: String?

    @Option(help: "The run's configuration: a nanoGPT .py file or a .toml file.")
    var config: String?

    @Option(help: "The dataset folder, for the audit in its dataset.json.")
    var data: String?

    @Option(help: "Write the report to this file instead of standard output.")
    var out: String?

    @Flag(help: "Write report.html, report.md and report.json into the run folder.")
    var save = false

    @Flag(help: "The same as --format json.")
    var json = false

    func run() throws {
        let (path, overrides) = try pathAndOverrides()
        let catalogue = try Catalogue.named(lang)
        try ReportFacts.check(device: device, dataset: dataset, data: data)
        var options = InputOptions()
        options.device = device
        options.dataset = dataset
        options.dataPath = data
        options.overrides = overrides
        options.configuration = try config.map(Self.configurationText)
        let facts = try reading { try HealthInput.load(path: path, options: options) }
        var health = HealthOptions()
        health.configPath = config
        health.dataPath = data
        let report = HealthReport.make(facts: facts, options: health)
        let document = ReportDocument(report: report, facts: facts)
        if save { try saveAll(document, catalogue, into: path) }
        let text = try rendered(document, catalogue)
        guard let out else {
            Console.stream(text)
            return
        }
        try AtomicFileWriter.write(Data(text.utf8), to: out)
        Console.note("wrote \(out)")
    }

    // MARK: Input

    /// The one path, and the configuration keys among the options.
    private func pathAndOverrides() throws -> (String, [String: ConfigValue]) {
        var paths: [String] = [], overrides: [String: ConfigValue] = [:]
        let extra = ReportFacts.keys
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--"), argument.count > 2 else {
                paths.append(argument)
                continue
            }
            let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
                String.init)
            let key = parts[0].replacingOccurrences(of: "-", with: "_")
            guard extra.contains(key) || RunConfig.fieldsByKey[key] != nil else {
                let near = nearestName(to: key, among: extra + RunConfig.fields.map(\.key))
                let hint =
                    near.map { "; did you mean --\($0.replacingOccurrences(of: "_", with: "-"))?" } ?? "; see apus report --help"
                throw UsageError("unknown option '--\(parts[0])'\(hint)")
            }
            guard let value = parts.count == 2 ? parts[1] : rest.popFirst(), !value.isEmpty else {
                throw UsageError("--\(parts[0]) needs a value: --\(parts[0]) VALUE")
            }
            overrides[key] = try ReportFacts.checked(ConfigValue(typed: value), key: key, option: "--" + parts[0])
        }
        guard let path = paths.first else {
            throw UsageError("nothing to report on: apus report PATH, a run folder or a log file")
        }
        guard paths.count == 1 else { throw UsageError("one run at a time: '\(paths[1])' is one path too many") }
        return (path, overrides)
    }

    /// A configuration file as the plain assignments that the report reads.
    private static func configurationText(_ path: String) throws -> (name: String, text: String) {
        let lines = try ConfigFile.read(path).map { entry -> String in
            let key = entry.key, value = entry.value
            return switch value {
            case .boolean(let flag): "\(key) = \(flag ? "True" : "False")"
            case .text(let text): "\(key) = '\(text.filter { $0 != "'" && $0 != "\\" && !$0.isNewline })'"
            default: "\(key) = \(value)"
            }
        }
        return (path, lines.joined(separator: "\n"))
    }

    /// Errors of the Health layer as errors of this program.
    private func reading(_ body: () throws -> RunFacts) throws -> RunFacts {
        do {
            return try body()
        } catch let error as HealthInputError {
            Console.error(error.description)
            throw ExitCode(Failure.failed)
        }
    }

    // MARK: Output

    private func rendered(_ document: ReportDocument, _ catalogue: Catalogue) throws -> String {
        switch json ? .json : format {
        case .json: return String(decoding: try document.json(catalogue: catalogue), as: UTF8.self) + "\n"
        case .html: return HTMLRenderer.render(document, catalogue: catalogue)
        case .markdown: return MarkdownRenderer.render(document, catalogue: catalogue)
        case .terminal:
            let toTerminal = out == nil
            let columns = toTerminal && isatty(STDOUT_FILENO) == 1 ? Console.columns(STDOUT_FILENO) : 100
            let renderer = TerminalRenderer(
                columns: columns, colour: toTerminal && Console.allowsColour(STDOUT_FILENO), catalogue: catalogue)
            return renderer.render(document.report, all: all) + document.recordText(catalogue: catalogue, columns: columns)
        }
    }

    private func saveAll(_ document: ReportDocument, _ catalogue: Catalogue, into path: String) throws {
        guard RunFolder(path).exists else {
            throw UsageError("--save writes into an Apus run folder, and '\(path)' is none; use --out FILE")
        }
        try AtomicFileWriter.write(Data(HTMLRenderer.render(document, catalogue: catalogue).utf8), to: path + "/report.html")
        try AtomicFileWriter.write(Data(MarkdownRenderer.render(document, catalogue: catalogue).utf8), to: path + "/report.md")
        try AtomicFileWriter.write(document.json(catalogue: catalogue), to: path + "/report.json")
        Console.note("wrote \(path)/report.html, report.md and report.json")
    }
}

extension Catalogue {
    /// - Throws: `UsageError` for a language that there is no catalogue of.
    static func named(_ language: String) throws -> Catalogue {
        switch language.lowercased() {
        case "en": return .english
        case "de": return .german
        default: throw UsageError("unknown language '\(language)'; choose en or de")
        }
    }
}
