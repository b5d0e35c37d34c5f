// SPDX-License-Identifier: MIT

/// What a check found.
public enum CheckStatus: String, Sendable, Equatable, CaseIterable {
    case pass, warn, fail, info
    /// The record lacks what the rule needs; `why` says what.
    case cannotTell = "cannot_tell"
}

/// How sure a finding is.
public enum Confidence: String, Sendable, Equatable, Comparable {
    case low, fair, good

    public static func < (a: Confidence, b: Confidence) -> Bool { a.rank < b.rank }
    private var rank: Int { self == .low ? 0 : self == .fair ? 1 : 2 }
}

/// An expected range; a missing end is open.
public struct ExpectedRange: Sendable, Equatable {
    public var low: Double?
    public var high: Double?

    public init(_ low: Double?, _ high: Double?) {
        self.low = low
        self.high = high
    }
}

/// One rule's finding about a run.
///
/// The catalogue holds `check.<id>` (its name) and `rule.<id>` (the rule in a sentence); `why` and `advice` are written by the
/// rule.
public struct Check: Sendable, Equatable {
    public var id: String
    public var status: CheckStatus
    public var value: Double?
    public var expected: ExpectedRange?
    /// Of `value` and `expected`: "nats", "tokens", "ms", "" for shares and ratios.
    public var unit: String
    public var why: Message
    /// Where the rule or its numbers come from.
    public var source: String
    public var confidence: Confidence
    public var advice: Message?
    /// A command that does what `advice` says.
    public var command: String?
    /// Nats of validation loss that the finding may explain; orders the reasons.
    public var nats: Double
    /// A short form of `why` for the letter's first lines, with the word that stands before it.
    public var reason: Reason?

    public init(
        _ id: String, _ status: CheckStatus, value: Double? = nil, expected: ExpectedRange? = nil, unit: String = "",
        why: Message,
        source: String, confidence: Confidence = .good, advice: Message? = nil, command: String? = nil, nats: Double = 0,
        reason: Reason? = nil
    ) {
        self.id = id
        self.status = status
        self.value = value
        self.expected = expected
        self.unit = unit
        self.why = why
        self.source = source
        self.confidence = confidence
        self.advice = advice
        self.command = command
        self.nats = nats
        self.reason = reason
    }
}

/// A line of the letter: a word or number that stands in the margin, and the sentence.
public struct Reason: Sendable, Equatable {
    public var label: Message
    public var text: Message
    /// Larger comes first.
    public var weight: Double

    public init(_ label: Message, _ text: Message, weight: Double) {
        self.label = label
        self.text = text
        self.weight = weight
    }
}
