// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// A request made by the system's program `curl`.
///
/// curl does TLS, proxies and redirects; its output comes through a pipe, so that it ends when this process does, however
/// that ends; the headers come through another. The token goes through curl's standard input, never over a command line that others can read, and curl
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

    /// Redirects that are followed.
    private static let mostRedirects = 10

    /// Runs the request.
    ///
    /// - Parameters:
    ///   - isStopped: asked ten times a second; true ends the transfer.
    ///   - response: told the headers of the final response, before its body.
    ///   - body: told the body piece by piece.
    /// - Throws: `FileError` when there is no curl, or a redirect leads where none may; `Curl.Stopped`; what the functions
    ///   throw, ending the transfer.
    func run(
        isStopped: () -> Bool, response: (ResponseHeaders) throws -> Void = { _ in },
        body: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Ending {
        var hop = self, headers: [ResponseHeaders] = []
        for _ in 0...Self.mostRedirects {
            var ending = try hop.runOnce(isStopped: isStopped, response: response, body: body)
            headers += ending.headers
            ending.headers = headers
            guard ending.code == 0, let target = headers.last?.target, try hop.follows == false else { return ending }
            hop = try self.next(from: hop.url, to: target)
        }
        throw FileError(path: url, operation: "download", reason: "more than \(Self.mostRedirects) redirects")
    }

    /// Whether curl follows redirects itself: to https only. From http on this machine they are looked at one by one, since
    /// curl would go to any machine.
    private var follows: Bool { get throws { try Origin(url).scheme == "https" } }

    /// This request at the address that a redirect names; without the token when that is at another place.
    private func next(from old: String, to target: String) throws -> Curl {
        guard let address = URL(string: target, relativeTo: URL(string: old))?.absoluteURL.absoluteString else {
            throw FileError(path: url, operation: "download", reason: "it redirects to '\(target)', which is no address")
        }
        var next = self
        next.url = String(address.prefix { $0 != "#" })
        if try Origin(next.url) != Origin(url) { next.token = nil }
        return next
    }

    private func runOnce(
        isStopped: () -> Bool, response: (ResponseHeaders) throws -> Void, body: (UnsafeRawBufferPointer) throws -> Void
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
        let pipes = CurlPipes(
            headers: errors.fileHandleForReading.fileDescriptor, body: output.fileHandleForReading.fileDescriptor)
        do {
            try pipes.read(isStopped: isStopped) { piece in
                try parser.take(piece, response: response)
            } body: { piece in
                // With -I curl repeats the headers here; a redirect's body is for nobody.
                guard !isHead, parser.isFinal || parser.headers.last?.isFollowed != true else { return }
                guard parser.isFinal else {
                    throw FileError(path: url, operation: "download", reason: "the server's response has no headers")
                }
                try body(piece)
            }
        } catch {
            // Not SIGTERM: a child may inherit a mask that blocks it.
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            throw error
        }
        process.waitUntilExit()
        return Ending(code: process.terminationStatus, message: parser.message, headers: parser.headers)
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
        let follows = try self.follows
        // Without `globoff` braces and brackets of an address would be a list of addresses. Headers have a way of their own:
        // in the body's, trailers could not be told from it.
        var lines = [
            "url = \"\(url)\"", "globoff", "silent", "show-error", "dump-header = \"/dev/stderr\"",
            "proto = \"\(follows ? "=https" : "=http")\"", "proto-redir = \"=https\"", "suppress-connect-headers",
            "connect-timeout = 20", "speed-limit = 1", "speed-time = \(patience)",
        ]
        if follows { lines += ["location", "max-redirs = \(Self.mostRedirects)"] }
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

    private static func program(for url: String) throws -> String {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
        guard let path = folders.map({ "\($0)/curl" }).first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            throw FileError(
                path: url, operation: "download", reason: "the program `curl` is not installed (apt-get install curl)")
        }
        return path
    }
}
