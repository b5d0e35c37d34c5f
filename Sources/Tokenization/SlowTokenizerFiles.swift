// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Reads `vocab.json` and `merges.txt`, the form in which `transformers` saves its byte-level tokenizers that are written in
/// Python ("slow"), and older model repositories hold theirs.
///
/// How texts are split does not stand in them: the class's name in `tokenizer_config.json` tells, and without that file
/// they are split as GPT-2 does. Added tokens come from that file and from `added_tokens.json`.
package enum SlowTokenizerFiles {
    package static let vocabulary = "vocab.json", merges = "merges.txt"

    /// The classes that split as GPT-2 does, without "Tokenizer" and "TokenizerFast".
    private static let likeGPT2 = ["GPT2", "CodeGen", "Roberta", "Bart", "Longformer", "LED", "Blenderbot"]

    /// - Throws: `FileError`; `TokenizerError` when a file is malformed or the class is not known.
    static func read(folder: String) throws -> BPEModel {
        let configuration = try json("tokenizer_config.json", in: folder)
        let added = try addedTokens(folder, configuration)
        var model = try GPT2Files.read(
            merges: folder + "/" + merges, encoder: folder + "/" + vocabulary, added: added)
        guard let name = configuration?["tokenizer_class"]?.string else { return model }
        let kind = name.replacingOccurrences(of: "Fast", with: "").replacingOccurrences(of: "Tokenizer", with: "")
        if kind == "Qwen2" {
            model.split = .qwen2
            model.composes = true
        } else if !likeGPT2.contains(kind) {
            throw unsupported(folder, "its class is \(name)")
        }
        if configuration?["add_prefix_space"]?.bool == true { throw unsupported(folder, "it has add_prefix_space") }
        return model
    }

    private static func unsupported(_ folder: String, _ what: String) -> TokenizerError {
        TokenizerError(
            .unsupported,
            "cannot tell from '\(folder)/\(vocabulary)' how its texts are split: \(what); known are the classes of "
                + (likeGPT2 + ["Qwen2"]).joined(separator: ", ")
                + ". `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)` writes a tokenizer.json, which says it")
    }

    /// A file of the folder; nil where there is none.
    private static func json(_ name: String, in folder: String) throws -> StrictJSON? {
        let path = folder + "/" + name
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        return try withBytes(ofFile: path) { try StrictJSON.read($0, path: path) }
    }

    private static func addedTokens(_ folder: String, _ configuration: StrictJSON?) throws -> [AddedToken] {
        var tokens: [UInt32: AddedToken] = [:]
        // The older file does not say which are special: all of its tokens are matched in texts, so all are looked for.
        let older = try json("added_tokens.json", in: folder)?.members ?? []
        for member in older {
            guard let id = member.value.id, AddedToken.mayHave(id: id), !member.key.isEmpty else {
                throw TokenizerError(.badFile, "'\(folder)/added_tokens.json': '\(member.key.prefix(40))' has no valid id")
            }
            tokens[id] = AddedToken(content: member.key, id: id, isSpecial: false)
        }
        for member in configuration?["added_tokens_decoder"]?.members ?? [] {
            let token = try AddedToken.read(member.value, id: UInt32(member.key)) { unsupported(folder, $0) }
            guard let token else {
                throw TokenizerError(
                    .badFile,
                    "'\(folder)/tokenizer_config.json': added token '\(member.key.prefix(40))' has no valid id and content")
            }
            tokens[token.id] = token
        }
        return tokens.values.sorted { $0.id < $1.id }
    }
}
