// SPDX-License-Identifier: MIT
import CTokenization
import Storage

/// Writes a byte-level BPE as a `tokenizer.json` that Hugging Face `tokenizers` loads; equal models give equal bytes.
enum TokenizerJSONWriter {
    static func text(_ tokenizer: BPETokenizer) throws -> String {
        let model = tokenizer.model
        var text = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": ["
        for (place, token) in model.added.enumerated() {
            text += place > 0 ? ",\n    {\n" : "\n    {\n"
            text += "      \"id\": \(token.id),\n      \"content\": \(StrictJSON.quote(token.content)),\n"
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
        // Tens of thousands of lines each: bytes, not strings.
        var bytes = Array(text.utf8)
        appendVocabulary(model, to: &bytes)
        try appendMerges(tokenizer, to: &bytes)
        bytes += "  }\n}\n".utf8
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The characters of each byte in the byte alphabet inside a JSON string, in the form of `ByteAlphabet.utf8`.
    private static let characters: [UInt16] = ByteAlphabet.utf8.map { character in
        let isEscaped = character == UInt16(UInt8(ascii: "\"")) || character == UInt16(UInt8(ascii: "\\"))
        return isEscaped ? character << 8 | UInt16(UInt8(ascii: "\\")) : character
    }

    /// Appends a token's characters as they stand inside a JSON string.
    private static func append(_ token: ArraySlice<UInt8>, to text: inout [UInt8]) {
        for byte in token { ByteAlphabet.append(characters[Int(byte)], to: &text) }
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
                    "pattern": { "Regex": \(StrictJSON.quote(regex)) },
                    "behavior": "Isolated",
                    "invert": false
                  },
                  \(byteLevel(usesPattern: false))
                ]
              }
            """
    }

    /// Tokens by id; added tokens stand among them, so that they keep their ids even behind a gap.
    private static func appendVocabulary(_ model: BPEModel, to text: inout [UInt8]) {
        var isFirst = true, added = model.added[...]
        text += "    \"vocab\": {".utf8
        func begin(_ text: inout [UInt8]) {
            text += (isFirst ? "\n      " : ",\n      ").utf8
            isFirst = false
        }
        for id in 0..<model.vocabularySize {
            let next = added.first.flatMap { Int($0.id) == id ? $0 : nil }
            if next != nil { added = added.dropFirst() }
            if id < model.count, !model.token(id).isEmpty {
                begin(&text)
                text.append(UInt8(ascii: "\""))
                append(model.token(id), to: &text)
                text += "\": \(id)".utf8
            } else if let next {
                begin(&text)
                text += "\(StrictJSON.quote(next.content)): \(id)".utf8
            }
        }
        text += "\n    },\n".utf8
    }

    /// Merges as `"a b"`, which every version of `tokenizers` reads: the byte alphabet has no blank.
    private static func appendMerges(_ tokenizer: BPETokenizer, to text: inout [UInt8]) throws {
        let model = tokenizer.model
        let merges = model.mergesByRank ? try rankedMerges(tokenizer) : model.merges
        text += "    \"merges\": [".utf8
        for (place, merge) in merges.enumerated() {
            text += (place > 0 ? ",\n      \"" : "\n      \"").utf8
            append(model.token(Int(merge.left)), to: &text)
            text.append(UInt8(ascii: " "))
            append(model.token(Int(merge.right)), to: &text)
            text.append(UInt8(ascii: "\""))
        }
        text += (merges.isEmpty ? "]\n" : "\n    ]\n").utf8
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
