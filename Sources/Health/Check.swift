// SPDX-License-Identifier: MIT

/// What a check found.
public enum CheckStatus: String, Sendable, Equatable, CaseIterable {
    /// `warn` is "watch" and `info` "note" in the report; neither `pass` nor `info` moves the verdict.
    case pass, warn, fail, info
    /// The record lacks what the rule needs; `why` says what.
    case cannotTell = "cannot_tell"
}

/// How sure a finding is.
public enum Confidence: String, Sendable, Equatable, Comparable {
    /// In rising order, as `<` compares them.
    case low, fair, good

    public static func < (a: Confidence, b: Confidence) -> Bool { a.rank < b.rank }
    private var rank: Int { self == .low ? 0 : self == .fair ? 1 : 2 }
}

/// An expected range; a missing end is open.
public struct ExpectedRange: Sendable, Equatable {
    /// In the check's unit; nil when anything smaller is fine.
    public var low: Double?
    /// In the check's unit; nil when anything larger is fine.
    public var high: Double?

    /// An end that is nil is open.
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
    /// Stable key in the JSON, such as "loss-expected" or "train-val-gap".
    public var id: String
    /// `fail` and `warn` move the verdict unless the rule is about speed.
    public var status: CheckStatus
    /// What the rule measured, in `unit`; nil without a number or when the record lacks it.
    public var value: Double?
    /// The range in which `value` is sound; nil for rules without one.
    public var expected: ExpectedRange?
    /// Of `value` and `expected`: "nats", "tokens", "ms", "" for shares and ratios.
    public var unit: String
    /// The finding in a sentence with its numbers.
    public var why: Message
    /// Where the rule or its numbers come from.
    public var source: String
    /// Of the finding, not of the rule; good unless the rule says less.
    public var confidence: Confidence
    /// What to do about it; nil when there is nothing to do.
    public var advice: Message?
    /// A command that does what `advice` says.
    public var command: String?
    /// Nats of validation loss that the finding may explain; orders the reasons.
    public var nats: Double
    /// A short form of `why` for the letter's first lines, with the word that stands before it.
    public var reason: Reason?

    /// With `nats` of 0 it explains no loss; without a `reason` it stays out of the first lines.
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
    /// A word such as "schedule", or a number; of lines with equal words the weightiest stays.
    public var label: Message
    /// One sentence, shorter than the check's own.
    public var text: Message
    /// Larger comes first.
    public var weight: Double

    /// Weights in use lie between about 30 and 120; a run that broke down has the largest.
    public init(_ label: Message, _ text: Message, weight: Double) {
        self.label = label
        self.text = text
        self.weight = weight
    }
}
