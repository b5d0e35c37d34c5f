// SPDX-License-Identifier: MIT
import Storage

/// A tokenizer as GGUF's metadata has it: `tokenizer.ggml.*`, there and back.
///
/// Byte-level BPE is llama.cpp's "gpt2". Characters are its "rwkv", which takes the longest token at each place and has no end
/// of text unless one is named; for "gpt2" llama.cpp would take id 11 for it.
enum GGUFTokenizer {
    /// llama.cpp's numbers of kinds of tokens.
    private enum Kind: Int32 {
        case normal = 1, unknown, control, userDefined, unused
    }

    /// How texts are cut into words: llama.cpp's name, and the regular expression that a `tokenizer.json` states.
    private struct Split {
        let name: String
        let regex: String?
        /// Whether llama.cpp, with this name, takes a word that is a token whatever the merges say.
        let wholeWords: Bool
    }

    private static let head = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"#
    private static let tail = #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let splits = [
        Split(name: "gpt-2", regex: nil, wholeWords: false),
        Split(name: "llama-bpe", regex: head + #"\p{N}{1,3}"# + tail, wholeWords: true),
        Split(name: "dbrx", regex: head + #"\p{N}{1,3}"# + tail, wholeWords: false),
        Split(name: "qwen2", regex: head + #"\p{N}"# + tail, wholeWords: false),
    ]

    // MARK: Writing

    /// The metadata of a tokenizer; without one the file says that it has none.
    static func metadata(_ tokenizer: ExportTokenizer?, notes: inout [String]) -> [(key: String, value: GGUFWriter.Value)] {
        guard let tokenizer else {
            notes.append("there is no tokenizer in the file; llama.cpp takes and gives token ids only")
            return [("tokenizer.ggml.model", .string("no_vocab"))]
        }
        let added = Dictionary(tokenizer.added.map { ($0.id, $0.isSpecial) }, uniquingKeysWith: { $1 })
        let kinds = tokenizer.tokens.enumerated().map { id, text -> Int32 in
            if let isSpecial = added[id] { return (isSpecial ? Kind.control : .userDefined).rawValue }
            return (text.isEmpty ? Kind.unused : .normal).rawValue
        }
        let isText = tokenizer.kind == .byteLevelBPE
        let tokens = tokenizer.tokens.enumerated().map { id, text in
            text.isEmpty ? "[PAD\(id)]" : isText ? text : escape(text)
        }
        var values: [(key: String, value: GGUFWriter.Value)] = [("tokenizer.ggml.model", .string(isText ? "gpt2" : "rwkv"))]
        if isText { values.append(("tokenizer.ggml.pre", .string(split(tokenizer, &notes)))) }
        values.append(("tokenizer.ggml.tokens", .strings(tokens)))
        values.append(("tokenizer.ggml.token_type", .int32s(kinds)))
        if isText { values.append(("tokenizer.ggml.merges", .strings(tokenizer.merges.map { $0.left + " " + $0.right }))) }
        if let end = tokenizer.endOfText.flatMap({ UInt32(exactly: $0) }) {
            values.append(("tokenizer.ggml.bos_token_id", .uint32(end)))
            values.append(("tokenizer.ggml.eos_token_id", .uint32(end)))
        } else if isText {
            notes.append("the tokenizer has no end of text; llama.cpp takes token 11 for it, unless it is run with --ignore-eos")
        }
        values.append(("tokenizer.ggml.add_bos_token", .bool(false)))
        return values
    }

    /// The name by which llama.cpp knows how words are cut.
    private static func split(_ tokenizer: ExportTokenizer, _ notes: inout [String]) -> String {
        let json = try? StrictJSON.parse(Array(tokenizer.json.utf8), keys: .bytes)
        if json?["normalizer"]?["type"] != nil {
            notes.append("llama.cpp does not normalize texts (Unicode's NFC) before it tokenizes; do that yourself")
        }
        let wholeWords = json?["model"]?["ignore_merges"]?.bool ?? false
        let isWhole = tokenizer.splitRegex == nil && json?["pre_tokenizer"]?["use_regex"]?.bool == false
        let known = splits.filter { $0.regex == tokenizer.splitRegex && !isWhole }
        if let exact = known.first(where: { $0.wholeWords == wholeWords }) ?? known.first { return exact.name }
        notes.append("llama.cpp knows no way to cut words like this tokenizer's; texts may become other tokens there")
        return "default"
    }

    /// A character in the form of rwkv's vocabulary: C's escapes.
    private static func escape(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                result += (scalar.value < 0x10 ? "\\x0" : "\\x") + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    // MARK: Reading

    /// The file's tokenizer as a `tokenizer.json`.
    ///
    /// - Throws: `FileError` when the file has none, or one that is neither byte-level BPE nor characters.
    static func json(of file: GGUFFile) throws -> String {
        func refuse(_ reason: String) -> FileError {
            FileError(path: file.path, operation: "use the tokenizer in", reason: reason + "; name another with --tokenizer FILE")
        }
        guard let model = file.metadata["tokenizer.ggml.model"]?.string, model != "no_vocab",
            let tokens = try file.metadata["tokenizer.ggml.tokens"]?.array?.strings()
        else { throw refuse("it has none") }
        switch model {
        case "rwkv": return try characters(tokens, refuse)
        case "gpt2": break
        default: throw refuse("it is '\(model.prefix(40))', and only byte-level BPE ('gpt2') is read")
        }
        let pre = file.metadata["tokenizer.ggml.pre"]?.string ?? "gpt-2"
        guard let split = splits.first(where: { $0.name == pre }) else {
            throw refuse("it cuts words in the way '\(pre.prefix(40))', which is not known here")
        }
        let kinds = try file.metadata["tokenizer.ggml.token_type"]?.array?.integers() ?? []
        guard kinds.isEmpty || kinds.count == tokens.count else {
            throw refuse("it has \(tokens.count) tokens, but says of \(kinds.count) what they are")
        }
        let merges = try file.metadata["tokenizer.ggml.merges"]?.array?.strings() ?? []
        let end = file.metadata["tokenizer.ggml.eos_token_id"]?.integer
        return text(tokens, kinds, merges, split, end: end)
    }

    private static func text(_ tokens: [String], _ kinds: [Int], _ merges: [String], _ split: Split, end: Int?) -> String {
        var vocabulary: [String] = [], added: [String] = []
        for (id, token) in tokens.enumerated() {
            var kind = kinds.isEmpty ? .normal : Kind(rawValue: Int32(clamping: kinds[id])) ?? .normal
            // Some converters call the end of text an ordinary token.
            if kind == .normal, id == end, token.hasPrefix("<"), token.hasSuffix(">"), token.utf8.count > 2 { kind = .control }
            switch kind {
            case .unused: continue
            case .normal: vocabulary.append("\(StrictJSON.quote(token)): \(id)")
            case .unknown, .control, .userDefined:
                added.append(
                    "{\"id\": \(id), \"content\": \(StrictJSON.quote(token)), \"single_word\": false, \"lstrip\": false, "
                        + "\"rstrip\": false, \"normalized\": false, \"special\": \(kind != .userDefined)}")
            }
        }
        func byteLevel(_ usesPattern: Bool) -> String {
            "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": \(usesPattern)}"
        }
        let preTokenizer =
            split.regex.map {
                "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": \(StrictJSON.quote($0))}, "
                    + "\"behavior\": \"Isolated\", \"invert\": false}, \(byteLevel(false))]}"
            } ?? byteLevel(true)
        return "{\"version\": \"1.0\", \"added_tokens\": [\(added.joined(separator: ", "))], \"normalizer\": null,\n"
            + "\"pre_tokenizer\": \(preTokenizer), \"post_processor\": null, \"decoder\": \(byteLevel(true)),\n"
            + "\"model\": {\"type\": \"BPE\", \"ignore_merges\": \(split.wholeWords),\n"
            + "\"vocab\": {\(vocabulary.joined(separator: ",\n"))},\n"
            + "\"merges\": [\(merges.map { StrictJSON.quote($0) }.joined(separator: ",\n"))]}}\n"
    }

    /// The characters of an "rwkv" vocabulary that Apus wrote.
    private static func characters(_ tokens: [String], _ refuse: (String) -> FileError) throws -> String {
        let members = try tokens.enumerated().map { id, token -> String in
            guard let text = unescape(token), text.unicodeScalars.count == 1 else {
                throw refuse("its token \(id) is no single character, and of 'rwkv' tokenizers only those of characters are read")
            }
            return "\(StrictJSON.quote(text)): \(id)"
        }
        return "{\"version\": \"1.0\", \"model\": {\"type\": \"char\", \"vocab\": {\(members.joined(separator: ", "))}}}\n"
    }

    /// Undoes `escape`; nil for another escape.
    private static func unescape(_ text: String) -> String? {
        var rest = text.unicodeScalars[...], result = String.UnicodeScalarView()
        while let scalar = rest.popFirst() {
            guard scalar == "\\" else {
                result.append(scalar)
                continue
            }
            switch rest.popFirst() {
            case "\\": result.append("\\")
            case "n": result.append("\n")
            case "r": result.append("\r")
            case "t": result.append("\t")
            case "x":
                guard let code = UInt8(String(String.UnicodeScalarView(rest.prefix(2))), radix: 16), code < 0x80 else {
                    return nil
                }
                result.append(Unicode.Scalar(code))
                rest = rest.dropFirst(2)
            default: return nil
            }
        }
        return String(result)
    }
}
