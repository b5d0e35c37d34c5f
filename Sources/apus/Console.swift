// SPDX-License-Identifier: MIT
import Foundation
import Storage
import Synchronization

/// Standard error: progress, notices and errors; standard output: data.
///
/// Neither ends a run when it cannot be written: what is said on standard error is lost then, and a lost output is told at the end
/// (`outputFailure`), when all that the program had to save is saved.
enum Console {
    /// Whether a person watches standard error.
    static let isTerminal = isatty(STDERR_FILENO) == 1
    /// Whether output may carry colours: a terminal, and NO_COLOR (no-color.org) is not set.
    static func allowsColour(_ file: Int32) -> Bool {
        isatty(file) == 1 && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
    }

    static func write(_ text: String) { _ = put(text, to: STDERR_FILENO) }

    /// The number of the first error in writing to standard output; 0 when there was none.
    private static let firstFailure = Atomic<Int32>(0)
    static var outputFailure: Int32 { firstFailure.load(ordering: .relaxed) }

    /// The system's calls, but for a pipe or terminal that was set not to block and is full: it is waited for a little.
    private static let calls: FileCalls = {
        var calls = FileCalls.system
        calls.write = { file, bytes, count in
            while true {
                let written = FileCalls.system.write(file, bytes, count)
                guard written < 0, errno == EAGAIN else { return written }
                var ready = pollfd(fd: file, events: Int16(POLLOUT), revents: 0)
                if poll(&ready, 1, 1000) <= 0 {
                    errno = EAGAIN
                    return -1
                }
            }
        }
        return calls
    }()

    /// - Returns: 0, or the error's number; what was not written then is lost.
    private static func put(_ text: String, to file: Int32) -> Int32 {
        var text = text
        do {
            try text.withUTF8 { try calls.writeAll(UnsafeRawBufferPointer($0), to: file, path: "the terminal") }
            return 0
        } catch {
            return (error as? FileError)?.code ?? EIO
        }
    }

    static func note(_ line: String) { write(plain(line) + "\n") }

    static func error(_ sentence: String) { write("error: \(plain(sentence))\n") }

    static func warning(_ sentence: String) { write("warning: \(plain(sentence))\n") }

    /// Sentences quote what files hold; control characters in that could move the cursor or retitle the window, and become U+FFFD.
    static func plain(_ text: String) -> String {
        func isControl(_ scalar: Unicode.Scalar) -> Bool {
            scalar != "\n" && scalar != "\t" && (scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value))
        }
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? "\u{FFFD}" : $0 }))
    }

    /// A path as a shell takes it: in quotes when it needs them.
    static func quoted(_ path: String) -> String {
        let isPlain = path.unicodeScalars.allSatisfy {
            $0.properties.isAlphabetic || $0.properties.numericType != nil || "/._-+=:@%,~".unicodeScalars.contains($0)
        }
        return isPlain && !path.isEmpty ? path : "'" + path.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }

    /// Columns of the terminal behind a file; 80 when there is none.
    static func columns(_ file: Int32 = STDERR_FILENO) -> Int {
        var size = winsize()
        guard ioctl(file, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// A line that replaces itself; nothing when no terminal watches.
    static func progress(_ line: String) {
        guard isTerminal else { return }
        write("\r\u{1B}[K" + String(line.prefix(max(columns() - 1, 1))))
    }

    static func clearProgress() { if isTerminal { write("\r\u{1B}[K") } }

    /// Writes to standard output at once, also text that streams. After the first failure nothing more is written.
    static func stream(_ text: String) {
        guard outputFailure == 0 else { return }
        let failure = put(text, to: STDOUT_FILENO)
        if failure != 0 { firstFailure.store(failure, ordering: .relaxed) }
    }

    /// Writes a line of data to standard output.
    static func print(_ line: String) { stream(line + "\n") }
}

/// Numbers as people read them.
enum Format {
    static func decimals(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
        return String(format: "%.\(digits)f", value)
    }

    /// "1 layer", "12 layers".
    static func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    /// "1.2k", "3.4M", "5.6B".
    static func count(_ value: Double) -> String {
        for (unit, size) in [("B", 1e9), ("M", 1e6), ("k", 1e3)] where abs(value) >= size {
            let scaled = value / size
            return decimals(scaled, scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2) + unit
        }
        return decimals(value, value == value.rounded() ? 0 : 1)
    }

    /// "45s", "3m 20s", "2h 05m", "1d 3h".
    static func duration(_ seconds: Double) -> String {
        guard seconds >= 0, seconds < 1e15 else { return "?" }
        let s = Int(seconds.rounded())
        if s < 60 { return "\(s)s" }
        if s < 3600 { return "\(s / 60)m \(String(format: "%02d", s % 60))s" }
        if s < 86400 { return "\(s / 3600)h \(String(format: "%02d", s % 3600 / 60))m" }
        return "\(s / 86400)d \(s % 86400 / 3600)h"
    }

    /// Learning rates and the like: "6.0e-04".
    static func scientific(_ value: Double) -> String { String(format: "%.1e", value) }
}
