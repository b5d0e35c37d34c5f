// SPDX-License-Identifier: MIT
import RunLog

/// The sources of a preparation as the manifest shows them.
struct SourceFacts: Codable, Equatable {
    struct Item: Codable, Equatable {
        var name: String
        var bytes: Int
        /// The index of the argument it came from.
        var argument: Int
    }

    var arguments: [String]
    var items: [Item]

    init(_ sources: SourceList) {
        arguments = sources.arguments
        items = sources.items.map { Item(name: $0.name, bytes: $0.bytes, argument: $0.argument) }
    }

    /// One entry a file, or one an argument where an argument stands for very many files.
    func entries(documents: [Int: Int]) -> [DatasetManifest.Source] {
        let largest = 100
        return arguments.enumerated().flatMap { index, argument -> [DatasetManifest.Source] in
            let own = items.enumerated().filter { $0.element.argument == index }
            if own.count > largest {
                return [
                    .init(
                        name: "\(argument) (\(own.count) files)", bytes: own.reduce(0) { $0 &+ $1.element.bytes },
                        documents: own.reduce(0) { $0 &+ documents[$1.offset, default: 0] })
                ]
            }
            return own.map {
                .init(name: $0.element.name, bytes: $0.element.bytes, documents: documents[$0.offset, default: 0])
            }
        }
    }
}

/// Makes the manifest from the sums over the documents, whether one run made them or several parts.
struct ManifestMaker: Codable {
    var version: String
    var tokenizer: DatasetManifest.TokenizerFacts
    var dtype: String
    var isSingleDocument: Bool
    var sources: SourceFacts
    /// The options that decide the content, as text.
    var options: [String: String]

    func manifest(_ state: PrepareState, files: [DatasetManifest.File]) -> DatasetManifest {
        let counts = state.counts
        var manifest = DatasetManifest(version: version, tokenizer: tokenizer, dtype: dtype)
        manifest.train = .init(documents: counts.documents.train, tokens: counts.tokens.train, bytes: counts.bytes.train)
        manifest.val = .init(documents: counts.documents.val, tokens: counts.tokens.val, bytes: counts.bytes.val)
        manifest.files = files
        manifest.sources = sources.entries(documents: state.documentsByItem)
        var facts = AuditRules.Facts(counts: counts)
        facts.empty = state.empty
        facts.nulls = state.nulls
        facts.duplicates = state.duplicates
        facts.isSingleDocument = isSingleDocument
        facts.hasEndOfText = tokenizer.endOfText != nil
        manifest.audit = AuditRules.record(facts)
        manifest.options = options
        if state.duplicatesAreFull {
            manifest.options["duplicates"] = "counted among the first \(DuplicateCounter.most) distinct documents only"
        }
        return manifest
    }

    /// Refuses a dataset without training tokens, saying why it has none.
    func refuseNothing(_ state: PrepareState) throws {
        let counts = state.counts
        guard counts.tokens.train == 0 else { return }
        let names = sources.arguments.joined(separator: "', '")
        if counts.tokens.val > 0 {
            throw CorpusError.data(
                names, "every document fell into the validation split; lower --val-fraction or give more documents")
        }
        throw CorpusError.noText(names, nulls: state.nulls, keys: state.keys, field: options["text_field"] ?? "text")
    }
}

extension CorpusError {
    /// Says why sources have no text at all.
    ///
    /// - Parameters:
    ///   - nulls: rows or lines without the field
    ///   - keys: what the first of them has instead; nil where that is not known
    static func noText(_ sources: String, nulls: Int, keys: [String]?, field: String) -> CorpusError {
        guard nulls > 0 else { return .data(sources, "there is no text in it") }
        let keys = keys.map { $0.isEmpty ? "" : " The first line has: \($0.joined(separator: ", "))." } ?? ""
        return .data(
            sources, "none of its \(nulls) rows has text in the field '\(field)'.\(keys) Choose with --text-field")
    }
}
