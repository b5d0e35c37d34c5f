// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// One block of headers of a response.
package struct ResponseHeaders: Equatable {
    package var status = 0
    /// By lower-case name; of several, the last.
    package var fields: [String: String] = [:]

    /// - Parameter text: a status line and fields, without the empty line behind them; nil when it is none.
    init?(_ text: String) {
        let lines = text.split(whereSeparator: \.isNewline)
        let words = (lines.first ?? "").split(separator: " ")
        guard let first = words.first, first.hasPrefix("HTTP/"), words.count >= 2, let status = Int(words[1]) else { return nil }
        self.status = status
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
    }

    /// Whether another response follows this one in what curl hands on.
    var isFollowed: Bool {
        (100..<200).contains(status) || ([301, 302, 303, 307, 308].contains(status) && fields["location"] != nil)
    }
}

/// A request made by the system's program `curl`.
///
/// curl does TLS, proxies and redirects; its output comes through a pipe, so that it ends when this process does, however
/// that ends. The token goes through curl's standard input, never over a command line that others can read, and curl
/// leaves it out when a redirect leads to another host or port (since 7.83).
package struct Curl {
    package var url: String
    package var isHead = false
    /// Sent as `Authorization: Bearer`.
    package var token: String?
    /// Bytes to leave out at the beginning.
    package var offset = 0
    /// Sent as If-Range.
    package var validator: String?
    /// Seconds without progress after which the connection counts as dead.
    package var patience = 60

    package init(
        url: String, isHead: Bool = false, token: String? = nil, offset: Int = 0, validator: String? = nil, patience: Int = 60
    ) {
        self.url = url
        self.isHead = isHead
        self.token = token
        self.offset = offset
        self.validator = validator
        self.patience = patience
    }

    /// How a transfer ended.
    struct Ending {
        /// curl's exit code; 0 when the whole response came.
        var code: Int32
        var message: String
        /// The headers of every response, redirects included.
        var headers: [ResponseHeaders]
    }

    struct Stopped: Error {}

    /// Runs the request.
    ///
    /// - Parameters:
    ///   - isStopped: asked ten times a second; true ends the transfer.
    ///   - response: told the headers of the final response, before its body.
    ///   - body: told the body piece by piece.
    /// - Throws: `FileError` when there is no curl; `Curl.Stopped`; what the functions throw, ending the transfer.
    func run(
        isStopped: () -> Bool, response: (ResponseHeaders) throws -> Void = { _ in },
        body: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Ending {
        let process = Process(), input = Pipe(), output = Pipe(), errors = Pipe()
        process.executableURL = URL(fileURLWithPath: try Self.program(for: url))
        process.arguments = ["--disable", "--config", "-"]
        process.standardInput = input
        process.standardOutput = output
        process.standardError = errors
        // Written before the start: the pipe holds it, and no broken pipe can end us.
        try input.fileHandleForWriting.write(contentsOf: Data(try config().utf8))
        try input.fileHandleForWriting.close()
        do { try process.run() } catch {
            throw FileError(path: url, operation: "download", reason: "curl could not be started (\(error))")
        }
        var parser = ResponseParser(url: url)
        do {
            try Self.read(output.fileHandleForReading.fileDescriptor, isStopped: isStopped) { piece in
                try parser.take(piece, response: response, body: body)
            }
        } catch {
            // Not SIGTERM: a child may inherit a mask that blocks it.
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            throw error
        }
        let message = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Ending(
            code: process.terminationStatus,
            message: String(decoding: message.prefix(2000), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines),
            headers: parser.headers)
    }

    /// Whether a server's entity tag can be sent back: quotes around visible ASCII without quotes and backslashes, since curl
    /// reads a backslash in its options as the beginning of an escape, `\n` of another header among them.
    package static func isValidator(_ tag: String) -> Bool {
        let bytes = Array(tag.utf8)
        return bytes.count >= 2 && bytes.first == 0x22 && bytes.last == 0x22
            && bytes.dropFirst().dropLast().allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C }
    }

    /// curl's options, one a line.
    package func config() throws -> String {
        let origin = try Origin(url)
        let schemes = origin.scheme == "http" ? "=http,https" : "=https"
        var lines = [
            "url = \"\(url)\"", "silent", "show-error", "include", "location", "max-redirs = 10", "proto = \"\(schemes)\"",
            "proto-redir = \"\(schemes)\"", "suppress-connect-headers", "connect-timeout = 20", "speed-limit = 1",
            "speed-time = \(patience)",
        ]
        if isHead { lines.append("head") }
        if let token {
            guard token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C }) else {
                throw FileError(
                    path: url, operation: "download", reason: "the token has characters that no token has; set it again")
            }
            lines.append("header = \"Authorization: Bearer \(token)\"")
        }
        if offset > 0 {
            lines.append("range = \"\(offset)-\"")
            if let validator {
                guard Self.isValidator(validator) else {
                    throw FileError(path: url, operation: "download", reason: "its entity tag has characters that none may have")
                }
                lines.append("header = \"If-Range: \(validator.replacingOccurrences(of: "\"", with: "\\\""))\"")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func read(
        _ file: Int32, isStopped: () -> Bool, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            if isStopped() { throw Stopped() }
            var waiting = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 100) > 0 else { continue }
            let count = Foundation.read(file, buffer.baseAddress, buffer.count)
            if count == 0 { return }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(path: "curl", operation: "read from", errno: errno)
            }
            try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    private static func program(for url: String) throws -> String {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
        guard let path = folders.map({ "\($0)/curl" }).first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            throw FileError(
                path: url, operation: "download", reason: "the program `curl` is not installed (apt-get install curl)")
        }
        return path
    }
}

/// Parts headers from body in what curl hands on.
package struct ResponseParser {
    package private(set) var headers: [ResponseHeaders] = []
    private var pending: [UInt8] = []
    private var isBody = false
    private static let longestHeader = 256 << 10

    private let url: String

    /// - Parameter url: what was asked for, for messages.
    package init(url: String) { self.url = url }

    package mutating func take(
        _ piece: UnsafeRawBufferPointer, response: (ResponseHeaders) throws -> Void,
        body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        if isBody { return try body(piece) }
        pending += piece
        while !isBody, let end = Self.end(of: pending) {
            guard let block = ResponseHeaders(String(decoding: pending[..<end], as: UTF8.self)) else {
                throw FileError(path: url, operation: "download", reason: "the server's response has no status line")
            }
            pending.removeSubrange(..<(end + 4))
            headers.append(block)
            if !block.isFollowed {
                isBody = true
                try response(block)
            }
        }
        if isBody {
            let rest = pending
            pending = []
            if !rest.isEmpty { try rest.withUnsafeBytes { try body($0) } }
        } else if pending.count > Self.longestHeader {
            throw FileError(path: url, operation: "download", reason: "the server's response has a header without end")
        }
    }

    /// Where the first empty line begins.
    private static func end(of bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        return (0...bytes.count - 4).first {
            bytes[$0] == 13 && bytes[$0 + 1] == 10 && bytes[$0 + 2] == 13 && bytes[$0 + 3] == 10
        }
    }
}
