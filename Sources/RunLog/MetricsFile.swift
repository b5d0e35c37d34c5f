// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Appends events to `metrics.jsonl`, each in one write, so that a crash tears at most the last line.
public final class MetricsWriter {
    private let file: Int32
    private let path: String
    private let encoder = RunEvent.makeEncoder()
    private var seq: Int
    private let calls: FileCalls
    private let now: () -> Date

    /// - Parameters:
    ///   - path: created when it does not exist; appended to otherwise.
    ///   - calls: the system's
    ///   - now: the clock that stamps the lines.
    /// - Throws: `FileError`.
    public init(path: String, calls: FileCalls = .system, now: @escaping () -> Date = { Date() }) throws {
        self.path = path
        self.calls = calls
        self.now = now
        let existing = FileManager.default.contents(atPath: path) ?? Data()
        seq = MetricsFile.parse(existing).lines.last.map { $0.seq + 1 } ?? 0
        file = calls.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        if file < 0 { throw FileError(path: path, operation: "open", errno: errno) }
        // A torn last line is closed, so that the next one stands on its own.
        if let last = existing.last, last != UInt8(ascii: "\n") { try append(Data("\n".utf8)) }
    }

    deinit { _ = calls.close(file) }

    /// Stamps an event with its number and time, and writes it.
    @discardableResult
    public func write(_ event: RunEvent) throws -> RunEvent {
        var stamped = event
        stamped.seq = seq
        stamped.time = RunEvent.timestamp(now())
        var line = try encoder.encode(stamped)
        line.append(UInt8(ascii: "\n"))
        try append(line)
        seq += 1
        return stamped
    }

    private func append(_ line: Data) throws {
        try line.withUnsafeBytes { try calls.writeAll($0, to: file, path: path) }
    }
}

/// What a `metrics.jsonl` says.
public struct MetricsFile: Sendable {
    /// The lines that stand: those that a later resume or rollback undid are dropped.
    public let events: [RunEvent]
    /// Every readable line in file order.
    public let lines: [RunEvent]
    /// Lines that could not be read, a torn last one not counted.
    public let unreadable: Int

    /// - Throws: `FileError` when the file cannot be read.
    public static func read(path: String) throws -> MetricsFile {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw FileError(path: path, operation: "read", errno: errno == 0 ? ENOENT : errno)
        }
        return parse(data)
    }

    /// Reads the bytes of a `metrics.jsonl`; lines that cannot be read are counted, not refused.
    public static func parse(_ data: Data) -> MetricsFile {
        let decoder = RunEvent.makeDecoder()
        var lines: [RunEvent] = []
        var unreadable = 0
        let pieces = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
        for (index, piece) in pieces.enumerated() {
            if let event = try? decoder.decode(RunEvent.self, from: Data(piece)) {
                lines.append(event)
            } else if index < pieces.count - 1 {
                unreadable += 1
            }
        }
        var standing: [RunEvent] = []
        for event in lines {
            if event.event == .resume || event.event == .rollback {
                // Start, warnings and rollbacks stay: they tell the run's story.
                standing.removeAll { $0.step > event.step && [.step, .eval, .checkpoint, .end].contains($0.event) }
                standing.removeAll { $0.event == .end }
                // A resumed run meets what comes after its checkpoint again, and says it again.
                if event.event == .resume { standing.removeAll { $0.step > event.step && $0.event == .skip } }
            }
            standing.append(event)
        }
        return MetricsFile(events: standing, lines: lines, unreadable: unreadable)
    }
}
