// SPDX-License-Identifier: MIT
import Foundation
import RunLog

/// The short text for people that lies beside a dataset.
enum DataCard {
    static func text(_ manifest: DatasetManifest) -> String {
        let audit = manifest.audit
        var lines = [
            "# Token dataset", "",
            "Made by `apus prepare`\(manifest.version.isEmpty ? "" : " \(manifest.version)"). `dataset.json` has every number.",
            "",
            "| | train | val |", "|---|---:|---:|",
            "| tokens | \(grouped(manifest.train.tokens)) | \(grouped(manifest.val.tokens)) |",
            "| documents | \(grouped(manifest.train.documents)) | \(grouped(manifest.val.documents)) |",
            "| bytes of text | \(grouped(manifest.train.bytes)) | \(grouped(manifest.val.bytes)) |", "",
            "- Files: `train.bin`, `val.bin`, token ids as headerless little-endian \(manifest.dtype).",
            "- Tokenizer: \(manifest.tokenizer.name), \(grouped(manifest.tokenizer.vocabSize)) ids"
                + (manifest.tokenizer.endOfText.map { "; end-of-text is \($0)" } ?? "; no end-of-text") + ".",
            "- Split: \(manifest.options["split"] ?? ""); validation fraction \(manifest.options["val_fraction"] ?? "")"
                + " (\(manifest.options["val_fraction_reason"] ?? "")).",
        ]
        if let value = audit.bytesPerToken { lines.append("- Bytes per token: \(decimal(value, 3)).") }
        if let value = audit.unigramEntropy {
            lines.append("- Entropy of single training tokens: \(decimal(value, 3)) nats; a model must get below this loss.")
        }
        if let p = audit.tokensPerDocumentPercentiles, p.count == AuditRules.percentiles.count {
            let pairs = zip(AuditRules.percentiles, p).map { "\($0) %: \($1)" }
            lines.append("- Tokens per document, percentiles: \(pairs.joined(separator: ", ")).")
        }
        if let value = audit.validationStderr {
            lines.append("- Expected standard error of a loss over the whole validation split: \(decimal(value, 3)) nats.")
        }
        if let tokens = audit.plannedTokens {
            lines.append("- Planned: \(PlannedEpochs(tokens: tokens, trainTokens: manifest.train.tokens).sentence).")
        }
        let left = [
            ("empty", audit.emptyDocuments), ("null", audit.nullDocuments), ("of fewer than 16 tokens", audit.shortDocuments),
            ("duplicate", audit.duplicateDocuments), ("with invalid UTF-8", audit.invalidUtf8Documents),
        ].map { "\($0.1 ?? 0) \($0.0)" }
        lines.append("- Documents counted: \(left.joined(separator: ", ")).")
        lines += ["", "Sources:", ""]
        lines += manifest.sources.map { "- \($0.name): \(grouped($0.documents)) documents, \(grouped($0.bytes)) bytes" }
        if let warnings = audit.warnings, !warnings.isEmpty {
            lines += ["", "Warnings:", ""]
            lines += warnings.map { "- \($0.message). Cure: \($0.advice)." }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Digits in groups of three, with commas, whatever the locale.
    static func grouped(_ number: Int) -> String {
        let digits = Array(String(number.magnitude))
        var text = ""
        for (i, digit) in digits.enumerated() {
            if i > 0 && (digits.count - i) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return number < 0 ? "-" + text : text
    }

    static func decimal(_ value: Double, _ places: Int) -> String { String(format: "%.\(places)f", value) }
}
