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
    /// - Parameter added: added tokens that other files tell of; `encoder`'s end of text is one without being told.
    /// - Throws: `FileError`; `TokenizerError` naming the line that is not a merge, or the token that has no id.
    static func read(merges path: String, encoder encoderPath: String?, added: [AddedToken] = []) throws -> BPEModel {
        guard let encoderPath else { return try model(path) }
        let vocabulary = try withBytes(ofFile: encoderPath) { try StrictJSON.read($0, path: encoderPath) }
        guard let members = vocabulary.members else {
            throw TokenizerError(.badFile, "'\(encoderPath)' is not a JSON object of tokens and ids")
        }
        var all = added, ids = Set(added.map(\.id))
        for ending in members where ending.key == "<|endoftext|>" {
            if let id = ending.value.id, ids.insert(id).inserted { all.append(AddedToken(content: ending.key, id: id)) }
        }
        all.sort { $0.id < $1.id }
        var builder = try VocabularyBuilder(members: members, added: ids, path: encoderPath)
        try forEachMerge(path) { try builder.addMerge($0) }
        return try builder.finished(added: all)
    }

    /// Calls a function with each merge of a file, in order.
    private static func forEachMerge(_ path: String, _ body: (TokenPair) throws -> Void) throws {
        try withBytes(ofFile: path) { bytes in
            var pair = TokenPair(), start = 0, number = 0
            while start < bytes.count {
                let end = bytes[start...].firstIndex(of: 10) ?? bytes.count
                var line = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                start = end + 1
                number += 1
                if line.isEmpty { continue }
                if line.last == 13 { line = UnsafeRawBufferPointer(rebasing: line.dropLast()) }
                if number == 1, line.starts(with: "#version".utf8) { continue }
                guard pair.take(line: line) else {
                    throw TokenizerError(
                        .badFile,
                        "'\(path)', line \(number): '\(String(decoding: line, as: UTF8.self).prefix(40))' is not a merge "
                            + "(two tokens, one blank between)")
                }
                try body(pair)
            }
        }
    }

    /// Ids in GPT-2's order: the bytes, the merges, the end of text.
    private static func model(_ path: String) throws -> BPEModel {
        var tokens = ByteAlphabet.order.map { [$0] }
        try forEachMerge(path) { tokens.append($0.bytes) }
        var builder = try VocabularyBuilder(tokens: tokens, path: path)
        try forEachMerge(path) { try builder.addMerge($0) }
        builder.model.added = [AddedToken(content: "<|endoftext|>", id: UInt32(tokens.count))]
        return builder.model
    }
}

/// The bytes of two tokens that merge, one behind the other.
struct TokenPair {
    private(set) var bytes: [UInt8] = []
    /// Bytes of the left token.
    private(set) var cut = 0

    /// Takes the two tokens of a line such as `Ġ t`; false when it has not two of the byte alphabet.
    mutating func take(line: some Collection<UInt8>) -> Bool {
        guard let blank = line.firstIndex(of: UInt8(ascii: " ")) else { return false }
        return take(left: line[..<blank], right: line[line.index(after: blank)...])
    }

    /// Takes two tokens, each not empty and in the byte alphabet; false when they are not.
    mutating func take(left: some Sequence<UInt8>, right: some Sequence<UInt8>) -> Bool {
        bytes.removeAll(keepingCapacity: true)
        guard ByteAlphabet.append(left, to: &bytes), !bytes.isEmpty else { return false }
        cut = bytes.count
        return ByteAlphabet.append(right, to: &bytes) && bytes.count > cut
    }
}

/// Puts a model together from tokens and merges given by their bytes.
struct VocabularyBuilder {
    var model = BPEModel()
    private let path: String
    private let index: TokenIndex
    /// Ids of added tokens whose bytes no merge has needed so far.
    private var unneeded: Set<UInt32>

    /// - Throws: `TokenizerError` when there are too many tokens.
    init(tokens: [[UInt8]], unneeded: Set<UInt32> = [], path: String) throws {
        self.path = path
        self.unneeded = unneeded
        for token in tokens { try model.append(token) }
        index = try TokenIndex(model)
    }

    /// The ids that a vocabulary of so many tokens may reach: gaps take memory, and one number in a file must not decide how much.
    static func mostIds(_ tokens: Int) -> Int { min(1 << 24, 1 << 16 + 16 * min(tokens, 1 << 24)) }

    /// From the members of a JSON object of tokens in the byte alphabet and their ids.
    ///
    /// - Parameter added: ids of added tokens. Their contents need not be written in the byte alphabet; but one that the vocabulary had
    ///   already, such as a "!" for padding, is a token of the model, too.
    /// - Throws: `TokenizerError` naming a token that is not in the alphabet or an id that is not valid or given twice.
    init(members: [StrictJSON.Member], added: Set<UInt32>, path: String) throws {
        let most = Self.mostIds(members.count)
        var unneeded: Set<UInt32> = []
        var tokens: [[UInt8]] = []
        tokens.reserveCapacity(members.count)
        for member in members {
            let key = member.key
            guard let id = member.value.id, Int(id) < most else {
                throw TokenizerError(
                    .badFile, "'\(path)': token '\(key.prefix(40))' has no valid id (a whole number below \(most))")
            }
            let isAdded = added.contains(id)
            var bytes: [UInt8] = []
            guard ByteAlphabet.append(key.utf8, to: &bytes), !bytes.isEmpty else {
                if isAdded { continue }
                throw TokenizerError(
                    .unsupported,
                    "'\(path)': token '\(key.prefix(40))' (id \(id)) is not written in the byte-level alphabet; "
                        + "Apus reads byte-level BPE such as GPT-2's, not SentencePiece")
            }
            if isAdded, !unneeded.insert(id).inserted { continue }
            while tokens.count <= Int(id) { tokens.append([]) }
            if !tokens[Int(id)].isEmpty {
                throw TokenizerError(.badFile, "'\(path)': id \(id) is given to two tokens, one of them '\(key.prefix(40))'")
            }
            tokens[Int(id)] = bytes
        }
        try self.init(tokens: tokens, unneeded: unneeded, path: path)
    }

    /// The model, with its added tokens, ascending by id; what is only an added token has no bytes of its own.
    func finished(added: [AddedToken]) throws -> BPEModel {
        var finished = model
        finished.added = added
        let dropped = unneeded.filter { model.token(Int($0)).count > 1 }
        guard !dropped.isEmpty else { return finished }
        (finished.bytes, finished.offsets) = ([], [0])
        for id in 0..<model.count { try finished.append(dropped.contains(UInt32(id)) ? [] : model.token(id)) }
        // Ids at the end that only added tokens have are no ids of the model itself.
        while finished.offsets.count > 1, finished.offsets.last == finished.offsets[finished.offsets.count - 2] {
            finished.offsets.removeLast()
        }
        return finished
    }

    /// - Throws: `TokenizerError` when one of the three tokens is not in the vocabulary.
    mutating func addMerge(_ pair: TokenPair) throws {
        try pair.bytes.withUnsafeBufferPointer { bytes in
            let left = UnsafeBufferPointer(rebasing: bytes[..<pair.cut])
            let right = UnsafeBufferPointer(rebasing: bytes[pair.cut...])
            guard let first = index.find(left), let second = index.find(right), let result = index.find(bytes) else {
                let missing = [left, right, bytes].first { index.find($0) == nil } ?? bytes
                throw TokenizerError(
                    .badFile,
                    "'\(path)': merge \(model.merges.count + 1) needs the token "
                        + "'\(ByteAlphabet.text(missing).prefix(40))', which has no id")
            }
            model.merges.append(.init(left: first, right: second, result: result))
            if !unneeded.isEmpty { unneeded.subtract([first, second, result]) }
        }
    }
}
