// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Reads `vocab.bpe` and `encoder.json`, the form in which OpenAI published GPT-2's vocabulary.
enum GPT2Files {
    /// `BPEModel.fingerprint` of GPT-2's own vocabulary, by which it is known wherever it was read from.
    static let fingerprint = "944b83c6b2bf12bed813d96fe6ae62e8b51d1ff2c48e7127cc61d6e47bc13940"
    /// The files' names, with the SHA-256 that tiktoken checks too.
    static let files = [
        (name: "vocab.bpe", sha256: "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"),
        (name: "encoder.json", sha256: "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"),
    ]
    static let address = "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/"

    /// Reads a vocabulary of this form; `encoder` may be missing, then ids follow the order of the merges.
    ///
    /// - Throws: `FileError`; `TokenizerError` naming the line that is not a merge, or the token that has no id.
    static func read(merges path: String, encoder encoderPath: String?) throws -> BPEModel {
        let pairs = try withBytes(ofFile: path) { try readMerges($0, path: path) }
        guard let encoderPath else { return try model(pairs, path: path) }
        let vocabulary = try withBytes(ofFile: encoderPath) { try JSONReader.read($0, path: encoderPath) }
        guard let members = vocabulary.members else {
            throw TokenizerError(.badFile, "'\(encoderPath)' is not a JSON object of tokens and ids")
        }
        let endings = members.filter { $0.key == "<|endoftext|>" }
        var builder = try VocabularyBuilder(members: members, except: Set(endings.compactMap { $0.value.id }), path: encoderPath)
        for (rank, pair) in pairs.enumerated() { try builder.addMerge(pair.left, pair.right, number: rank + 1) }
        builder.model.added = endings.compactMap { ending in ending.value.id.map { AddedToken(content: ending.key, id: $0) } }
        return builder.model
    }

    private static func readMerges(_ bytes: UnsafeRawBufferPointer, path: String) throws -> [(left: [UInt8], right: [UInt8])] {
        var pairs: [(left: [UInt8], right: [UInt8])] = []
        for (number, line) in bytes.split(separator: 10).enumerated() {
            let text = String(decoding: line.last == 13 ? line.dropLast() : line[...], as: UTF8.self)
            if number == 0, text.hasPrefix("#version") { continue }
            guard let pair = mergePair(text) else {
                throw TokenizerError(
                    .badFile, "'\(path)', line \(number + 1): '\(text.prefix(40))' is not a merge (two tokens, one blank between)"
                )
            }
            pairs.append(pair)
        }
        return pairs
    }

    /// The two tokens of a line such as `Ġ t`.
    static func mergePair(_ line: some StringProtocol) -> (left: [UInt8], right: [UInt8])? {
        let scalars = line.unicodeScalars
        guard let blank = scalars.firstIndex(of: " ") else { return nil }
        var left: [UInt8] = [], right: [UInt8] = []
        guard ByteAlphabet.append(scalars[..<blank], to: &left), !left.isEmpty,
            ByteAlphabet.append(scalars[scalars.index(after: blank)...], to: &right), !right.isEmpty
        else { return nil }
        return (left, right)
    }

    /// Ids in GPT-2's order: the bytes, the merges, the end of text.
    private static func model(_ pairs: [(left: [UInt8], right: [UInt8])], path: String) throws -> BPEModel {
        var tokens = ByteAlphabet.order.map { [$0] }
        tokens += pairs.map { $0.left + $0.right }
        var builder = try VocabularyBuilder(tokens: tokens, path: path)
        for (rank, pair) in pairs.enumerated() { try builder.addMerge(pair.left, pair.right, number: rank + 1) }
        builder.model.added = [AddedToken(content: "<|endoftext|>", id: UInt32(tokens.count))]
        return builder.model
    }
}

/// Puts a model together from tokens and merges given by their bytes.
struct VocabularyBuilder {
    var model = BPEModel()
    private let path: String
    private let index: TokenIndex

    /// - Throws: `TokenizerError` when there are too many tokens.
    init(tokens: [[UInt8]], path: String) throws {
        self.path = path
        for token in tokens { try model.append(token) }
        index = try TokenIndex(model)
    }

    /// The ids that a vocabulary of so many tokens may reach: gaps take memory, and one number in a file must not decide how much.
    static func mostIds(_ tokens: Int) -> Int { min(1 << 24, 1 << 16 + 16 * min(tokens, 1 << 24)) }

    /// From the members of a JSON object of tokens in the byte alphabet and their ids.
    ///
    /// - Parameter except: ids of added tokens, which are not written in the byte alphabet.
    /// - Throws: `TokenizerError` naming a token that is not in the alphabet or an id that is not valid or given twice.
    init(members: [JSONMember], except: Set<UInt32>, path: String) throws {
        let most = Self.mostIds(members.count)
        var tokens: [[UInt8]] = []
        tokens.reserveCapacity(members.count)
        for member in members {
            let key = member.key
            guard let id = member.value.id, Int(id) < most else {
                throw TokenizerError(
                    .badFile, "'\(path)': token '\(key.prefix(40))' has no valid id (a whole number below \(most))")
            }
            if except.contains(id) { continue }
            var bytes: [UInt8] = []
            guard ByteAlphabet.append(key.unicodeScalars, to: &bytes), !bytes.isEmpty else {
                throw TokenizerError(
                    .unsupported,
                    "'\(path)': token '\(key.prefix(40))' (id \(id)) is not written in the byte-level alphabet; "
                        + "Apus reads byte-level BPE such as GPT-2's, not SentencePiece")
            }
            while tokens.count <= Int(id) { tokens.append([]) }
            if !tokens[Int(id)].isEmpty {
                throw TokenizerError(.badFile, "'\(path)': id \(id) is given to two tokens, one of them '\(key.prefix(40))'")
            }
            tokens[Int(id)] = bytes
        }
        try self.init(tokens: tokens, path: path)
    }

    /// - Throws: `TokenizerError` when one of the three tokens is not in the vocabulary.
    mutating func addMerge(_ left: [UInt8], _ right: [UInt8], number: Int) throws {
        guard let first = index.find(left), let second = index.find(right), let result = index.find(left + right) else {
            let missing = [left, right, left + right].first { index.find($0) == nil } ?? []
            throw TokenizerError(
                .badFile, "'\(path)': merge \(number) needs the token '\(ByteAlphabet.text(missing).prefix(40))', which has no id"
            )
        }
        model.merges.append(.init(left: first, right: second, result: result))
    }
}
