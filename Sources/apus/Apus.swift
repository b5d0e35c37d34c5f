// SPDX-License-Identifier: MIT
import ArgumentParser
import Foundation
import RunLog
import Storage

/// The command line: `apus COMMAND ...`.
struct Apus: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "Trains healthy small GPTs on one machine: text in, a model, samples and an honest report out.",
        discussion: """
            A first run, start to end:
              apus prepare stories --out data/stories --tokenizer bpe:4096
              apus train config/stories-tiny.toml --data data/stories --out runs/stories
              apus report runs/stories
              apus sample runs/stories --start "Once upon a time"

            Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted (state saved).
            """,
        version: apusVersion,
        subcommands: [
            PrepareCommand.self, TokenizerCommand.self, TrainCommand.self, EvalCommand.self, SampleCommand.self,
            ReportCommand.self, ExportCommand.self, PlanCommand.self, CheckpointCommand.self, ConvertCommand.self,
            BenchCommand.self, DoctorCommand.self,
        ])
}

@main
enum Main {
    static func main() {
        MappedFile.explainFaults()
        // Who reads what we say may go: that is an error in writing, and no reason to die before all is saved.
        signal(SIGPIPE, SIG_IGN)
        do {
            let arguments = Main.spelled(Array(CommandLine.arguments.dropFirst()))
            try Main.checkCommand(arguments)
            var command = try Apus.parseAsRoot(arguments)
            try command.run()
        } catch {
            exit(Main.report(error))
        }
        if Console.outputFailure == EPIPE {
            // As `head` wants it: no word, and the code of a program that the signal ended.
            exit(128 + SIGPIPE)
        }
        if Console.outputFailure != 0 {
            Console.error(
                "cannot write to standard output: \(String(cString: strerror(Console.outputFailure))); what was printed is incomplete"
            )
            exit(Failure.failed)
        }
    }

    /// Refuses a command that there is none of, with the one that may be meant: the parser would count unexpected arguments.
    private static func checkCommand(_ arguments: [String]) throws {
        var configuration = Apus.configuration, path = "apus"
        for argument in arguments {
            let names = configuration.subcommands.map { $0._commandName }
            guard !names.isEmpty, !argument.hasPrefix("-"), argument != "help" else { return }
            guard let next = configuration.subcommands.first(where: { $0._commandName == argument }) else {
                let near = nearestName(to: argument, among: names).map { "did you mean '\($0)'?" }
                let cure = near ?? "choose one of \(names.joined(separator: ", "))"
                throw UsageError("there is no command '\(path) \(argument)'; \(cure)")
            }
            configuration = next.configuration
            path += " " + argument
        }
    }

    /// The arguments as the parser wants them.
    ///
    /// nanoGPT writes `--n_layer=12` where we write `--n-layer 12`: underscores in an option's name become dashes. A negative number
    /// behind an option is its value, which the parser takes for another option unless they are one argument.
    static func spelled(_ arguments: [String]) -> [String] {
        var names = true, spelled: [String] = []
        for argument in arguments {
            if argument == "--" { names = false }
            if names, isNegative(argument), let last = spelled.last, last.hasPrefix("--"), last.count > 2, !last.contains("=") {
                spelled[spelled.count - 1] = last + "=" + argument
                continue
            }
            guard names, argument.hasPrefix("--"), argument.count > 2 else {
                spelled.append(argument)
                continue
            }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts[0].replacingOccurrences(of: "_", with: "-")
            spelled.append(parts.count == 2 ? name + "=" + parts[1] : name)
        }
        return spelled
    }

    private static func isNegative(_ argument: String) -> Bool {
        argument.hasPrefix("-") && !argument.hasPrefix("--") && Double(argument) != nil
    }

    /// Says what went wrong and gives the exit code that fits.
    static func report(_ error: any Error) -> Int32 {
        if let exit = error as? ExitCode { return exit.rawValue }
        if let (sentence, code) = Failure.explain(error) {
            Console.error(sentence)
            return code
        }
        // Help, version and usage errors of the argument parser.
        let code = Apus.exitCode(for: error)
        let message = Apus.fullMessage(for: error)
        if code == .success {
            if !message.isEmpty { Console.print(Completions.extended(message)) }
            return 0
        }
        // One form for all errors, whoever finds them.
        let theirs = "Error: "
        Console.write((message.hasPrefix(theirs) ? "error: " + message.dropFirst(theirs.count) : message) + "\n")
        return code == .validationFailure ? 2 : code.rawValue
    }
}
