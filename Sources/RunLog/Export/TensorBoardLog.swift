// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Writes a run's events to a TensorBoard event file in the run folder, as they happen.
///
/// Every process that works on a run opens a file of its own, named so that readers take them in order. An event is one write
/// of whole records: a process that is killed loses nothing, and a record torn by a power cut ends its file for readers, which
/// then go on with the next.
public final class TensorBoardLog {
    /// The file being written.
    public let path: String
    private let file: Int32
    private let calls: FileCalls
    private var encoder: TensorBoardEncoder

    /// Opens the next event file of a run folder. The first one is given the history of the run, so that a run that gets its event
    /// files late has them whole.
    ///
    /// - Parameters:
    ///   - folder: the run folder, which exists
    ///   - record: its configuration is shown in TensorBoard
    ///   - history: what metrics.jsonl says so far; used when there is no event file yet
    ///   - calls: the system's
    ///   - now: the clock that names the file
    /// - Throws: `FileError` when the file cannot be written.
    public init(
        folder: String, record: RunRecord?, history: [RunEvent], calls: FileCalls = .system, now: () -> Date = { Date() }
    ) throws {
        let others = Self.files(in: folder)
        let seconds = now().timeIntervalSince1970
        path = folder + "/" + Self.nextName(after: others, seconds: seconds)
        self.calls = calls
        encoder = TensorBoardEncoder(record: record)
        file = calls.open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o644)
        if file < 0 { throw FileError(path: path, operation: "create", errno: errno) }
        var bytes = encoder.opening(time: seconds, isFirst: others.isEmpty)
        if others.isEmpty { for event in history { bytes += encoder.records(of: event) } }
        try append(bytes)
    }

    deinit { _ = calls.close(file) }

    /// Appends an event; those that TensorBoard has no place for are left out.
    ///
    /// - Throws: `FileError` when it cannot be written.
    public func write(_ event: RunEvent) throws { try append(encoder.records(of: event)) }

    /// The event files of a folder, oldest first.
    public static func files(in folder: String) -> [String] { Folder.names(folder).filter { $0.hasPrefix(prefix) } }

    /// Writes all events of a run as one new event file.
    ///
    /// - Parameters:
    ///   - events: those of `MetricsFile` that stand
    ///   - record: its configuration is shown in TensorBoard
    ///   - folder: made when it does not exist
    ///   - now: the clock that names the file
    /// - Returns: the file's path
    /// - Throws: `FileError` when the folder has event files, which would show the run twice, or cannot be written.
    public static func export(
        _ events: [RunEvent], record: RunRecord?, to folder: String, now: () -> Date = { Date() }
    ) throws -> String {
        if let other = files(in: folder).first {
            throw FileError(
                path: folder, operation: "write event files to",
                reason: "it has some (\(other)), and TensorBoard would show the run twice; choose another folder")
        }
        try Folder.create(folder)
        let seconds = now().timeIntervalSince1970
        var encoder = TensorBoardEncoder(record: record)
        var bytes = encoder.opening(time: seconds, isFirst: true)
        for event in events { bytes += encoder.records(of: event) }
        let path = folder + "/" + nextName(after: [], seconds: seconds)
        try AtomicFileWriter.write(Data(bytes), to: path)
        return path
    }

    // MARK: Names

    private static let prefix = "events.out.tfevents."

    /// TensorFlow's name: readers sort by the ten digits of the second, so that a later file gets a later one whatever the clock says.
    private static func nextName(after others: [String], seconds: Double) -> String {
        let taken = others.compactMap { Int($0.dropFirst(prefix.count).prefix { $0.isNumber }) }.max() ?? 0
        let second = max(Int(max(0, min(seconds, 9e9))), min(taken, 9_000_000_000) + 1)
        let digits = String(second)
        let padded = String(repeating: "0", count: max(0, 10 - digits.count)) + digits
        // The place of the host's name: a run folder tells nothing about where it was made that it need not tell.
        return "\(prefix)\(padded).apus.\(getpid()).0"
    }

    private func append(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try calls.writeAll($0, to: file, path: path) }
    }
}
