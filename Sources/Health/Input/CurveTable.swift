// SPDX-License-Identifier: MIT
import Foundation
import RunLog

/// Reads a CSV table of a training curve with named columns.
///
/// Lines that begin with `#` may describe the run in words: "GPT-2 12/12/768", "batch 524288 tokens", "AdamW",
/// "schedule: peak 6e-4, warm-up 700, total 19560, cosine". Rows that have a step and a rate but no loss are the rest of the
/// schedule.
enum CurveTable {
    /// `evalTrainLoss`: a table with an update's `loss` beside it means an evaluation of the training split by `train_loss`.
    private enum Column {
        case step, tokens, lr, trainLoss, evalTrainLoss, valLoss, gradNorm, stepMs, tokensPerSecond, mfu, ignored
    }

    private static let names: [String: Column] = [
        "step": .step, "steps": .step, "iter": .step, "iteration": .step, "global_step": .step, "_step": .step,
        "tokens": .tokens, "tokens_seen": .tokens, "train_tokens": .tokens,
        "lr": .lr, "learning_rate": .lr, "train/lr": .lr,
        "train_loss": .trainLoss, "loss": .trainLoss, "train/loss": .trainLoss, "training_loss": .trainLoss,
        "val_loss": .valLoss, "val/loss": .valLoss, "eval_loss": .valLoss, "valid_loss": .valLoss, "validation_loss": .valLoss,
        "eval/loss": .valLoss,
        "grad_norm": .gradNorm, "gradient_norm": .gradNorm, "norm": .gradNorm, "train/grad_norm": .gradNorm,
        "step_ms": .stepMs, "time_ms": .stepMs, "dt_ms": .stepMs, "tokens_per_second": .tokensPerSecond,
        "tok/s": .tokensPerSecond,
        "mfu": .mfu,
    ]

    /// Whether a header line names a step and a loss.
    static func isHeader(_ line: String) -> Bool {
        let columns = cells(line).map { names[$0.lowercased()] ?? .ignored }
        return columns.contains { $0 == .step || $0 == .tokens } && columns.contains { $0 == .trainLoss || $0 == .valLoss }
    }

    private static func columns(_ header: String) -> [Column] {
        let words = cells(header).map { $0.lowercased() }
        let hasBoth = words.contains("loss") && words.contains("train_loss") && words.contains { names[$0] == .valLoss }
        return words.map { hasBoth && $0 == "train_loss" ? .evalTrainLoss : names[$0] ?? .ignored }
    }

    private static func cells(_ line: String) -> [String] {
        line.split(omittingEmptySubsequences: false) { $0 == "," || $0 == "\t" || $0 == ";" }
            .map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " \"\r")) }
    }

    /// - Returns: nil when there is no header with a step and a loss.
    static func read(_ bytes: UnsafeBufferPointer<UInt8>, name: String, options: InputOptions) throws -> RunFacts? {
        var cursor = LineCursor(bytes)
        var columns: [Column]?
        var facts = RunFacts(source: .csv, name: name)
        var mapping = ConfigMapping()
        var unreadable = 0
        while cursor.nextLine() {
            cursor.skipSpaces()
            guard let first = cursor.first else { continue }
            if first == UInt8(ascii: "#") {
                CurveComments.read(cursor.line(), into: &mapping, &facts)
                continue
            }
            guard let known = columns else {
                let line = cursor.line()
                guard isHeader(line) else { return nil }
                columns = Self.columns(line)
                continue
            }
            if !row(&cursor, known, &facts) { unreadable += 1 }
        }
        guard columns != nil else { return nil }
        if unreadable > 0 { facts.notes.append(Message("note.unreadable-rows", ["count": .integer(unreadable)])) }
        facts.steps.sort { $0.step < $1.step }
        facts.evals.sort { $0.step < $1.step }
        facts.futureRates.sort { $0.step < $1.step }
        addTrainingEvaluations(to: &facts)
        let last = max(facts.steps.last?.step ?? 0, facts.evals.last?.step ?? 0)
        facts.futureRates.removeAll { $0.step <= last }
        mapping.add("vocab_size", .integer(50304), .assumed)
        mapping.add("block_size", .integer(1024), .assumed)
        try options.apply(to: &mapping)
        facts.config = mapping.facts()
        if let parameters = mapping.real("parameters") { facts.config.parameters = parameters }
        facts.config.derive()
        facts.deriveTokensPerStep()
        if let dataset = mapping.text("dataset") { facts.dataset.name = dataset }
        if let tokenizer = mapping.text("tokenizer") { facts.dataset.tokenizer = tokenizer }
        options.apply(to: &facts)
        facts.deriveRate()
        facts.fillTokens()
        return facts
    }

    /// Where each training loss stands beside a validation loss, both are evaluations. In a table of many updates and few
    /// evaluations it is the loss of one batch, too noisy to be held against the validation's.
    private static func addTrainingEvaluations(to facts: inout RunFacts) {
        let evaluated = Set(facts.evals.map(\.step))
        guard facts.steps.allSatisfy({ evaluated.contains($0.step) }) else { return }
        let losses = Dictionary(facts.steps.map { ($0.step, $0.loss) }, uniquingKeysWith: { $1 })
        for index in facts.evals.indices where facts.evals[index].trainLoss == nil {
            facts.evals[index].trainLoss = losses[facts.evals[index].step] ?? nil
        }
    }

    private static func row(_ cursor: inout LineCursor, _ columns: [Column], _ facts: inout RunFacts) -> Bool {
        var values: [Double?] = []
        values.reserveCapacity(columns.count)
        while values.count < columns.count {
            values.append(cursor.real())
            cursor.skipSpaces()
            // Over a quote or stray text to the next separator.
            while let byte = cursor.first, byte != 44, byte != 59, byte != 9 { cursor.position += 1 }
            if cursor.isEmpty { break }
            cursor.position += 1
        }
        func value(_ column: Column) -> Double? {
            columns.firstIndex(of: column).flatMap { $0 < values.count ? values[$0] : nil }
        }
        guard let stepValue = value(.step) ?? value(.tokens), stepValue.isFinite, stepValue >= 0, stepValue < 1e15 else {
            return false
        }
        let step = Int(stepValue)
        let train = value(.trainLoss), val = value(.valLoss)
        if let train {
            var point = StepPoint(step: step)
            point.loss = train
            point.tokens = value(.tokens)
            point.lr = value(.lr)
            point.gradNorm = value(.gradNorm)
            point.stepMs = value(.stepMs)
            point.tokensPerSecond = value(.tokensPerSecond)
            point.mfuPrinted = value(.mfu).map { $0 > 1 ? $0 / 100 : $0 }
            facts.steps.append(point)
        }
        if let val {
            var point = EvalPoint(step: step)
            point.valLoss = val
            point.trainLoss = columns.contains(.evalTrainLoss) ? value(.evalTrainLoss) : nil
            point.tokens = value(.tokens)
            facts.evals.append(point)
            // The rate belongs to the schedule even where no training loss stands beside it.
            if train == nil, let lr = value(.lr) { facts.futureRates.append((step, lr)) }
        }
        if train == nil, val == nil, let lr = value(.lr) { facts.futureRates.append((step, lr)) }
        return true
    }
}

extension RunFacts {
    /// Tokens a step from a table that gives both numbers.
    mutating func deriveTokensPerStep() {
        guard config.tokensPerStep == nil else { return }
        let points =
            steps.compactMap { p in p.tokens.map { (p.step, $0) } } + evals.compactMap { p in p.tokens.map { (p.step, $0) } }
        if let last = points.max(by: { $0.0 < $1.0 }), last.0 > 0, last.1 > 0 {
            config.tokensPerStep = Fact(last.1 / Double(last.0), .derived)
        }
    }
}

/// Facts in the comment lines of a curve table.
enum CurveComments {
    static func read(_ line: String, into mapping: inout ConfigMapping, _ facts: inout RunFacts) {
        let lower = line.lowercased()
        func number(after word: String) -> Double? {
            guard let range = lower.range(of: word) else { return nil }
            let rest = lower[range.upperBound...].drop { $0 == " " || $0 == ":" || $0 == "=" }
            return Double(rest.prefix { $0.isNumber || ".e+-".contains($0) }.trimmingSuffix())
        }
        func add(_ key: String, _ value: Double?) { if let value { mapping.add(key, .number(value), .log) } }
        if lower.contains("schedule") {
            add("learning_rate", number(after: "peak"))
            add("warmup_iters", number(after: "warm-up") ?? number(after: "warmup"))
            add("max_iters", number(after: "total"))
            add("lr_decay_iters", number(after: "total"))
            if lower.contains("cosine") {
                mapping.add("lr_schedule", .text("cosine"), .log)
                // "cosine0" decays to nothing, "cosine to 6e-5" to that rate, "cosine to 0.1x" to a share of the peak.
                add("min_lr", number(after: "cosine to") ?? number(after: "cosine") ?? 0)
            } else if lower.contains("trapezoid") || lower.contains("wsd") || lower.contains("last") {
                mapping.add("lr_schedule", .text("wsd"), .log)
                add("cooldown_iters", number(after: "last"))
                add("min_lr", number(after: "linear to") ?? 0)
            } else if lower.contains("linear") {
                mapping.add("lr_schedule", .text("linear"), .log)
                add("min_lr", number(after: "linear to") ?? 0)
            } else if lower.contains("constant") {
                mapping.add("lr_schedule", .text("constant"), .log)
            }
            scaleFinalRate(lower, &mapping)
        }
        if lower.contains("data") || lower.contains("parameters") {
            for name in ["fineweb-edu", "fineweb", "openwebtext", "shakespeare_char", "shakespeare", "pile", "tinystories", "c4"]
            where lower.contains(name) {
                mapping.add("dataset", .text(name), .log)
                break
            }
            if lower.contains("gpt-2 tokens") || lower.contains("gpt2 tokens") { mapping.add("tokenizer", .text("gpt2"), .log) }
            add("total_batch_size", number(after: "batch"))
            describeModel(lower, &mapping)
        }
    }

    private static func scaleFinalRate(_ lower: String, _ mapping: inout ConfigMapping) {
        guard let range = lower.range(of: "to 0."), let peak = mapping.real("learning_rate")?.value else { return }
        let digits = lower[range.lowerBound...].dropFirst(3)
        let share = digits.prefix { $0.isNumber || $0 == "." }
        if digits.dropFirst(share.count).hasPrefix("x"), let value = Double(share) {
            mapping.add("min_lr", .number(value * peak), .log)
        }
    }

    private static func describeModel(_ lower: String, _ mapping: inout ConfigMapping) {
        for (word, name) in [("muon", "Muon"), ("soap", "SOAP"), ("shampoo", "Shampoo"), ("adamw", "AdamW"), ("adam", "AdamW")]
        where lower.contains(word) {
            mapping.add("optimizer", .text(name), .log)
            break
        }
        let modern = ["qk-norm", "relu2", "rmsnorm", "swiglu"].contains(where: lower.contains)
        mapping.add("architecture", .text(modern ? "modern" : lower.contains("rope") ? "rope" : "gpt2"), .log)
        for word in lower.split(whereSeparator: { " ;,".contains($0) }) {
            let parts = word.split(separator: "/").compactMap { Int($0) }
            if parts.count == 3, parts[0] > 0, parts[0] <= 1000, parts[1] > 0, parts[2] > 0, parts[2] <= 65536 {
                mapping.add("n_layer", .integer(parts[0]), .log)
                mapping.add("n_head", .integer(parts[1]), .log)
                mapping.add("n_embd", .integer(parts[2]), .log)
            }
        }
        // "1.244e+08 parameters": the number stands before the word.
        if let range = lower.range(of: " parameters") {
            let word = lower[..<range.lowerBound].split(separator: " ").last ?? ""
            let scale = word.hasSuffix("m") ? 1e6 : word.hasSuffix("b") ? 1e9 : 1
            if let value = Double(scale == 1 ? word : word.dropLast()) { mapping.add("parameters", .number(value * scale), .log) }
        }
    }
}

extension Substring {
    /// Without marks that ended the number's sentence.
    fileprivate func trimmingSuffix() -> Substring {
        var text = self
        while let last = text.last, ".+-e".contains(last) { text.removeLast() }
        return text
    }
}
