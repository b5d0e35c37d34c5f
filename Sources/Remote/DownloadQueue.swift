// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Downloads a list of files in order, several at a time, not far ahead of the one that is wanted.
// SAFETY: every stored variable is touched only with `condition` locked.
public final class DownloadQueue: @unchecked Sendable {
    private enum State {
        case waiting, running, done
        case failed(any Error)
    }

    private let files: [RemoteFile]
    private let folder: String
    private let downloader: Downloader
    private let parallel: Int
    private let condition = NSCondition()
    private var states: [State]
    /// The file that was asked for last.
    private var wanted = 0
    private var threads = 0
    private var stopped = false

    /// - Parameters:
    ///   - folder: where the files come to lie; it is made when the first is asked for.
    ///   - parallel: files at a time, and files ahead.
    public init(_ files: [RemoteFile], folder: String, downloader: Downloader, parallel: Int = 4) {
        self.files = files
        self.folder = folder
        self.downloader = downloader
        self.parallel = max(1, parallel)
        states = files.map { _ in .waiting }
    }

    deinit { stop() }

    /// Where a file comes to lie: its own name behind a hash that tells it from others of that name.
    public func place(of index: Int) -> String {
        let file = files[index]
        let last = file.name.split(separator: "?").first.map(String.init) ?? file.name
        // A server chose the name: a zero byte would cut the path, a line end would break messages.
        let name = (last.split(separator: "/").last ?? "file").filter { !$0.isNewline && ($0.asciiValue ?? 32) >= 32 }
        return folder + "/" + SHA256.hex(of: file.name + "\n" + (file.tag ?? "")).prefix(16) + "-" + name.suffix(100)
    }

    /// Waits until a file is there, and lets those behind it be fetched.
    ///
    /// - Throws: what its download threw; `Downloader.Stopped`.
    public func path(of index: Int, isCancelled: () -> Bool = { false }) throws -> String {
        try Folder.create(folder)
        condition.lock()
        defer { condition.unlock() }
        wanted = index
        // A file that was removed, or failed for a passing reason, is fetched again when it is asked for again.
        if case .done = states[index], !FileManager.default.fileExists(atPath: place(of: index)) { states[index] = .waiting }
        startThreads()
        condition.broadcast()
        while true {
            switch states[index] {
            case .done: return place(of: index)
            case .failed(let error):
                states[index] = .waiting
                throw error
            case .waiting, .running: break
            }
            if stopped || isCancelled() { throw Downloader.Stopped() }
            _ = condition.wait(until: Date(timeIntervalSinceNow: 0.1))
        }
    }

    /// Removes a file that is not needed any more.
    public func remove(_ index: Int) {
        condition.lock()
        defer { condition.unlock() }
        guard case .done = states[index] else { return }
        unlink(place(of: index))
        unlink(place(of: index) + ".lock")
    }

    /// Ends all transfers; what came stays for the next time.
    public func stop() {
        condition.lock()
        stopped = true
        condition.broadcast()
        while threads > 0 { condition.wait() }
        condition.unlock()
    }

    private var isStopped: Bool {
        condition.lock()
        defer { condition.unlock() }
        return stopped
    }

    private func startThreads() {
        while threads < parallel, !stopped {
            threads += 1
            // The threads hold the queue until `stop`; its owner calls that.
            let thread = Thread { [self] in work() }
            thread.stackSize = 1 << 20
            thread.start()
        }
    }

    private func work() {
        condition.lock()
        while !stopped {
            let ahead = wanted..<min(wanted + parallel, files.count)
            guard let next = ahead.first(where: { if case .waiting = states[$0] { true } else { false } }) else {
                condition.wait()
                continue
            }
            states[next] = .running
            condition.unlock()
            let result = Result { try downloader.fetch(files[next], to: place(of: next), isStopped: { self.isStopped }) }
            condition.lock()
            switch result {
            case .success: states[next] = .done
            case .failure(let error): states[next] = error is Downloader.Stopped ? .waiting : .failed(error)
            }
            condition.broadcast()
        }
        threads -= 1
        condition.broadcast()
        condition.unlock()
    }
}
