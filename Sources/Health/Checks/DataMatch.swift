// SPDX-License-Identifier: MIT

extension HealthRule {
    /// Rows of the vocabulary matrix against the ids that the tokenizer can make.
    ///
    /// The loss at the start does not show this: it is ln of the rows, and the rows are what the configuration says. Padding to a
    /// multiple of 64 or 128 is usual and free; many more rows are another tokenizer's vocabulary.
    static let vocabulary = HealthRule(
        "vocabulary", source: "ids of the tokenizer in dataset.json; nanoGPT pads 50257 to 50304 for speed"
    ) { context, rule in
        guard let rows = context.facts.config.vocabSize, rows.origin != .assumed else { return rule.needs("vocabulary") }
        guard let ids = context.facts.dataset.tokenizerSize?.value, ids > 0 else { return rule.needs("tokenizer-size") }
        let allowed = ids + max(128, ids / 10)
        let arguments: [String: MessageArgument] = [
            "rows": .integer(rows.value), "ids": .integer(ids),
            "unused": .number(1 - Double(ids) / Double(max(rows.value, 1)), .percent(0)),
            "line": .command("vocab_size = \((ids + 63) / 64 * 64)"),
        ]
        let range = ExpectedRange(Double(ids), Double(allowed))
        func finding(_ status: CheckStatus, _ key: String, weight: Double) -> Check {
            rule.finding(
                status, key, arguments, value: Double(rows.value), expected: range, unit: "ids",
                advice: Message("vocabulary.advice", arguments),
                reason: Reason(.label("data"), Message("vocabulary." + key, arguments), weight: weight))
        }
        if rows.value < ids { return finding(.fail, "small", weight: 88) }
        if rows.value > allowed { return finding(.warn, "large", weight: 53) }
        return rule.finding(.pass, "pass", arguments, value: Double(rows.value), expected: range, unit: "ids")
    }

    /// Copies among the documents: an epoch over them is many epochs over the text that is there.
    static let duplicates = HealthRule(
        "duplicates", source: "Lee 2021, arXiv 2107.06499 (copies are learned by heart); hashes of the audit"
    ) { context, rule in
        let facts = context.facts.dataset
        guard let copies = facts.audit?.duplicateDocuments, let train = facts.trainDocuments, let val = facts.valDocuments,
            train + val > 2
        else {
            return rule.needs("audit", ["command": .command("\(context.options.program) prepare --audit \(context.dataPath)")])
        }
        let share = Double(copies) / Double(train + val)
        let arguments: [String: MessageArgument] = [
            "share": .number(share, .percent(share < 0.1 ? 1 : 0)), "copies": .integer(copies),
            "times": .number(1 / max(1 - share, 1e-6), .fixed(1)),
        ]
        let range = ExpectedRange(0, 0.1)
        guard share > 0.1 else { return rule.finding(.pass, "pass", arguments, value: share, expected: range) }
        return rule.finding(
            share > 0.5 ? .fail : .warn, "many", arguments, value: share, expected: range,
            advice: Message("duplicates.advice"), nats: 0.05,
            reason: Reason(.label("epochs"), Message("duplicates.many", arguments), weight: share > 0.5 ? 82 : 47))
    }
}
