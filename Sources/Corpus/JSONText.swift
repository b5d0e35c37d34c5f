// SPDX-License-Identifier: MIT
import Foundation

/// Single JSON lines, for programs that talk to ours line by line.
package enum JSONText {
    /// Appends the text of one field of a line of standard input.
    ///
    /// - Throws: `CorpusError` naming the line when it is malformed, or has no such field.
    package static func field(
        _ name: String, of line: UnsafeRawBufferPointer, line number: Int, into text: inout [UInt8]
    ) throws {
        do {
            var scanner = JSONLine(line)
            if try scanner.text(of: Array(name.utf8), into: &text) { return }
        } catch let problem as JSONLine.Problem {
            throw CorpusError(.data, "standard input, line \(number), column \(problem.column): \(problem.reason)")
        }
        throw CorpusError(
            .data, "standard input, line \(number): it has no field '\(name)'; one object such as {\"\(name)\":\"...\"} is wanted"
        )
    }

    /// An object with one string, as one line.
    package static func object(_ name: String, _ text: String) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return String(decoding: try encoder.encode([name: text]), as: UTF8.self)
    }
}
