// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// A tokenizer as other programs' files want it: tables of texts, read from a `tokenizer.json`.
public struct ExportTokenizer: Sendable {
    /// What the tokens are made of.
    public enum Kind: Sendable {
        /// Bytes joined by merges as GPT-2 does, or one token a character; anything that is no "BPE" counts as characters.
        case byteLevelBPE, characters
    }

    /// A token that stands outside the merges, such as `<|endoftext|>`.
    public struct Added: Sendable, Equatable {
        /// From 0, below 2^24.
        public let id: Int
        /// Its text as it stands, not in GPT-2's byte alphabet.
        public let content: String
        /// True where `tokenizer.json` does not say.
        public let isSpecial: Bool
    }

    /// From the `type` of the model in `tokenizer.json`.
    public let kind: Kind
    /// "gpt2", "bpe" or "char".
    public let name: String
    /// The whole `tokenizer.json`.
    public let json: String
    /// The text of every id as `tokenizer.json` and GPT-2's `vocab.json` have it: bytes in GPT-2's alphabet of printable
    /// characters for byte-level BPE, added tokens as they are. "" for an id that no token has.
    public let tokens: [String]
    /// Pairs of tokens, the first merged first; empty for characters.
    public let merges: [(left: String, right: String)]
    /// From `added_tokens`; empty when there are none.
    public let added: [Added]
    /// The id of `<|endoftext|>`, or nil where there is none.
    public let endOfText: Int?
    /// Whether texts are cut into words as GPT-2 cuts them, with nothing done to them before.
    public let isSplitLikeGPT2: Bool
    /// The regular expression that cuts texts into words, when it is another than GPT-2's; nil also where there is none.
    public let splitRegex: String?

    private static let mostTokens = 1 << 24

    /// - Parameters:
    ///   - text: a `tokenizer.json` as Apus writes it
    ///   - name: "gpt2", "bpe" or "char"
    ///   - path: for errors
    /// - Throws: `FileError` when it is no such file.
    public init(json text: String, name: String, path: String = "tokenizer.json") throws {
        func refuse(_ reason: String) -> FileError { FileError(path: path, operation: "use the tokenizer", reason: reason) }
        let json: StrictJSON
        do {
            json = try StrictJSON.parse(Array(text.utf8), keys: .bytes)
        } catch {
            throw refuse("it is no valid JSON: \(error)")
        }
        guard let model = json["model"], case .object(let members)? = model["vocab"] else { throw refuse("it has no vocabulary") }
        let added = Self.added(json)
        var tokens: [String] = []
        for (token, id) in members.map({ ($0.key, $0.value.integer) }) + added.map({ ($0.content, $0.id) }) {
            guard let id, id >= 0, id < Self.mostTokens else { throw refuse("the token '\(token.prefix(40))' has no valid id") }
            while tokens.count <= id { tokens.append("") }
            tokens[id] = token
        }
        self.kind = model["type"]?.string == "BPE" ? .byteLevelBPE : .characters
        self.name = name
        self.json = text
        self.tokens = tokens
        self.added = added
        merges = try Self.merges(model["merges"]).map {
            guard let pair = $0 else { throw refuse("one of its merges is no pair of tokens") }
            return pair
        }
        endOfText = ["<|endoftext|>", "<|end_of_text|>"].lazy.compactMap { end in added.first { $0.content == end }?.id }.first
        let cutting = json["pre_tokenizer"]
        splitRegex = Self.regex(cutting)
        isSplitLikeGPT2 = splitRegex == nil && cutting?["use_regex"]?.bool == true && (json["normalizer"] ?? .null) == .null
    }

    /// Writes `tokenizer.json` into the folder of a model's file, where Apus looks for it; a file of that name is left as it is.
    ///
    /// GPT-2's is not written: its vocabulary is known by its size.
    /// - Returns: what must be known about it, for people; nil: nothing.
    /// - Throws: `FileError` when it cannot be written.
    func write(beside path: String, calls: FileCalls) throws -> String? {
        if name == "gpt2" { return nil }
        let file = Paths.parent(of: path) + "/tokenizer.json"
        guard FileManager.default.fileExists(atPath: file) else {
            try AtomicFileWriter.write(json, to: file, calls: calls)
            return "the tokenizer is in '\(file)'"
        }
        if FileManager.default.contents(atPath: file) == Data(json.utf8) { return nil }
        return "'\(file)' exists already, is another tokenizer and was left as it is: move '\(path)' into a folder of its own, "
            + "or name its tokenizer with --tokenizer wherever it is used"
    }

    private static func added(_ json: StrictJSON) -> [Added] {
        guard case .array(let items)? = json["added_tokens"] else { return [] }
        return items.compactMap { item in
            guard let id = item["id"]?.integer, let content = item["content"]?.string else { return nil }
            return Added(id: id, content: content, isSpecial: item["special"]?.bool ?? true)
        }
    }

    /// Merges as "a b" or ["a", "b"]; nil for one that is neither.
    private static func merges(_ value: StrictJSON?) -> [(left: String, right: String)?] {
        guard case .array(let items)? = value else { return [] }
        return items.map { item in
            if case .array(let pair) = item, pair.count == 2, let left = pair[0].string, let right = pair[1].string {
                return (left, right)
            }
            // By bytes: the byte alphabet has characters that combine with what stands before them.
            let bytes = Array((item.string ?? "").utf8)
            guard let blank = bytes.firstIndex(of: 0x20), blank > 0, blank + 1 < bytes.count else { return nil }
            return (String(decoding: bytes[..<blank], as: UTF8.self), String(decoding: bytes[(blank + 1)...], as: UTF8.self))
        }
    }

    /// The expression of a "Split" among the pre-tokenizers.
    private static func regex(_ value: StrictJSON?) -> String? {
        guard let value else { return nil }
        if case .array(let items)? = value["pretokenizers"] { return items.lazy.compactMap { regex($0) }.first }
        return value["type"]?.string == "Split" ? value["pattern"]?["Regex"]?.string : nil
    }
}
