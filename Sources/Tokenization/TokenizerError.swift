// SPDX-License-Identifier: MIT
import Foundation

/// Says what is wrong with a tokenizer, a text or a request, and what to do next.
public struct TokenizerError: Error, CustomStringConvertible, LocalizedError, Equatable {
    /// What kind of thing went wrong.
    public enum Kind: String, Sendable {
        /// A character that a character-level vocabulary does not have.
        case unknownCharacter
        /// A file that is damaged or not what it should be.
        case badFile
        /// A file that is sound, but asks for something Apus does not do.
        case unsupported
        /// A tokenizer that is not there.
        case notFound
        /// A request that cannot be met, such as a vocabulary of fewer ids than bytes.
        case badRequest
        /// An allocation failed.
        case outOfMemory
    }

    /// For programs; people read `message`.
    public let kind: Kind
    /// The whole sentence: what was given, what is valid, what to do.
    public let message: String

    /// The message is a whole sentence without a full stop.
    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    public var description: String { message }
    public var errorDescription: String? { message }

    static let outOfMemory = TokenizerError(
        .outOfMemory, "there is not enough memory; close other programs, use fewer workers or a smaller text")
}
