// SPDX-License-Identifier: MIT
import RunLog

/// The few lines that a person reads when a dataset is done.
public enum DatasetSummary {
    /// Lines without a final line end: sizes of the splits, facts of the audit, its warnings with their cures.
    public static func text(_ manifest: DatasetManifest, folder: String) -> String {
        func split(_ name: String, _ split: DatasetManifest.Split) -> String {
            "\(name)  \(DataCard.grouped(split.tokens)) tokens, \(DataCard.grouped(split.documents)) "
                + "\(split.documents == 1 ? "document" : "documents"), "
                + "\(DataCard.grouped(split.bytes)) bytes"
        }
        let tokenizer = manifest.tokenizer
        var lines = [
            "\(folder): \(tokenizer.name) tokens, \(DataCard.grouped(tokenizer.vocabSize)) ids, \(manifest.dtype)",
            split("train", manifest.train), split("val  ", manifest.val),
        ]
        var facts: [String] = []
        if let value = manifest.audit.bytesPerToken { facts.append("\(DataCard.decimal(value, 2)) bytes per token") }
        if let values = manifest.audit.tokensPerDocumentPercentiles, values.count == 7 {
            facts.append("\(values[3]) tokens in the median document")
        }
        if let value = manifest.audit.unigramEntropy {
            facts.append("entropy of single tokens \(DataCard.decimal(value, 2)) nats")
        }
        if !facts.isEmpty { lines.append(facts.joined(separator: "; ")) }
        if let tokens = manifest.audit.plannedTokens {
            lines.append(PlannedEpochs(tokens: tokens, trainTokens: manifest.train.tokens).sentence)
        }
        lines += (manifest.audit.warnings ?? []).map { "warning: \($0.message). Cure: \($0.advice)." }
        return lines.joined(separator: "\n")
    }
}
