// SPDX-License-Identifier: MIT

/// Says what about a model cannot be, and what is valid.
public struct ModelError: Error, CustomStringConvertible, Equatable {
    public let description: String

    /// Takes a sentence with the wrong value and those that are valid.
    public init(_ description: String) { self.description = description }
}
