// SPDX-License-Identifier: MIT
import Tokenization

/// How the tokens will be split, decided before the pass that encodes.
struct SplitPlan {
    let choice: ValidationChoice
    /// Set when the source is one document, split by position.
    let single: SingleDocument?
    /// Set when documents are so few that none would be for validation: the end of each of them is.
    let splitsInside: Bool
    let estimatedTokens: Int
    var rule: SplitRule { SplitRule(valFraction: choice.fraction) }

    /// What was chosen and why, for people.
    var sentence: String {
        let fraction = "fraction \(choice.fraction) (\(choice.reason))"
        if splitsInside { return "the last part of each document, since by document none would be for it; \(fraction)" }
        return single == nil ? "\(fraction), by document" : "the last part of the one document, \(fraction)"
    }

    /// The same for the manifest.
    var method: String {
        if splitsInside { return "few documents, each by position in code points" }
        return single == nil ? "documents, by SHA-256" : "one document, by position in code points"
    }

    /// Whether the sources are one text file that nothing cuts into documents.
    static func isSingleDocument(_ items: [SourceItem], _ options: PrepareOptions) -> Bool {
        items.count == 1 && items[0].format == .text && options.separator == nil
    }

    init(
        sources: SourceList, files: SourceFiles, options: PrepareOptions, extractor: DocumentExtractor,
        tokenizer: any Tokenizer, found: PrepareJournal?, told: (Double) throws -> Void
    ) throws {
        if let item = sources.items.first, Self.isSingleDocument(sources.items, options) {
            let fraction = options.valFraction ?? 0.1
            choice = ValidationChoice(
                fraction: fraction, reason: options.valFraction == nil ? "the default for a single document" : "as asked")
            single = try SingleDocument(
                item, path: files.path(of: 0), valFraction: fraction, cuts: SingleDocument.Cuts(tokenizer),
                options: options.reading, told: told)
            splitsInside = false
            estimatedTokens = 0
            return
        }
        single = nil
        if let found {
            choice = ValidationChoice(fraction: found.valFraction, reason: found.valFractionReason)
            splitsInside = found.splitsInside ?? false
            estimatedTokens = 0
            return
        }
        // A look at a file on the network would download it; that is for choosing, not for a warning about space.
        if let fraction = options.valFraction, sources.items.contains(where: { $0.remote != nil }) {
            choice = ValidationChoice(fraction: fraction, reason: "as asked")
            splitsInside = false
            estimatedTokens = 0
            return
        }
        var estimate: SizeEstimate?
        do {
            estimate = try SizeEstimate(
                items: sources.items, files: files, extractor: extractor, options: options.reading, tokenizer: tokenizer)
        } catch {
            // The damaged file may be another part's, and the fraction does not depend on it; one of this part is met again.
            if options.part == nil || options.valFraction == nil { throw error }
        }
        estimatedTokens = Int((estimate?.tokens ?? 0).rounded())
        choice =
            options.valFraction.map { ValidationChoice(fraction: $0, reason: "as asked") }
            ?? ValidationChoice.forDocuments(tokens: estimatedTokens)
        let look = Look(sources: sources, files: files, options: options, extractor: extractor)
        splitsInside = try look.findsNoValidation(choice, expecting: estimate?.documents, told: told)
    }
}

/// A pass over sources of few documents, whether the rule gives any of them to validation.
///
/// Every part of a divided preparation sees all sources, so all parts come to the same answer. To the others a file that
/// cannot be read holds nothing; its own part ends there. Should its cure change the answer, the parts cannot be merged.
private struct Look {
    let sources: SourceList
    let files: SourceFiles
    let options: PrepareOptions
    let extractor: DocumentExtractor

    /// When so many documents or more may be expected in validation, none at all is less likely than 1 in 100.
    static let certainDocuments = 5.0
    /// With so many documents, only an end of this many bytes on average is worth having.
    static let manyDocuments = 20, leastBytes = 64.0

    /// - Parameter documents: about how many there are; nil where that is not known.
    func findsNoValidation(
        _ choice: ValidationChoice, expecting documents: Double?, told: (Double) throws -> Void
    ) throws -> Bool {
        guard choice.fraction > 0, (documents ?? 0) * choice.fraction < Self.certainDocuments,
            sources.items.allSatisfy({ $0.remote == nil })
        else { return false }
        struct Found: Error {}
        let rule = SplitRule(valFraction: choice.fraction)
        let part = PartSelection(options.part ?? .whole, items: sources.items)
        let weight = Double(max(SizeEstimate.sum(sources.items.lazy.map(SourceReader.weight)), 1))
        var count = 0, bytes = 0, done = 0.0
        for (index, item) in sources.items.enumerated() {
            let reader = SourceReader(items: [item], options: options.reading, locate: { _ in try files.path(of: index) })
            var extractor = extractor
            extractor.items = [item]
            do {
                try reader.forEachBatch { batch in
                    _ = try extractor.forEachGroup(batch) { group in
                        let texts = group.map(\.text).filter { !$0.isEmpty }
                        if SplitRule.hashes(of: texts).contains(where: { rule.isValidation(hash: $0.split) }) { throw Found() }
                        count += texts.count
                        bytes += texts.reduce(0) { $0 + $1.count }
                    }
                    try told((done + reader.fraction * Double(SourceReader.weight(item))) / weight)
                }
            } catch is Found {
                return false
            } catch {
                let isInterruption = (error as? CorpusError)?.kind == .interrupted
                if isInterruption || options.valFraction == nil || part.mayHold(item: index) { throw error }
            }
            done += Double(SourceReader.weight(item))
        }
        return count > 0 && (count <= Self.manyDocuments || Double(bytes) * choice.fraction >= Self.leastBytes * Double(count))
    }
}
