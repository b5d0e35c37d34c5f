// SPDX-License-Identifier: MIT
import Foundation

/// What this process takes of the machine's memory, as Linux counts it.
public enum ProcessMemory {
    /// Resident anonymous memory now, bytes; nil where the system does not tell. Mapped token files are not in it.
    public static func anonymous() -> Int? {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return nil }
        return status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
            .flatMap { $0.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first }
            .flatMap { Int($0) }.map { $0 * 1024 }
    }
}
