// SPDX-License-Identifier: MIT
import CTokenization
import Storage

/// A token that is not made by merging: an end of text, a marker of a chat.
public struct AddedToken: Sendable, Equatable {
    /// Its characters, such as "<|endoftext|>".
    public let content: String
    /// Its place in the vocabulary, usually after those of the merges.
    public let id: UInt32
    /// Special tokens are markers and their characters in a text are ordinary text; the others stand for those characters.
    public let isSpecial: Bool

    /// Special unless said otherwise.
    public init(content: String, id: UInt32, isSpecial: Bool = true) {
        self.content = content
        self.id = id
        self.isSpecial = isSpecial
    }
}

/// What a byte-level BPE is, independent of the file it came from.
struct BPEModel: Sendable, Equatable {
    struct Merge: Sendable, Equatable {
        let left, right, result: UInt32
    }

    /// Bytes of token `id`: `bytes[offsets[id]..<offsets[id + 1]]`; none for a gap and for what is only an added token.
    var bytes: [UInt8] = []
    var offsets: [UInt32] = [0]
    /// In the order of their ranks; empty when `mergesByRank`.
    var merges: [Merge] = []
    /// tiktoken's rule: any two neighbours whose bytes together are a token may merge, at the rank of that token's id.
    var mergesByRank = false
    /// A word that is a token becomes it, whatever the merges say (`ignore_merges`, and tiktoken).
    var wholeWords = false
    /// Texts are brought into Unicode's form NFC first.
    var composes = false
    var split = SplitPattern.gpt2
    /// Ascending by id.
    var added: [AddedToken] = []

    /// Number of ids of the model itself, gaps included.
    var count: Int { offsets.count - 1 }

    /// One more than the highest id.
    var vocabularySize: Int { max(count, Int(added.last?.id ?? 0) + (added.isEmpty ? 0 : 1)) }

    func token(_ id: Int) -> ArraySlice<UInt8> { bytes[Int(offsets[id])..<Int(offsets[id + 1])] }

    /// Appends the next id's bytes.
    ///
    /// - Throws: `TokenizerError` when the vocabulary becomes larger than ids and offsets can say.
    mutating func append(_ token: some Sequence<UInt8>) throws {
        bytes.append(contentsOf: token)
        guard bytes.count < Int(UInt32.max), offsets.count <= Int(APUS_MAX_TOKENS) else {
            throw TokenizerError(.unsupported, "the vocabulary has more than \(APUS_MAX_TOKENS) tokens or 4 GB of text")
        }
        offsets.append(UInt32(bytes.count))
    }

    /// SHA-256 over everything that encoding depends on.
    var fingerprint: String {
        var hash = SHA256()
        bytes.withUnsafeBytes { hash.update($0) }
        offsets.withUnsafeBytes { hash.update($0) }
        merges.withUnsafeBytes { hash.update($0) }
        let flags = "\(mergesByRank) \(wholeWords) \(composes) \(split.rawValue)"
        hash.update(Array((flags + added.map { " \($0.id) \($0.isSpecial) \($0.content)" }.joined()).utf8))
        return hexadecimal(hash.finalize())
    }
}

/// A model's tables for encoding, in C, immutable and shared by all encoders.
final class BPEVocabulary: Sendable {
    // SAFETY: written only in `init`; afterwards only functions that take it as const read it.
    nonisolated(unsafe) let handle: OpaquePointer

    /// - Throws: `TokenizerError` when a byte has no token, or memory runs out.
    init(_ model: BPEModel) throws {
        let merges = try model.mergesByRank ? Self.mergesByRank(model) : nil
        let capacity = merges?.count ?? model.merges.count
        handle = try makeTables(model, capacity: capacity)
        for (rank, merge) in (merges ?? model.merges).enumerated() {
            _ = apus_bpe_add_merge(
                handle, merge.left, merge.right, merges == nil ? UInt32(rank) : merge.result, merge.result)
        }
        for byte in UInt8.min...UInt8.max where apus_bpe_find(handle, [byte], 1) == noToken {
            let code = String(byte, radix: 16)
            throw TokenizerError(
                .unsupported,
                "the vocabulary has no token for byte 0x\(code); Apus reads byte-level BPE, where each of the 256 bytes has one")
        }
    }

    deinit { apus_bpe_destroy(handle) }

    /// All pairs of tokens whose bytes together are a token.
    private static func mergesByRank(_ model: BPEModel) throws -> [BPEModel.Merge] {
        let tokens = try makeTables(model, capacity: 0)
        defer { apus_bpe_destroy(tokens) }
        var merges: [BPEModel.Merge] = []
        model.bytes.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return }
            for id in 0..<model.count {
                let start = base + Int(model.offsets[id]), length = Int(model.offsets[id + 1] - model.offsets[id])
                for cut in 1..<max(1, length) {
                    let left = apus_bpe_find(tokens, start, cut)
                    if left == noToken { continue }
                    let right = apus_bpe_find(tokens, start + cut, length - cut)
                    if right != noToken { merges.append(.init(left: left, right: right, result: UInt32(id))) }
                }
            }
        }
        return merges
    }

    /// The ordinary token with these bytes.
    func find(_ bytes: some Collection<UInt8>) -> UInt32? {
        Array(bytes).withUnsafeBufferPointer { findToken(handle, $0) }
    }
}

/// The tokens of a model by their bytes, while its merges are still being put together.
final class TokenIndex {
    private let handle: OpaquePointer

    init(_ model: BPEModel) throws { handle = try makeTables(model, capacity: 0) }

    deinit { apus_bpe_destroy(handle) }

    func find(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt32? { findToken(handle, bytes) }
}

private func findToken(_ handle: OpaquePointer, _ bytes: UnsafeBufferPointer<UInt8>) -> UInt32? {
    let id = apus_bpe_find(handle, bytes.baseAddress, bytes.count)
    return id == noToken ? nil : id
}

private func makeTables(_ model: BPEModel, capacity: Int) throws -> OpaquePointer {
    guard capacity < 1 << 30,
        let handle = apus_bpe_create(
            model.bytes, model.offsets, UInt32(model.count), model.split.code, model.wholeWords, UInt32(capacity))
    else { throw TokenizerError.outOfMemory }
    return handle
}

/// `APUS_NO_TOKEN`, which the importer does not see.
private let noToken = UInt32.max
