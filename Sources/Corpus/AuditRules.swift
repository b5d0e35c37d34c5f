// SPDX-License-Identifier: MIT
import Foundation
import RunLog

/// Turns counts into the audit record: numbers, and warnings with their reason and cure.
enum AuditRules {
    static let percentiles = [1, 10, 25, 50, 75, 90, 99]

    /// What is known after all documents were encoded.
    struct Facts {
        var counts: TokenCounts
        var empty = 0
        var nulls = 0
        var duplicates = 0
        var isSingleDocument = false
        var hasEndOfText = true
    }

    static func record(_ facts: Facts) -> AuditRecord {
        let counts = facts.counts
        var audit = AuditRecord()
        audit.unigramEntropy = TokenCounts.entropy(counts.frequencies)
        let bytes = counts.bytes.train + counts.bytes.val
        let ends = facts.hasEndOfText && !facts.isSingleDocument ? counts.documents.train + counts.documents.val : 0
        let textTokens = counts.tokens.train + counts.tokens.val - ends
        if textTokens > 0 { audit.bytesPerToken = Double(bytes) / Double(textTokens) }
        if !facts.isSingleDocument, counts.documents.train > 0 {
            let total = counts.lengths.reduce(0) { $0 + $1.key * $1.value }
            audit.tokensPerDocumentMean = Double(total) / Double(counts.documents.train)
            audit.tokensPerDocumentPercentiles = TokenCounts.percentiles(percentiles, of: counts.lengths)
        }
        audit.emptyDocuments = facts.empty
        audit.nullDocuments = facts.nulls
        audit.shortDocuments = counts.short
        audit.duplicateDocuments = facts.duplicates
        audit.invalidUtf8Documents = counts.repaired
        audit.nonTextShare = bytes > 0 ? Double(counts.nonTextBytes) / Double(bytes) : 0
        audit.validationStderr = counts.spread.standardError(
            tokens: counts.tokens.val, bytesPerToken: audit.bytesPerToken ?? 4)
        audit.warnings = warnings(facts, audit)
        return audit
    }

    private static func warnings(_ facts: Facts, _ audit: AuditRecord) -> [AuditWarning] {
        let counts = facts.counts
        let documents = counts.documents.train + counts.documents.val
        var warnings: [AuditWarning] = []
        func warn(_ code: String, _ message: String, _ advice: String) {
            warnings.append(AuditWarning(code: code, message: message, advice: advice))
        }
        func share(_ part: Int, of whole: Int) -> Double { whole > 0 ? Double(part) / Double(whole) : 0 }

        if let median = audit.tokensPerDocumentPercentiles?[3], median < 60, documents >= 100 {
            warn(
                "documents-are-lines",
                "half of the documents have at most \(median) tokens; they look like single lines or sentences, so a model "
                    + "never sees how a text goes on",
                "if lines belong together, give whole texts: one file a text, or `--separator` with what stands between them")
        }
        if !facts.isSingleDocument && !facts.hasEndOfText {
            warn(
                "no-end-of-text",
                "the tokenizer has no end-of-text, so \(documents) documents follow each other without a mark",
                "choose `--tokenizer gpt2` or `--tokenizer bpe:N`, or end each text in a way that can be seen")
        }
        warnings += validationWarnings(tokens: counts.tokens.val, standardError: audit.validationStderr)
        if share(facts.duplicates, of: documents) > 0.01 {
            warn(
                "duplicates",
                "\(facts.duplicates) of \(documents) documents were seen before, word for word; a model learns them by heart",
                "remove the copies from the sources")
        }
        if share(counts.repaired, of: max(documents, 1)) > 0.001 || (facts.isSingleDocument && counts.repaired > 0) {
            warn(
                "invalid-utf8",
                "\(counts.repaired) of \(max(documents, 1)) documents are not valid UTF-8; what was ill-formed became U+FFFD",
                "convert the sources to UTF-8 first, for example with `iconv -f latin1 -t utf-8`")
        }
        if let share = audit.nonTextShare, share > 0.001 {
            warn(
                "non-text",
                "\(percent(share)) of the bytes are control characters or U+FFFD; binary data or a wrong encoding is likely",
                "look at the sources with `head -c 2000 FILE | cat -v` and leave out what is not text")
        }
        if share(facts.empty + facts.nulls, of: documents + facts.empty + facts.nulls) > 0.05 {
            warn(
                "empty-documents",
                "\(facts.empty + facts.nulls) documents have no text (\(facts.nulls) of them null); they were left out",
                "check that --text-field names the right field")
        }
        return warnings
    }

    /// What is wrong with the validation split, said alike when data is prepared and when it is audited.
    ///
    /// - Parameter standardError: of a loss over the split, nats; nil: not known.
    static func validationWarnings(tokens: Int, standardError: Double?) -> [AuditWarning] {
        if tokens == 0 {
            return [
                AuditWarning(
                    code: "no-validation", message: "no document fell into the validation split, so no run can be judged",
                    advice: "raise --val-fraction, or cut the text into more documents with --separator")
            ]
        }
        guard let standardError, standardError > 0.05 else { return [] }
        return [
            AuditWarning(
                code: "validation-small",
                message: "the validation split has \(tokens) tokens; a loss over it is uncertain by about "
                    + "\(String(format: "%.2f", standardError)) nats, so smaller differences between runs mean nothing",
                advice: "prepare more text, or raise --val-fraction")
        ]
    }

    static func percent(_ share: Double) -> String { String(format: "%.2f %%", share * 100) }
}

/// What the standard error of a validation loss is estimated from; docs/data.md derives it.
///
/// Var(mean) = sigma^2 / n + tau^2 / k: tokens scatter by sigma around their text's difficulty, and texts scatter by
/// tau around the mean. k is the effective number of texts, n^2 / sum(l * min(l, 1024)) over documents of l tokens:
/// documents count by their length, and a long one counts as several, since its parts differ too.
struct BlockSpread: Codable, Sendable {
    // An integer, so that the sum does not depend on the order in which workers add to it.
    private var weighted = 0

    mutating func add(documentTokens count: Int) { weighted += count * min(count, Self.reach) }

    /// Tokens after which two parts of one text are about as different as two texts.
    static let reach = 1024

    /// nil without tokens.
    func standardError(tokens: Int, bytesPerToken: Double) -> Double? {
        guard tokens > 0 else { return nil }
        // A token of one byte carries less, so its loss scatters less (nats, see docs/data.md).
        let (sigma, tau) = bytesPerToken < 1.6 ? (1.6, 0.10) : (2.7, 0.45)
        let n = Double(tokens)
        let texts = weighted > 0 ? n * n / Double(weighted) : n / Double(Self.reach)
        return (sigma * sigma / n + tau * tau / max(texts, 1)).squareRoot()
    }

    mutating func add(_ other: BlockSpread) { weighted += other.weighted }
}
