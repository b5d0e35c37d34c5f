// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// The places inside a run folder.
public struct RunFolder: Sendable {
    public let path: String

    /// Names a folder; nothing is read or made.
    public init(_ path: String) { self.path = path }

    public var record: String { path + "/run.json" }
    public var metrics: String { path + "/metrics.jsonl" }
    public var checkpoints: String { path + "/checkpoints" }
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
