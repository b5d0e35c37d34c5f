// SPDX-License-Identifier: MIT
import Tokenization

/// About how much text the sources hold, found by reading a little of them.
///
/// Deterministic: it depends on the sources alone, not on time, workers or chance.
package struct SizeEstimate: Sendable, Equatable {
    package var documents: Double = 0
    package var textBytes: Double = 0
    /// With one end-of-text for each document, when the tokenizer has one.
    package var tokens: Double = 0

    /// No estimate is above this, so that each is an integer too.
    private static let most = 0x1p60

    /// Files looked into, evenly spaced over all; the others are taken to be like these, by size.
    private static let sampledItems = 16
    /// Bytes of text looked at in all of them together.
    private static let sampledBytes = 4 << 20

    /// - Parameter tokenizer: nil to estimate the text alone; `tokens` is then 0.
    init(
        items: [SourceItem], files: SourceFiles, extractor: DocumentExtractor, options: ReadingOptions,
        tokenizer: (any Tokenizer)?
    ) throws {
        let candidates = files.cheap
        let count = min(candidates.count, Self.sampledItems)
        var options = options
        options.pieceSize = min(options.pieceSize, 128 << 10)
        options.batchSize = min(options.batchSize, 128 << 10)
        var sampledWeight = 0
        for k in 0..<count {
            let index = candidates[k * candidates.count / count]
            let item = items[index]
            let part = try Self.sample(
                item, path: files.path(of: index), extractor: extractor, options: options, tokenizer: tokenizer,
                budget: Self.sampledBytes / count)
            documents += part.documents
            textBytes += part.textBytes
            tokens += part.tokens
            sampledWeight = Self.sum([sampledWeight, SourceReader.weight(item)])
        }
        let all = Self.sum(items.lazy.map(SourceReader.weight))
        let scale = sampledWeight > 0 ? Double(all) / Double(sampledWeight) : 1
        documents = min(documents * scale, Self.most)
        textBytes = min(textBytes * scale, Self.most)
        tokens = min(tokens * scale, Self.most)
    }

    /// A sum of sizes, which may be what a server or a file with holes says: it stops at the greatest integer.
    package static func sum(_ sizes: some Sequence<Int>) -> Int {
        sizes.reduce(0) { sum, size in
            let (total, overflows) = sum.addingReportingOverflow(size)
            return overflows ? .max : total
        }
    }

    private init() {}

    /// Looks at the beginning of one item and scales up to the whole of it.
    private static func sample(
        _ item: SourceItem, path: String, extractor: DocumentExtractor, options: ReadingOptions, tokenizer: (any Tokenizer)?,
        budget: Int
    ) throws -> SizeEstimate {
        let reader = SourceReader(items: [item], options: options, locate: { _ in path })
        let extractor = DocumentExtractor(items: [item], textField: extractor.textField, seed: extractor.seed)
        let encoder = tokenizer?.makeEncoder()
        var result = SizeEstimate(), encodedBytes = 0, encodedTokens = 0
        var ids: [UInt32] = [], fraction = 0.0
        try reader.forEachBatch(until: { result.textBytes >= Double(budget) }) { batch in
            _ = try extractor.forEachDocument(batch) { document in
                guard !document.text.isEmpty else { return }
                result.documents += 1
                result.textBytes += Double(document.text.count)
                guard let encoder, encodedBytes < budget else { return }
                // The start of a long document tells enough.
                let start = UnsafeRawBufferPointer(rebasing: document.text.prefix(budget))
                ids.removeAll(keepingCapacity: true)
                try encoder.encode(start, into: &ids)
                encodedBytes += start.count
                encodedTokens += ids.count
            }
            fraction = reader.fraction
        }
        let scale = fraction > 0 ? 1 / fraction : 1
        result.documents *= scale
        result.textBytes *= scale
        if encodedBytes > 0 {
            result.tokens = result.textBytes * Double(encodedTokens) / Double(encodedBytes)
            if tokenizer?.endOfText != nil { result.tokens += result.documents }
        }
        return result
    }
}
