// SPDX-License-Identifier: MIT
import Foundation

/// Says what is wrong with a source, a dataset or a request about them, and what to do next.
public struct CorpusError: Error, CustomStringConvertible, LocalizedError, Equatable, Sendable {
    /// Whose mistake it is: decides the exit code.
    public enum Kind: Sendable, Equatable {
        /// The request makes no sense as it was given (exit code 2).
        case usage
        /// A file or its content does not do (exit code 1).
        case data
        /// The user stopped it (exit code 130).
        case interrupted
    }

    /// Decides the exit code: 2, 1 or 130.
    public let kind: Kind
    public let description: String

    /// The description is the whole sentence that people read.
    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    public var errorDescription: String? { description }

    /// A file whose content does not do.
    static func data(_ name: String, _ reason: String) -> CorpusError {
        CorpusError(.data, "cannot use '\(name)': \(reason)")
    }

    static func usage(_ sentence: String) -> CorpusError { CorpusError(.usage, sentence) }

    static let interrupted = CorpusError(.interrupted, "interrupted; nothing was left behind")
}
