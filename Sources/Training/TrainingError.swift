// SPDX-License-Identifier: MIT

/// Says why a run cannot start or go on, and what to do.
public struct TrainingError: Error, CustomStringConvertible, Equatable {
    /// Whether the request itself is wrong (exit code 2), rather than something it met (exit code 1).
    public let isUsage: Bool
    public let description: String

    /// Takes a sentence that says what is wrong and what to do.
    public init(_ description: String, isUsage: Bool = false) {
        self.description = description
        self.isUsage = isUsage
    }
}
