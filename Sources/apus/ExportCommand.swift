// SPDX-License-Identifier: MIT
import ArgumentParser
import Foundation
import RunLog
import Storage

/// `apus export`: a run's numbers for other programs.
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a run's metrics for spreadsheets, TensorBoard or Weights & Biases.",
        discussion: """
            csv          one table of updates and evaluations, on standard output unless --out FILE is given
            tensorboard  an event file in the folder --out; `apus train --tensorboard` writes one while it trains
            wandb        history.jsonl, config.json and summary.json in the folder --out, which
                         scripts/bridges/wandb_import.py sends to Weights & Biases

              apus export runs/mine --to csv > mine.csv
              apus export runs/mine --to tensorboard --out logs/mine && tensorboard --logdir logs

            Models are converted by `apus convert`.
            """)

    enum Target: String, CaseIterable, ExpressibleByArgument {
        case csv, tensorboard, wandb
    }

    @Argument(help: ArgumentHelp("Run folder.", valueName: "run"), completion: .directory)
    var folder: String

    @Option(help: "csv, tensorboard or wandb.")
    var to: Target

    @Option(help: "File (csv) or folder to write.", completion: .file())
    var out: String?

    func run() throws {
        let run = RunFolder(folder)
        guard run.exists else {
            throw UsageError("'\(folder)' is no run folder (it has no run.json); give the --out of an `apus train`")
        }
        let metrics = try run.readMetrics(), record = try run.readRecord()
        if metrics.unreadable > 0 { Console.warning("\(metrics.unreadable) lines of \(run.metrics) are damaged and left out") }
        switch to {
        case .csv:
            let text = MetricsTable.csv(metrics.events)
            guard let out else {
                Console.stream(text)
                return
            }
            try AtomicFileWriter.write(text, to: out)
            Console.note("wrote \(out)")
        case .tensorboard:
            let path = try TensorBoardLog.export(metrics.events, record: record, to: outFolder())
            Console.note("wrote \(path)   next: tensorboard --logdir \(Paths.parent(of: path))")
        case .wandb:
            let target = try outFolder()
            try WandbFolder(metrics.events, record: record).write(to: target)
            Console.note("wrote \(target)/history.jsonl, config.json and summary.json")
        }
    }

    private func outFolder() throws -> String {
        guard let out, !out.isEmpty else { throw UsageError("--to \(to.rawValue) needs a folder: --out DIR") }
        return out
    }
}
