// SPDX-License-Identifier: MIT
import Foundation
import RunLog

extension RunPlan {
    /// The plan as JSON: bytes, hours, nats. A number that cannot be known is null.
    public func json(catalogue: Catalogue = .english) throws -> Data {
        try JSONSerialization.data(
            withJSONObject: object(catalogue.withPageWords), options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    }

    private func object(_ catalogue: Catalogue) -> [String: Any] {
        var memoryObject: [String: Any] = ["total": Self.whole(memory.total)]
        for part in memory.parts { memoryObject[part.name] = Self.whole(part.bytes) }
        var result: [String: Any] = [
            "parameters": Self.whole(parameters), "parameters_total": Self.whole(parametersTotal),
            "parameters_non_embedding": Self.whole(parametersNonEmbedding), "flops_per_token": flopsPerToken,
            "memory": memoryObject,
            "fits": fits, "batch_size": config.batchSize, "gradient_accumulation_steps": config.gradientAccumulationSteps,
            "recompute": config.recompute, "tokens_per_step": config.tokensPerStep, "device": deviceName,
            "efficiency": efficiency,
            "efficiency_basis": catalogue.text(efficiencyBasis), "warnings": warnings.map(catalogue.text),
            "notes": notes.map(catalogue.text),
            "expected_basis": catalogue.text(expectation.basis),
        ]
        result["device_memory"] = availableBytes.map(Self.whole) ?? NSNull()
        result["tokens"] = tokens.map(Self.whole) ?? NSNull()
        result["tokens_per_parameter"] = tokensPerParameter.map(Self.rounded) ?? NSNull()
        result["tokens_per_second"] = tokensPerSecond.map(Self.rounded) ?? NSNull()
        result["hours"] = hours.map(Self.rounded) ?? NSNull()
        result["kilowatt_hours"] = kilowattHours.map(Self.rounded) ?? NSNull()
        result["expected_val_loss"] = expectation.band.map(Self.band) ?? NSNull()
        var advice: [String: Any] = [:]
        if let low = goodRate?.low, let high = goodRate?.high {
            advice["learning_rate"] = ["low": Self.rounded(low), "high": Self.rounded(high)]
        }
        if let good = goodTokensPerStep { advice["tokens_per_step"] = Self.whole(good) }
        result["suggestions"] = advice
        if !search.isEmpty { result["search"] = search.prefix(8).map(Self.candidate) }
        return result
    }

    private static func candidate(_ candidate: PlanCandidate) -> [String: Any] {
        let plan = candidate.plan
        var object: [String: Any] = [
            "n_layer": plan.config.nLayer, "n_head": plan.config.nHead, "n_embd": plan.config.nEmbd,
            "parameters": whole(plan.parameters),
            "batch_size": plan.config.batchSize, "gradient_accumulation_steps": plan.config.gradientAccumulationSteps,
            "max_iters": plan.config.maxIters, "learning_rate": rounded(plan.config.learningRate),
            "memory_total": whole(plan.memory.total),
            "options": candidate.options,
        ]
        object["tokens"] = plan.tokens.map(whole)
        object["hours"] = plan.hours.map(rounded)
        object["expected_val_loss"] = plan.expectation.band.map(band)
        return object
    }

    private static func band(_ band: Band) -> [String: Any] {
        ["low": rounded(band.low), "mid": rounded(band.mid), "high": rounded(band.high)]
    }

    /// Six digits are more than any of these numbers is known to.
    private static func rounded(_ value: Double) -> Any {
        value.isFinite ? Double(String(format: "%.6g", value)) ?? value : NSNull()
    }

    private static func whole(_ value: Double) -> Any { value.isFinite && abs(value) < 9e18 ? Int(value.rounded()) : NSNull() }

    /// The plan as text for a terminal of this many columns.
    public func text(name: String, catalogue: Catalogue = .english, columns: Int = 80) -> String {
        PlanWriter(self, PlanWords(catalogue.withPageWords), name: name, columns: max(50, min(columns, 110))).text()
    }
}

private struct PlanWords {
    let catalogue: Catalogue
    init(_ catalogue: Catalogue) { self.catalogue = catalogue }
    func callAsFunction(_ key: String, _ arguments: [String: MessageArgument] = [:]) -> String {
        catalogue.text(Message("plan." + key, arguments))
    }
    func memory(_ bytes: Double) -> String { catalogue.number(bytes, .bytes) }
}

/// Sets the plan: what fits and what it costs first, then the details.
private struct PlanWriter {
    private let plan: RunPlan
    private let word: PlanWords
    private let name: String
    private let columns: Int
    private let margin = 13

    init(_ plan: RunPlan, _ word: PlanWords, name: String, columns: Int) {
        self.plan = plan
        self.word = word
        self.name = name
        self.columns = columns
    }

    func text() -> String {
        let number = word.catalogue.number
        var title = [name, word("parameters", ["count": .number(plan.parameters, .short)])]
        if let tokens = plan.tokens { title.append(word("tokens", ["count": .number(tokens, .short)])) }
        title.append(plan.deviceName)
        var lines = wrapped(title.joined(separator: " · "), indent: 1) + [""]
        lines += row(word(plan.fits ? "fits" : "too-large"), [summary()])
        if let band = plan.expectation.band {
            lines += row(
                word("loss"),
                [
                    word("expected", ["low": .number(band.low, .fixed(2)), "high": .number(band.high, .fixed(2))]),
                    word.catalogue.text(plan.expectation.basis),
                ])
        } else {
            lines += row(word("loss"), [word.catalogue.text(plan.expectation.basis)])
        }
        lines.append("")
        lines += row(
            word("model"),
            [
                word(
                    "counts",
                    [
                        "parameters": .number(plan.parameters, .integer), "total": .number(plan.parametersTotal, .integer),
                        "body": .number(plan.parametersNonEmbedding, .integer),
                    ]),
                word("flops", ["flops": .number(plan.flopsPerToken / 1e6, .significant(3))]),
            ] + (plan.tokensPerParameter.map { [word("ratio", ["ratio": .number($0, .significant(3))])] } ?? []))
        lines += row(
            word("memory"),
            [plan.memory.parts.map { word("part." + $0.name) + " " + word.memory($0.bytes) }.joined(separator: " · ")])
        lines += row(
            word("batch"),
            [
                word(
                    "batch-line",
                    [
                        "batch": .integer(plan.config.batchSize), "steps": .integer(plan.config.gradientAccumulationSteps),
                        "context": .integer(plan.config.blockSize), "tokens": .number(plan.tokensPerStep, .integer),
                    ])
            ])
        if let speed = plan.tokensPerSecond {
            lines += row(
                word("speed"), [word("speed-line", ["speed": .number(speed, .short)]), word.catalogue.text(plan.efficiencyBasis)])
        }
        if let low = plan.goodRate?.low, let high = plan.goodRate?.high, let batch = plan.goodTokensPerStep {
            lines += row(
                word("usual"),
                [
                    word(
                        "usual-line",
                        ["low": .text(number(low, .rate)), "high": .text(number(high, .rate)), "batch": .number(batch, .short)])
                ])
        }
        lines += list(word("warnings"), plan.warnings) + list(word("notes"), plan.notes) + search()
        return lines.joined(separator: "\n") + "\n"
    }

    private func summary() -> String {
        var parts = [
            plan.availableBytes.map {
                word("of-memory", ["need": .text(word.memory(plan.memory.total)), "have": .text(word.memory($0))])
            }
                ?? word.memory(plan.memory.total)
        ]
        if let hours = plan.hours {
            parts.append(hours * 60 < 0.95 ? word("time-short") : word("time", ["hours": .number(hours, .hours)]))
        }
        if let energy = plan.kilowattHours {
            parts.append(energy < 0.01 ? word("energy-small") : word("energy", ["energy": .number(energy, .significant(2))]))
        }
        return parts.joined(separator: " · ")
    }

    private func search() -> [String] {
        guard let best = plan.search.first else { return [] }
        var lines = ["", " " + word("search")]
        let head = [word("search.model"), word("search.shape"), word("search.tokens"), word("search.loss"), word("search.time")]
        let rows = plan.search.prefix(5).map { candidate -> [String] in
            let plan = candidate.plan, number = word.catalogue.number
            return [
                number(plan.parameters, .short), "\(plan.config.nLayer) x \(plan.config.nEmbd)",
                plan.tokens.map { number($0, .short) } ?? "",
                plan.expectation.band.map { number($0.low, .fixed(2)) + " – " + number($0.high, .fixed(2)) } ?? "",
                plan.hours.map { number($0, .hours) } ?? "",
            ]
        }
        let table = [head] + rows
        let widths = head.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        for line in table {
            let cells = zip(line, widths).map { String(repeating: " ", count: max(0, $1 - $0.count)) + $0 }
            lines.append("   " + cells.joined(separator: "   "))
        }
        lines.append("")
        // A command is not broken, so that it can be copied.
        return lines + ["   apus train \(best.options)"]
    }

    private func list(_ title: String, _ messages: [Message]) -> [String] {
        guard !messages.isEmpty else { return [] }
        return ["", " " + title] + messages.flatMap { wrapped("- " + word.catalogue.text($0), indent: 1, hanging: 3) }
    }

    private func row(_ label: String, _ sentences: [String]) -> [String] {
        sentences.enumerated().flatMap { index, sentence -> [String] in
            var lines = wrapped(sentence, indent: margin)
            if index == 0, let first = lines.first {
                lines[0] =
                    " " + label.padding(toLength: max(margin - 1, label.count + 1), withPad: " ", startingAt: 0)
                    + first.drop { $0 == " " }
            }
            return lines
        }
    }

    private func wrapped(_ text: String, indent: Int, hanging: Int? = nil) -> [String] {
        var lines: [String] = []
        var line = String(repeating: " ", count: indent)
        var isEmpty = true
        for piece in text.split(separator: " ", omittingEmptySubsequences: true) {
            if !isEmpty, line.count + 1 + piece.count > columns - 1 {
                lines.append(line)
                line = String(repeating: " ", count: hanging ?? indent)
                isEmpty = true
            }
            line += (isEmpty ? "" : " ") + piece
            isEmpty = false
        }
        if !isEmpty { lines.append(line) }
        return lines
    }
}
