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
        seq = MetricsFile.lastLine(existing).map { Self.following($0.seq) } ?? 0
        // Not through a link: a run folder from elsewhere could have any file of ours appended to.
        file = calls.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o644)
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
        seq = Self.following(seq)
        return stamped
    }

    /// Flushes what was written to the disk, so that it survives a power cut; for any thread, as long as the writer lives. Throws `FileError`.
    public var flush: @Sendable () throws -> Void {
        let (file, path, calls) = (file, path, calls)
        return {
            // What cannot be flushed (EINVAL), such as a pipe, keeps nothing back either.
            if calls.fsync(file) != 0, errno != EINVAL { throw FileError(path: path, operation: "flush", errno: errno) }
        }
    }

    /// The next number; a file may claim the largest there is, which then stays.
    private static func following(_ seq: Int) -> Int { seq == .max ? seq : seq + 1 }

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
    /// Lines that could not be read, or hold numbers that no run reaches; a torn last one is not counted.
    public let unreadable: Int

    /// - Throws: `FileError` when the file cannot be read.
    public static func read(path: String) throws -> MetricsFile {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw FileError(path: path, operation: "read", errno: errno == 0 ? ENOENT : errno)
        }
        return parse(data)
    }

    /// The last line that can be read: what `parse` gives last, without reading a week's lines before it.
    static func lastLine(_ data: Data) -> RunEvent? {
        let decoder = RunEvent.makeDecoder()
        var rest = data[...]
        while !rest.isEmpty {
            let start = rest.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? rest.startIndex
            if start < rest.endIndex, let event = try? decoder.decode(RunEvent.self, from: Data(rest[start...])) { return event }
            rest = rest[..<max(rest.startIndex, start - 1)]
        }
        return nil
    }

    /// Reads the bytes of a `metrics.jsonl`; lines that cannot be read are counted, not refused.
    public static func parse(_ data: Data) -> MetricsFile {
        let decoder = RunEvent.makeDecoder()
        var lines: [RunEvent] = []
        var unreadable = 0
        let pieces = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
        for (index, piece) in pieces.enumerated() {
            if let event = try? decoder.decode(RunEvent.self, from: Data(piece)) {
                if event.isPossible { lines.append(event) } else { unreadable += 1 }
            } else if index < pieces.count - 1 {
                unreadable += 1
            }
        }
        return MetricsFile(events: standing(lines), lines: lines, unreadable: unreadable)
    }

    /// The lines that no later resume or rollback undid, in their order.
    ///
    /// - Complexity: one visit of each line, from the last to the first: what undoes a line stands behind it, and of all that do, only
    ///   the one that goes back furthest matters.
    package static func standing(_ lines: some BidirectionalCollection<RunEvent>) -> [RunEvent] {
        // The lowest steps that a resume, and that a resume or rollback, behind the present line goes back to; .max: there is none.
        var resumed = Int.max, undone = Int.max, isLast = true
        var standing: [RunEvent] = []
        for line in lines.reversed() {
            switch line.event {
            case .resume, .rollback:
                // These stay, as starts and warnings do: they tell the run's story.
                standing.append(line)
                isLast = false
                undone = min(undone, line.step)
                if line.event == .resume { resumed = min(resumed, line.step) }
            case .end where !isLast: continue
            case .step, .eval, .checkpoint, .end: if line.step <= undone { standing.append(line) }
            // A resumed run meets what comes after its checkpoint again, and says it again.
            case .skip: if line.step <= resumed { standing.append(line) }
            case .start, .warning: standing.append(line)
            }
        }
        return standing.reversed()
    }
}
