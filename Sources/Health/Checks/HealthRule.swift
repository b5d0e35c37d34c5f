// SPDX-License-Identifier: MIT

/// One rule: looks at a run and says what it finds. A new rule is a new file and a line in `HealthRules.all`.
public struct HealthRule: Sendable {
    /// Stable name, in kebab case.
    public let id: String
    /// Where the rule or its numbers come from.
    public let source: String
    let evaluate: @Sendable (RunContext, HealthRule) -> Check

    init(_ id: String, source: String, _ evaluate: @escaping @Sendable (RunContext, HealthRule) -> Check) {
        self.id = id
        self.source = source
        self.evaluate = evaluate
    }

    /// What the rule says of a run.
    public func check(_ context: RunContext) -> Check { context.finding(self) }

    /// A finding of this rule.
    func finding(
        _ status: CheckStatus, _ key: String, _ arguments: [String: MessageArgument] = [:], value: Double? = nil,
        expected: ExpectedRange? = nil, unit: String = "", confidence: Confidence = .good, advice: Message? = nil,
        command: String? = nil, nats: Double = 0, reason: Reason? = nil
    ) -> Check {
        Check(
            id, status, value: value, expected: expected, unit: unit, why: Message("\(id).\(key)", arguments), source: source,
            confidence: confidence, advice: advice, command: command, nats: nats, reason: reason)
    }

    /// The record lacks something; `key` is one of the catalogue's `need.…`.
    func needs(_ key: String, _ arguments: [String: MessageArgument] = [:]) -> Check {
        Check(id, .cannotTell, why: Message("need.\(key)", arguments), source: source, confidence: .good)
    }
}

/// Every rule, in the order of the report's table.
public enum HealthRules {
    /// Their ids are the keys of the catalogue's `check.<id>` and `rule.<id>`.
    public static let all: [HealthRule] = [
        // The result
        .lossExpected, .tooGood, .documents, .vocabulary, .duplicates, .trainValGap, .validationPower, .epochs,
        .tokensPerParameter,
        // The settings
        .modelSize, .learningRate, .batchSize, .scheduleEnd, .finalRate, .warmup,
        // The course
        .initLoss, .unigram, .nonFinite, .divergence, .spikes, .gradNorm, .clipRate, .resumeSeams, .interruptions,
        .ownWarnings, .samples,
        // The speed
        .mfu, .stepTime, .dataStalls, .throughputDrift, .evalTime, .memory,
    ]

    /// Rules about speed: what they find costs time, not health, so it does not change the verdict.
    static let aboutSpeed: Set<String> = ["mfu", "step-time", "data-stalls", "throughput-drift", "eval-time", "memory"]
}

extension Message {
    static func label(_ key: String) -> Message { Message("label." + key) }
    static func label(number: Double, _ style: NumberStyle) -> Message {
        Message("label.number", ["value": .number(number, style)])
    }
}
