// SPDX-License-Identifier: MIT
import Storage

/// Reads Hugging Face's `tokenizer.json` with a byte-level BPE, and Apus's character-level form of it.
///
/// What would change the ids and is not done here is refused by name; truncation, padding and the post-processor
/// (which adds tokens around a text) do not concern the ids of a text itself and are passed over.
struct TokenizerJSONReader {
    private let path: String
    private let root: StrictJSON

    /// - Throws: `FileError`, `TokenizerError`.
    static func read(_ path: String) throws -> any Tokenizer {
        try withBytes(ofFile: path) { try read($0, path: path) }
    }

    static func read(_ bytes: UnsafeRawBufferPointer, path: String) throws -> any Tokenizer {
        let reader = TokenizerJSONReader(path: path, root: try StrictJSON.read(bytes, path: path))
        // Exports for Hugging Face say "WordLevel", with every character a word, which `tokenizers` reads too.
        if ["char", "WordLevel"].contains(reader.root["model"]?["type"]?.string) {
            return try CharTokenizer(json: reader.root, path: path)
        }
        return try BPETokenizer(model: try reader.model())
    }

    private func bad(_ what: String) -> TokenizerError { TokenizerError(.badFile, "'\(path)': \(what)") }

    private func unsupported(_ what: String) -> TokenizerError {
        TokenizerError(
            .unsupported, "'\(path)': \(what); Apus reads byte-level BPE tokenizers (GPT-2, GPT-4, Llama-3, Qwen-2) and its own")
    }

    private func model() throws -> BPEModel {
        guard let model = root["model"]?.unlessNull else {
            throw bad("there is no \"model\"; is it a Hugging Face tokenizer.json?")
        }
        let type = model["type"]?.string ?? "BPE"
        guard type == "BPE" else { throw unsupported("the model's type is \"\(type)\"") }
        try checkOptions(model)
        guard let vocabulary = model["vocab"]?.members else { throw bad("the model has no \"vocab\"") }
        let added = try addedTokens()
        let addedIds = Set(added.map(\.id))
        var builder = try VocabularyBuilder(members: vocabulary, added: addedIds, path: path)
        var pair = TokenPair()
        for (place, merge) in (model["merges"]?.items ?? []).enumerated() {
            guard take(merge, &pair) else { throw bad("merge \(place + 1) is neither \"a b\" nor [\"a\", \"b\"]") }
            try builder.addMerge(pair)
        }
        builder.model.wholeWords = model["ignore_merges"]?.bool ?? false
        builder.model.composes = try composes(root["normalizer"]?.unlessNull)
        builder.model.split = try split(root["pre_tokenizer"]?.unlessNull)
        return try builder.finished(added: added)
    }

    /// Refuses the options that would change ids.
    private func checkOptions(_ model: StrictJSON) throws {
        if model["byte_fallback"]?.bool == true { throw unsupported("the model has byte_fallback (SentencePiece)") }
        if let dropout = model["dropout"]?.number, dropout != 0 { throw unsupported("the model has dropout \(dropout)") }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let text = model[key]?.string, !text.isEmpty { throw unsupported("the model has \(key) \"\(text)\"") }
        }
        if let decoder = root["decoder"]?["type"]?.string, decoder != "ByteLevel" {
            throw unsupported("the decoder is \"\(decoder)\"")
        }
    }

    /// Takes a merge written as `"a b"` or as `["a", "b"]`; false when it is neither.
    private func take(_ merge: StrictJSON, _ pair: inout TokenPair) -> Bool {
        if let line = merge.string { return pair.take(line: line.utf8) }
        guard let parts = merge.items, parts.count == 2, let left = parts[0].string, let right = parts[1].string else {
            return false
        }
        return pair.take(left: left.utf8, right: right.utf8)
    }

    /// The added tokens by id.
    private func addedTokens() throws -> [AddedToken] {
        var tokens: [AddedToken] = []
        for entry in root["added_tokens"]?.items ?? [] {
            guard let token = try AddedToken.read(entry, id: entry["id"]?.id, unsupported: unsupported) else {
                throw bad("added token \(tokens.count + 1) has no valid \"id\" and \"content\"")
            }
            tokens.append(token)
        }
        tokens.sort { $0.id < $1.id }
        for (one, next) in zip(tokens, tokens.dropFirst()) where one.id == next.id {
            throw bad("the added tokens '\(one.content)' and '\(next.content)' have the same id \(one.id)")
        }
        return tokens
    }

    /// Whether the normaliser is NFC, alone or in a sequence.
    private func composes(_ normalizer: StrictJSON?) throws -> Bool {
        guard let normalizer else { return false }
        switch normalizer["type"]?.string {
        case "NFC": return true
        case "Sequence": return try (normalizer["normalizers"]?.items ?? []).reduce(false) { try composes($1) || $0 }
        case let type: throw unsupported("the normalizer is \"\(type ?? "of no type")\" (NFC is known)")
        }
    }

    /// The pattern of a pre-tokenizer: ByteLevel alone, or Split and then ByteLevel without its own pattern.
    private func split(_ preTokenizer: StrictJSON?) throws -> SplitPattern {
        guard let preTokenizer else { throw unsupported("there is no pre_tokenizer, so tokens are not bytes") }
        let steps = preTokenizer["type"]?.string == "Sequence" ? preTokenizer["pretokenizers"]?.items ?? [] : [preTokenizer]
        var pattern: SplitPattern?
        var isByteLevel = false
        for step in steps {
            switch step["type"]?.string {
            case "Split" where pattern == nil && !isByteLevel: pattern = try splitPattern(step)
            case "ByteLevel" where !isByteLevel:
                if step["add_prefix_space"]?.bool ?? true { throw unsupported("the pre_tokenizer has add_prefix_space") }
                isByteLevel = true
                if step["use_regex"]?.bool ?? true {
                    // Splitting the parts once more by GPT-2's pattern changes nothing only when that made the parts.
                    guard pattern == nil || pattern == .gpt2 else { throw unsupported("two pre_tokenizers split the text") }
                    pattern = .gpt2
                }
            case let type: throw unsupported("the pre_tokenizer \"\(type ?? "of no type")\" stands where Split or ByteLevel may")
            }
        }
        if !isByteLevel { throw unsupported("the pre_tokenizer has no ByteLevel, so tokens are not bytes") }
        return pattern ?? .none
    }

    private func splitPattern(_ step: StrictJSON) throws -> SplitPattern {
        guard let regex = step["pattern"]?["Regex"]?.string, let pattern = SplitPattern(regex: regex) else {
            throw unsupported("the pre_tokenizer splits by the pattern \(step["pattern"]?["Regex"]?.string ?? "(none)")")
        }
        let behavior = step["behavior"]?.string ?? "none", isInverted = step["invert"]?.bool ?? false
        // The patterns match every character, so what is removed in the inverted form is nothing.
        guard (behavior == "Isolated" && !isInverted) || (behavior == "Removed" && isInverted) else {
            throw unsupported("the pre_tokenizer Split has behavior \"\(behavior)\", invert \(isInverted)")
        }
        return pattern
    }
}
