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
            var command = try Apus.parseAsRoot(Main.spelled(Array(CommandLine.arguments.dropFirst())))
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

    /// nanoGPT writes `--n_layer=12` where we write `--n-layer 12`: underscores in an option's name become dashes.
    static func spelled(_ arguments: [String]) -> [String] {
        var names = true
        return arguments.map { argument in
            if argument == "--" { names = false }
            guard names, argument.hasPrefix("--"), argument.count > 2 else { return argument }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts[0].replacingOccurrences(of: "_", with: "-")
            return parts.count == 2 ? name + "=" + parts[1] : name
        }
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
        Console.write(message + "\n")
        return code == .validationFailure ? 2 : code.rawValue
    }
}
