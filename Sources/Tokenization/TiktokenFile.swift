// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Reads tiktoken's rank files: on every line a token in base64 and its rank, which is its id.
enum TiktokenFile {
    /// What the file does not say, known from how many tokens it has.
    private struct Known {
        let split: SplitPattern
        let added: [(String, UInt32)]
    }

    private static let known: [Int: Known] = [
        50256: Known(split: .gpt2, added: [("<|endoftext|>", 50256)]),
        50280: Known(split: .gpt2, added: [("<|endoftext|>", 50256)]),
        100256: Known(
            split: .cl100kTiktoken,
            added: [
                ("<|endoftext|>", 100257), ("<|fim_prefix|>", 100258), ("<|fim_middle|>", 100259), ("<|fim_suffix|>", 100260),
                ("<|endofprompt|>", 100276),
            ]),
        128000: Known(split: .cl100k, added: [("<|begin_of_text|>", 128000), ("<|end_of_text|>", 128001)]),
        151643: Known(
            split: .qwen2, added: [("<|endoftext|>", 151643), ("<|im_start|>", 151644), ("<|im_end|>", 151645)]),
    ]

    /// - Parameter split: the pattern, which the file does not contain; nil to tell it from the number of tokens.
    /// - Throws: `FileError`; `TokenizerError` naming the line that is wrong, or saying that the pattern is not known.
    static func read(_ path: String, split: SplitPattern? = nil) throws -> BPEModel {
        let (tokens, count) = try withBytes(ofFile: path) { try readTokens($0, path: path) }
        let facts = known[count]
        guard let split = split ?? facts?.split else {
            throw TokenizerError(
                .unsupported,
                "'\(path)' has \(count) tokens and does not say how texts are split; known are "
                    + known.keys.sorted().map(String.init).joined(separator: ", ")
                    + " tokens (GPT-2, p50k, cl100k, Llama-3, Qwen); use the model's tokenizer.json")
        }
        var model = BPEModel()
        for token in tokens { try model.append(token) }
        model.mergesByRank = true
        model.wholeWords = true
        model.split = split
        let added = facts?.added ?? [("<|endoftext|>", UInt32(tokens.count))]
        model.added = added.map { AddedToken(content: $0.0, id: $0.1) }.sorted { $0.id < $1.id }
        return model
    }

    /// In bytes. A token is looked up cut at each of its places, which takes the square of its length; the longest in use have 128.
    private static let longestToken = 1024

    /// The tokens by rank, with gaps empty, and their number.
    private static func readTokens(_ bytes: UnsafeRawBufferPointer, path: String) throws -> ([[UInt8]], Int) {
        var tokens: [[UInt8]] = []
        var count = 0
        let lines = bytes.split(separator: 10), most = VocabularyBuilder.mostIds(lines.count)
        for (number, line) in lines.enumerated() {
            let parts = line.split(whereSeparator: { $0 == 32 || $0 == 13 })
            guard parts.count == 2, let token = Data(base64Encoded: Data(parts[0])), !token.isEmpty, token.count <= longestToken,
                let rank = Int(String(decoding: parts[1], as: UTF8.self)), rank >= 0, rank < most
            else {
                throw TokenizerError(
                    .badFile,
                    "'\(path)', line \(number + 1): not a token (at most \(longestToken) bytes) in base64 and its rank below \(most)"
                )
            }
            while tokens.count <= rank { tokens.append([]) }
            if !tokens[rank].isEmpty {
                throw TokenizerError(.badFile, "'\(path)', line \(number + 1): rank \(rank) is there twice")
            }
            tokens[rank] = Array(token)
            count += 1
        }
        return (tokens, count)
    }
}
