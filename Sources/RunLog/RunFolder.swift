// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// The places inside a run folder.
public struct RunFolder: Sendable {
    /// As it was given; may be relative.
    public let path: String

    /// Names a folder; nothing is read or made.
    public init(_ path: String) { self.path = path }

    /// Written when the run starts; its presence makes the folder a run.
    public var record: String { path + "/run.json" }
    /// One `RunEvent` a line.
    public var metrics: String { path + "/metrics.jsonl" }
    /// One folder a checkpoint, such as "step-00000500".
    public var checkpoints: String { path + "/checkpoints" }
    /// Texts that the model wrote, which the health report reads; need not exist.
    public var samples: String { path + "/samples" }

    /// Whether the folder holds a run.
    public var exists: Bool { FileManager.default.fileExists(atPath: record) }

    /// Writes `run.json`, whole or not at all.
    public func writeRecord(_ record: RunRecord, calls: FileCalls = .system) throws {
        try AtomicFileWriter.write(record.encoded(), to: self.record, calls: calls)
    }

    /// Reads `run.json`.
    public func readRecord() throws -> RunRecord { try RunRecord.read(path: record) }

    /// Reads `metrics.jsonl`.
    public func readMetrics() throws -> MetricsFile { try MetricsFile.read(path: metrics) }
}
