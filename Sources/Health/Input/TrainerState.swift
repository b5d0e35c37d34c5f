// SPDX-License-Identifier: MIT
import Foundation
import RunLog

/// Reads Hugging Face's trainer_state.json.
enum TrainerState {
    /// Python writes NaN, Infinity and -Infinity bare, which is not JSON: puts them in quotes.
    private static func quotingBareNumbers(_ data: Data) -> Data {
        var result: [UInt8] = []
        result.reserveCapacity(data.count + 64)
        let bytes = [UInt8](data)
        let words = ["NaN", "-Infinity", "Infinity"].map { Array($0.utf8) }
        var inText = false
        var at = 0
        while at < bytes.count {
            let byte = bytes[at]
            if inText, byte == UInt8(ascii: "\\"), at + 1 < bytes.count {
                result += bytes[at...at + 1]
                at += 2
                continue
            }
            if byte == UInt8(ascii: "\"") { inText.toggle() }
            if !inText, let word = words.first(where: { bytes[at...].starts(with: $0) }) {
                result += [UInt8(ascii: "\"")] + word + [UInt8(ascii: "\"")]
                at += word.count
            } else {
                result.append(byte)
                at += 1
            }
        }
        return Data(result)
    }

    /// - Returns: nil when the bytes are not such a file.
    static func read(_ data: Data, name: String, options: InputOptions) throws -> RunFacts? {
        let parsed =
            (try? JSONSerialization.jsonObject(with: data)) ?? (try? JSONSerialization.jsonObject(with: quotingBareNumbers(data)))
        guard let object = parsed as? [String: Any], let history = object["log_history"] as? [[String: Any]]
        else { return nil }
        var facts = RunFacts(source: .huggingface, name: name)
        var mapping = ConfigMapping()
        func number(_ entry: [String: Any], _ key: String) -> Double? {
            if let value = entry[key] as? NSNumber { return value.doubleValue }
            // Values that are not finite are written as text by some versions.
            return (entry[key] as? String).flatMap { Double($0) }
        }
        for entry in history {
            guard let step = number(entry, "step"), step >= 0, step < 1e15 else { continue }
            if let loss = number(entry, "loss") {
                var point = StepPoint(step: Int(step))
                point.loss = loss
                point.lr = number(entry, "learning_rate")
                point.gradNorm = number(entry, "grad_norm")
                point.tokens = number(entry, "num_input_tokens_seen").flatMap { $0 > 0 ? $0 : nil }
                facts.steps.append(point)
            }
            if let loss = number(entry, "eval_loss") {
                var point = EvalPoint(step: Int(step))
                point.valLoss = loss
                point.ms = number(entry, "eval_runtime").map { $0 * 1000 }
                point.tokens = number(entry, "num_input_tokens_seen").flatMap { $0 > 0 ? $0 : nil }
                facts.evals.append(point)
            }
        }
        if let steps = number(object, "max_steps"), steps > 0, steps < 1e15 {
            mapping.add("max_iters", .integer(Int(steps)), .log)
        }
        if let peak = facts.steps.compactMap(\.lr).max() { mapping.add("learning_rate", .number(peak), .derived) }
        mapping.add("optimizer", .text("AdamW"), .assumed)
        mapping.add("block_size", .integer(1024), .assumed)
        try options.apply(to: &mapping)
        facts.config = mapping.facts()
        facts.config.derive()
        facts.deriveTokensPerStep()
        if let dataset = mapping.text("dataset") { facts.dataset.name = dataset }
        options.apply(to: &facts)
        facts.fillTokens()
        return facts
    }
}
