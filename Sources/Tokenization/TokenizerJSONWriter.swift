// SPDX-License-Identifier: MIT
import CTokenization

/// Writes a byte-level BPE as a `tokenizer.json` that Hugging Face `tokenizers` loads; equal models give equal bytes.
enum TokenizerJSONWriter {
    static func text(_ tokenizer: BPETokenizer) throws -> String {
        let model = tokenizer.model
        var text = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": ["
        for (place, token) in model.added.enumerated() {
            text += place > 0 ? ",\n    {\n" : "\n    {\n"
            text += "      \"id\": \(token.id),\n      \"content\": \(JSONValue.quote(token.content)),\n"
            text += "      \"single_word\": false,\n      \"lstrip\": false,\n      \"rstrip\": false,\n"
            text += "      \"normalized\": false,\n      \"special\": \(token.isSpecial)\n    }"
        }
        text += model.added.isEmpty ? "],\n" : "\n  ],\n"
        text += "  \"normalizer\": \(model.composes ? "{ \"type\": \"NFC\" }" : "null"),\n"
        text += "  \"pre_tokenizer\": \(preTokenizer(model.split)),\n"
        text += "  \"post_processor\": null,\n  \"decoder\": \(byteLevel(usesPattern: true)),\n"
        text += "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": null,\n"
        text += "    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": false,\n"
        text += "    \"byte_fallback\": false,\n    \"ignore_merges\": \(model.wholeWords),\n"
        appendVocabulary(model, to: &text)
        try appendMerges(tokenizer, to: &text)
        return text + "  }\n}\n"
    }

    private static func byteLevel(usesPattern: Bool) -> String {
        "{ \"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": \(usesPattern) }"
    }

    private static func preTokenizer(_ split: SplitPattern) -> String {
        guard let regex = split.regex, split != .gpt2 else { return byteLevel(usesPattern: split == .gpt2) }
        return """
            {
                "type": "Sequence",
                "pretokenizers": [
                  {
                    "type": "Split",
                    "pattern": { "Regex": \(JSONValue.quote(regex)) },
                    "behavior": "Isolated",
                    "invert": false
                  },
                  \(byteLevel(usesPattern: false))
                ]
              }
            """
    }

    /// Tokens by id; added tokens stand among them, so that they keep their ids even behind a gap.
    private static func appendVocabulary(_ model: BPEModel, to text: inout String) {
        var isFirst = true
        func append(_ key: String, _ id: Int) {
            text += (isFirst ? "\n      " : ",\n      ") + JSONValue.quote(key) + ": \(id)"
            isFirst = false
        }
        text += "    \"vocab\": {"
        var added = model.added[...]
        for id in 0..<model.vocabularySize {
            if let next = added.first, Int(next.id) == id {
                append(next.content, id)
                added = added.dropFirst()
            } else if id < model.count, !model.token(id).isEmpty {
                append(ByteAlphabet.text(model.token(id)), id)
            }
        }
        text += "\n    },\n"
    }

    /// Merges as `"a b"`, which every version of `tokenizers` reads: the byte alphabet has no blank.
    private static func appendMerges(_ tokenizer: BPETokenizer, to text: inout String) throws {
        let model = tokenizer.model
        let merges = model.mergesByRank ? try rankedMerges(tokenizer) : model.merges
        text += "    \"merges\": ["
        for (place, merge) in merges.enumerated() {
            let pair = ByteAlphabet.text(model.token(Int(merge.left))) + " " + ByteAlphabet.text(model.token(Int(merge.right)))
            text += (place > 0 ? ",\n      " : "\n      ") + JSONValue.quote(pair)
        }
        text += merges.isEmpty ? "]\n" : "\n    ]\n"
    }

    /// The merge that makes each token of a rank file: its bytes merged with the lower ranks only leave two tokens.
    private static func rankedMerges(_ tokenizer: BPETokenizer) throws -> [BPEModel.Merge] {
        let model = tokenizer.model
        var merges: [BPEModel.Merge] = []
        for id in 0..<model.count where model.token(id).count > 1 {
            var parts = model.token(id).compactMap { tokenizer.vocabulary.find([$0]) }
            while parts.count > 2 {
                var best: (rank: UInt32, at: Int)?
                for at in 0..<parts.count - 1 {
                    let bytes = Array(model.token(Int(parts[at]))) + model.token(Int(parts[at + 1]))
                    if let rank = tokenizer.vocabulary.find(bytes), rank < id, rank < best?.rank ?? .max { best = (rank, at) }
                }
                guard let best else { break }
                parts[best.at] = best.rank
                parts.remove(at: best.at + 1)
            }
            // A token that its own ranks never make is reached as a whole word only, which ignore_merges does.
            if parts.count == 2 { merges.append(.init(left: parts[0], right: parts[1], result: UInt32(id))) }
        }
        return merges
    }
}
