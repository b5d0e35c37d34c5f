// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// A run as Weights & Biases has them: a row of its history for every step, its configuration, its summary.
///
/// `history.jsonl` has one object a line with `_step`, `_timestamp` (seconds since 1970), `_runtime` (seconds since the start) and the tags
/// of TensorBoard; `config.json` and `summary.json` are flat objects. Numbers that are not finite are the texts "NaN",
/// "Infinity" and "-Infinity", as in W&B's own files. scripts/bridges/wandb_import.py sends the folder on.
public struct WandbFolder {
    /// One object a step, ascending.
    public let history: [[String: Any]]
    /// The configuration's keys and the other facts of run.json, flat; empty without a record.
    public let config: [String: Any]
    /// The last value of every tag, `val/loss.min`, `best_step`, and `state`: how the run ended, or "running".
    public let summary: [String: Any]

    /// - Parameters:
    ///   - events: those of `MetricsFile` that stand
    ///   - record: what run.json says
    /// - Throws: what encoding the record throws.
    public init(_ events: [RunEvent], record: RunRecord?) throws {
        let start = events.lazy.compactMap(\.date).first?.timeIntervalSince1970
        // W&B keeps one row a step: an evaluation joins the update after which it was made.
        var rows: [Int: [String: Any]] = [:]
        for event in events {
            let values = RunScalar.all.compactMap { scalar in scalar.value(in: event).map { (scalar.tag, $0) } }
            guard !values.isEmpty else { continue }
            var row = rows[event.step] ?? ["_step": event.step]
            for (tag, value) in values { row[tag] = Self.json(value) }
            if let time = event.date?.timeIntervalSince1970 {
                row["_timestamp"] = time
                // Times have milliseconds; their difference should not seem to have more.
                row["_runtime"] = ((time - (start ?? time)) * 1e3).rounded() / 1e3
            }
            rows[event.step] = row
        }
        history = rows.keys.sorted().compactMap { rows[$0] }
        summary = Self.summary(history, events)
        config = try record.map(Self.config) ?? [:]
    }

    /// Writes `history.jsonl`, `config.json` and `summary.json`, each whole or not at all.
    ///
    /// - Throws: `FileError`.
    public func write(to folder: String) throws {
        try Folder.create(folder)
        var lines = Data()
        for row in history { lines += try Self.encoded(row) }
        try AtomicFileWriter.write(lines, to: folder + "/history.jsonl")
        try AtomicFileWriter.write(Self.encoded(config, pretty: true), to: folder + "/config.json")
        try AtomicFileWriter.write(Self.encoded(summary, pretty: true), to: folder + "/summary.json")
    }

    // MARK: Parts

    /// The last value of everything, the best validation loss, and how the run ended.
    private static func summary(_ history: [[String: Any]], _ events: [RunEvent]) -> [String: Any] {
        var summary: [String: Any] = [:]
        for row in history { summary.merge(row) { $1 } }
        let losses = events.filter { $0.event == .eval }.compactMap { event in event.valLoss.map { (loss: $0, step: event.step) }
        }
        if let best = losses.filter(\.loss.isFinite).min(by: { $0.loss < $1.loss }) {
            summary["val/loss.min"] = best.loss
            summary["best_step"] = best.step
        }
        summary["state"] = events.last { $0.event == .end }?.message ?? "running"
        return summary
    }

    /// The configuration's keys flat, as `wandb.init(config:)` takes them, and the facts of run.json beside them.
    private static func config(_ record: RunRecord) throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: record.encoded()) as? [String: Any] ?? [:]
        var flat = object.filter { $0.key != "config" && $0.key != "data" }
        flat["command"] = record.command.joined(separator: " ")
        flat["data_facts"] = object["data"]  // `data` is the configuration's key
        flat.merge(object["config"] as? [String: Any] ?? [:]) { $1 }
        return flat
    }

    private static func json(_ value: Double) -> Any {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return value
    }

    private static func encoded(_ object: [String: Any], pretty: Bool = false) throws -> Data {
        let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
        return try JSONSerialization.data(withJSONObject: object, options: pretty ? options.union(.prettyPrinted) : options)
            + Data("\n".utf8)
    }
}
