// SPDX-License-Identifier: MIT
import Foundation

/// A report with the run's own facts beside it: everything that a page, a text or the JSON shows.
public struct ReportDocument: Sendable {
    /// The judgement; language comes in when it is rendered.
    public var report: HealthReport
    /// The record that the report was made from; gives the settings.
    public var facts: RunFacts
    /// Share of this machine's measured matmul ceiling that the run reached: the one that the report's own check speaks of.
    public var ceilingFraction: Double?

    /// The facts must be those that the report was made from.
    public init(report: HealthReport, facts: RunFacts, ceilingFraction: Double? = nil) {
        self.report = report
        self.facts = facts
        self.ceilingFraction = ceilingFraction ?? report.throughput?.ceilingFraction
    }

    /// One line of the run's settings.
    struct Setting: Sendable {
        /// nanoGPT's key.
        var key: String
        var value: Value
        var origin: FactOrigin

        enum Value: Sendable {
            case number(Double, NumberStyle)
            case text(String)
            case flag(Bool)
        }
    }

    /// The settings that are known, in the order people look for them.
    var settings: [Setting] {
        let config = facts.config
        var list: [Setting] = []
        func whole(_ key: String, _ fact: Fact<Int>?) {
            if let fact { list.append(Setting(key: key, value: .number(Double(fact.value), .integer), origin: fact.origin)) }
        }
        func real(_ key: String, _ fact: Fact<Double>?, _ style: NumberStyle) {
            if let fact { list.append(Setting(key: key, value: .number(fact.value, style), origin: fact.origin)) }
        }
        func text(_ key: String, _ fact: Fact<String>?) {
            if let fact { list.append(Setting(key: key, value: .text(fact.value), origin: fact.origin)) }
        }
        whole("n_layer", config.nLayer)
        whole("n_head", config.nHead)
        whole("n_embd", config.nEmbd)
        whole("block_size", config.blockSize)
        whole("vocab_size", config.vocabSize)
        if let bias = config.bias { list.append(Setting(key: "bias", value: .flag(bias.value), origin: bias.origin)) }
        real("dropout", config.dropout, .significant(2))
        text("init_from", config.initFrom)
        whole("batch_size", config.batchSize)
        whole("gradient_accumulation_steps", config.gradientAccumulationSteps)
        real("tokens_per_step", config.tokensPerStep, .integer)
        text("optimizer", config.optimizer)
        real("learning_rate", config.learningRate, .rate)
        real("min_lr", config.minLr, .rate)
        if let kind = config.schedule {
            list.append(Setting(key: "lr_schedule", value: .text(kind.value.rawValue), origin: kind.origin))
        }
        whole("warmup_iters", config.warmupIters)
        whole("lr_decay_iters", config.lrDecayIters)
        whole("cooldown_iters", config.cooldownIters)
        whole("max_iters", config.maxIters)
        real("weight_decay", config.weightDecay, .significant(2))
        real("beta2", config.beta2, .significant(3))
        real("grad_clip", config.gradClip, .significant(2))
        whole("eval_interval", config.evalInterval)
        whole("eval_iters", config.evalIters)
        text("dtype", config.dtype)
        text("device", facts.device.name)
        text("dataset", facts.dataset.name)
        real("train_tokens", facts.dataset.trainTokens, .integer)
        real("val_tokens", facts.dataset.valTokens, .integer)
        return list
    }

    /// The report's JSON (schema 1) with the run's settings and, where it is known, the share of the matmul ceiling.
    public func json(catalogue: Catalogue) throws -> Data {
        let data = try report.json(catalogue: catalogue.withPageWords)
        guard var object = try JSONSerialization.jsonObject(with: data) as? [String: Any] else { return data }
        var values: [String: Any] = [:]
        for setting in settings {
            switch setting.value {
            case .number(let number, _):
                guard number.isFinite else { continue }
                values[setting.key] = number == number.rounded() && abs(number) < 1e15 ? Int(number) : number
            case .text(let text): values[setting.key] = text
            case .flag(let flag): values[setting.key] = flag
            }
        }
        object["settings"] = values
        if let ceilingFraction, ceilingFraction.isFinite {
            var speed = object["throughput"] as? [String: Any] ?? [:]
            speed["ceiling_fraction"] = (ceilingFraction * 1e4).rounded() / 1e4
            object["throughput"] = speed
        }
        return try JSONSerialization.data(
            withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    }
}

/// Writes values the way every page shows them.
struct PageText {
    let catalogue: Catalogue

    init(_ catalogue: Catalogue) { self.catalogue = catalogue.withPageWords }

    /// A word or sentence of the page.
    func word(_ key: String, _ arguments: [String: MessageArgument] = [:]) -> String {
        catalogue.text(Message("doc." + key, arguments))
    }

    /// A sentence that stands alone starts with a capital letter; a name such as n_embd keeps its spelling.
    func capitalised(_ html: String) -> String {
        guard let first = html.first, first.isLetter, !html.prefix(while: { !$0.isWhitespace }).contains("_") else { return html }
        return first.uppercased() + html.dropFirst()
    }

    func setting(_ value: ReportDocument.Setting.Value) -> String {
        switch value {
        // A value that may be typed again stands as it is typed, however long: one line has one way to write numbers.
        case .number(let number, .integer) where abs(number) < 1e15: String(Int(number))
        case .number(let number, let style): catalogue.number(number, style)
        case .text(let text): text
        case .flag(let flag): word(flag ? "true" : "false")
        }
    }

    func band(_ band: Band) -> String { catalogue.number(band.low, .fixed(2)) + " – " + catalogue.number(band.high, .fixed(2)) }

    /// A check's value in the style of its unit; rates and shares have none.
    func value(_ value: Double, unit: String) -> String {
        switch unit {
        case "nats": return catalogue.number(value, abs(value) < 0.1 ? .significant(2) : .fixed(2))
        case "tokens", "parameters": return catalogue.number(value, .short)
        case "ms": return catalogue.number(value, abs(value) < 10 ? .significant(2) : .integer) + " ms"
        default:
            if value != 0, abs(value) < 0.01 { return catalogue.number(value, .rate) }
            if value == value.rounded(), abs(value) < 1e5 { return catalogue.number(value, .integer) }
            return catalogue.number(value, abs(value) >= 1e5 ? .short : .significant(3))
        }
    }

    func range(_ range: ExpectedRange, unit: String) -> String {
        switch (range.low, range.high) {
        case (let low?, let high?):
            let a = value(low, unit: unit), b = value(high, unit: unit)
            return a == b ? a : a + " – " + b
        case (let low?, nil): return "≥ " + value(low, unit: unit)
        case (nil, let high?): return "≤ " + value(high, unit: unit)
        default: return ""
        }
    }

    /// The first line: what was judged.
    func identity(_ report: HealthReport) -> [String] {
        var parts = [report.run.name, word("source." + report.run.source.rawValue)]
        if let count = report.model.parameters { parts.append(word("parameters", ["count": .number(count, .short)])) }
        if let tokens = report.run.tokensSeen { parts.append(word("tokens", ["count": .number(tokens, .short)])) }
        if let planned = report.run.plannedSteps, planned != report.run.steps {
            parts.append(word("steps-of", ["steps": .integer(report.run.steps), "planned": .integer(planned)]))
        } else {
            parts.append(word("steps", ["steps": .integer(report.run.steps)]))
        }
        if let dataset = report.run.dataset, !dataset.isEmpty { parts.append(dataset) }
        if let device = report.throughput?.device { parts.append(device) }
        return parts
    }

    /// How many checks have which status: "15 pass · 4 watch · 0 fail · 4 cannot tell".
    func counts(_ report: HealthReport) -> String {
        let parts = CheckStatus.allCases.filter { $0 != .info || report.count($0) > 0 }
            .map { catalogue.number(Double(report.count($0)), .integer) + " " + word("status." + $0.rawValue) }
        return word("checks-count", ["count": .integer(report.checks.count)]) + ": " + parts.joined(separator: " · ")
    }

    /// A share above one says that the machine had other work while its ceiling was measured.
    private func ceiling(_ share: Double) -> String {
        let text = catalogue.number(share, .percent(0))
        return share > 1.05 ? text + " " + word("speed.ceiling-busy") : text
    }

    /// Lines about speed: what is measured, its value.
    func speed(_ document: ReportDocument) -> [(name: String, value: String)] {
        guard let speed = document.report.throughput else {
            return document.ceilingFraction.map { [(word("speed.ceiling"), ceiling($0))] } ?? []
        }
        var lines: [(String, String)] = []
        if let tokens = speed.tokensPerSecond { lines.append((word("speed.tokens"), catalogue.number(tokens, .integer))) }
        if let ms = speed.stepMsMedian {
            var text = value(ms, unit: "ms")
            if let slow = speed.stepMsP95 { text += " (" + word("speed.p95", ["ms": .text(value(slow, unit: "ms"))]) + ")" }
            lines.append((word("speed.step"), text))
        }
        if let tflops = speed.tflops {
            lines.append((word("speed.tflops"), catalogue.number(tflops, .significant(3)) + " TFLOP/s"))
        }
        if let printed = speed.mfuPrinted, let peak = speed.mfuPrintedPeakTflops {
            let name = speed.mfuPrintedPeakName.map { " (\($0))" } ?? ""
            lines.append(
                (
                    word("speed.mfu-printed"),
                    word(
                        "speed.of-peak",
                        ["share": .number(printed, .percent(1)), "peak": .number(peak, .significant(3)), "name": .text(name)])
                ))
        }
        if let mfu = speed.mfu {
            let peak = speed.devicePeakTflops
            lines.append(
                (
                    word("speed.mfu"),
                    peak.map {
                        word(
                            "speed.of-peak",
                            [
                                "share": .number(mfu, .percent(0)), "peak": .number($0, .significant(3)),
                                "name": .text(speed.device.map { " (\($0))" } ?? ""),
                            ])
                    } ?? catalogue.number(mfu, .percent(0))
                ))
        }
        if let share = document.ceilingFraction { lines.append((word("speed.ceiling"), ceiling(share))) }
        if let used = speed.memoryUsedBytes {
            lines.append((word("speed.memory"), catalogue.number(used, .bytes)))
        }
        if let hours = speed.hours { lines.append((word("speed.hours"), catalogue.number(hours, .hours))) }
        return lines
    }
}

extension ReportDocument {
    /// The record below the letter: model, speed, the loss table and the settings, as plain text.
    public func recordText(catalogue: Catalogue, columns: Int = 80) -> String {
        let page = PageText(catalogue), number = page.catalogue.number
        var lines: [String] = []
        func title(_ key: String) { lines += ["", " " + page.word("section." + key)] }
        func pairs(_ pairs: [(String, String)]) {
            let width = pairs.map(\.0.count).max() ?? 0
            lines += pairs.map { "   " + $0.0 + String(repeating: " ", count: width - $0.0.count) + "  " + $0.1 }
        }
        title("record")
        var record: [(String, String)] = []
        if let count = report.model.parameters { record.append((page.word("record.parameters"), number(count, .integer))) }
        if let tokens = report.run.tokensSeen { record.append((page.word("record.tokens"), number(tokens, .integer))) }
        record += page.speed(self)
        if !record.isEmpty { pairs(record.map { ($0.0, $0.1) }) }
        if !report.curve.isEmpty {
            lines.append("")
            let heads = ["column.step", "column.tokens", "column.train-loss", "column.val-loss"].map { page.word($0) }
            let rows = Statistics.thinned(report.curve, to: 14).map { point in
                [
                    number(Double(point.step), .integer), point.tokens.map { number($0, .short) } ?? "–",
                    point.trainLoss.map { number($0, .fixed(3)) } ?? "–", point.valLoss.map { number($0, .fixed(3)) } ?? "–",
                ]
            }
            let widths = heads.indices.map { column in ([heads] + rows).map { $0[column].count }.max() ?? 0 }
            for row in [heads] + rows {
                lines.append(
                    "   " + zip(row, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }.joined(separator: "   "))
            }
        }
        let settings = settings.map {
            $0.key + " = " + page.setting($0.value) + ($0.origin == .assumed ? " (" + page.word("origin.assumed") + ")" : "")
        }
        if !settings.isEmpty {
            title("settings")
            var line = "  "
            for setting in settings {
                if line.count + setting.count + 3 > max(60, columns) {
                    lines.append(line)
                    line = "  "
                }
                line += " " + setting + (setting == settings.last ? "" : ",")
            }
            lines.append(line)
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
