// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Fetches files from the network by the system's `curl`, so that the program itself needs no network library.
enum Downloads {
    /// Fetches a URL into a file.
    ///
    /// - Throws: `FileError` when curl is missing or the transfer fails; the file may then hold a part.
    @Sendable static func fetch(_ url: String, to path: String) throws {
        guard let curl = executable("curl") else {
            throw FileError(path: url, operation: "download", reason: "the program `curl` is not installed (apt-get install curl)")
        }
        Console.note("downloading \(url)")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: curl)
        process.arguments = ["--fail", "--silent", "--show-error", "--location", "--proto", "=https", "--proto-redir", "=https",
            "--retry", "3", "--connect-timeout", "20", "--output", path, "--", url]
        let errors = Pipe()
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            throw FileError(path: url, operation: "download", reason: "curl could not be started")
        }
        let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let reason = message.trimmingCharacters(in: .whitespacesAndNewlines)
            throw FileError(path: url, operation: "download", reason: reason.isEmpty ? "curl failed" : reason)
        }
    }

    private static func executable(_ name: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
