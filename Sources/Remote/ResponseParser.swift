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

    /// Whether another response follows this one.
    var isFollowed: Bool { (100..<200).contains(status) || target != nil }

    /// Where a redirect leads, as the server wrote it.
    var target: String? { [301, 302, 303, 307, 308].contains(status) ? fields["location"] : nil }
}

/// Finds the headers of responses in what curl writes about a transfer, which is kept apart from the body.
///
/// Behind the headers of the final response come its trailers, if it has any, and what curl says of a failure.
package struct ResponseParser {
    package private(set) var headers: [ResponseHeaders] = []
    /// Whether the headers of the response that nothing follows are there.
    package private(set) var isFinal = false
    private var pending: [UInt8] = []
    private static let longestHeader = 256 << 10

    private let url: String

    /// - Parameter url: what was asked for, for messages.
    package init(url: String) { self.url = url }

    /// Takes the next piece; tells the headers of the final response once they are there.
    ///
    /// - Throws: `FileError` for what are no headers; what `response` throws.
    package mutating func take(_ piece: UnsafeRawBufferPointer, response: (ResponseHeaders) throws -> Void) throws {
        pending += piece
        while !isFinal, let end = Self.end(of: pending) {
            guard let block = ResponseHeaders(String(decoding: pending[..<end], as: UTF8.self)) else {
                throw FileError(path: url, operation: "download", reason: "the server's response has no status line")
            }
            pending.removeSubrange(..<(end + 4))
            headers.append(block)
            if !block.isFollowed {
                isFinal = true
                try response(block)
            }
        }
        guard pending.count > Self.longestHeader else { return }
        guard isFinal else {
            throw FileError(path: url, operation: "download", reason: "the server's response has a header without end")
        }
        // Trailers say nothing that is wanted; curl's own words are the last.
        pending.removeFirst(pending.count - Self.longestHeader / 2)
    }

    /// What curl said of a failure; trailers and headers without end may stand before it.
    package var message: String {
        let lines = String(decoding: pending.suffix(8000), as: UTF8.self).split(whereSeparator: \.isNewline)
        let said = lines.filter { $0.hasPrefix("curl: ") }.joined(separator: "\n")
        return String(said.prefix(2000))
    }

    /// Where the first empty line begins.
    private static func end(of bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        return (0...bytes.count - 4).first {
            bytes[$0] == 13 && bytes[$0 + 1] == 10 && bytes[$0 + 2] == 13 && bytes[$0 + 3] == 10
        }
    }
}
