// SPDX-License-Identifier: MIT
import CTokenization
import Foundation

/// A byte-level BPE: GPT-2's, one from a file, or one that was trained here.
public final class BPETokenizer: Tokenizer {
    /// "gpt2" when everything that encoding depends on is GPT-2's, else "bpe".
    public let name: String
    /// The id of `<|endoftext|>`, else of `<|end_of_text|>`; nil without either.
    public let endOfText: UInt32?
    /// Every id is below it; those of added tokens count.
    public let vocabularySize: Int
    let model: BPEModel
    let vocabulary: BPEVocabulary
    private let addedById: [UInt32: [UInt8]]

    /// The contents that stand for the end of a text, first choice first.
    private static let endings = ["<|endoftext|>", "<|end_of_text|>"]

    /// - Throws: `TokenizerError` when a byte has no token, or memory runs out.
    init(model: BPEModel) throws {
        self.model = model
        vocabulary = try BPEVocabulary(model)
        vocabularySize = model.vocabularySize
        addedById = Dictionary(model.added.map { ($0.id, Array($0.content.utf8)) }, uniquingKeysWith: { first, _ in first })
        endOfText = Self.endings.lazy.compactMap { ending in model.added.first { $0.content == ending }?.id }.first
        name = model.fingerprint == GPT2Files.fingerprint ? "gpt2" : "bpe"
    }

    /// How texts are cut into words.
    public var splitPattern: SplitPattern { model.split }
    /// Special tokens and the like, ascending by id.
    public var addedTokens: [AddedToken] { model.added }
    /// Whether texts are brought into Unicode's form NFC first, so that decoding may not give the same characters.
    public var normalizes: Bool { model.composes }
    /// Number of merges; 0 for a tiktoken file, which does not list them.
    public var mergeCount: Int { model.merges.count }
    /// SHA-256 over everything that encoding depends on, as hexadecimal digits.
    public var fingerprint: String { model.fingerprint }

    public func bytes(of id: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        appendBytes(of: id, to: &bytes)
        return bytes
    }

    public func appendBytes(of id: UInt32, to bytes: inout [UInt8]) {
        var count = 0
        if let start = apus_bpe_bytes(vocabulary.handle, id, &count), count > 0 {
            bytes.append(contentsOf: UnsafeBufferPointer(start: start, count: count))
        } else if let added = addedById[id] {
            bytes.append(contentsOf: added)
        }
    }

    /// The id of a token given by its bytes, or of an added token given by its content; nil when there is none.
    public func id(of bytes: some Collection<UInt8>) -> UInt32? {
        if let id = vocabulary.find(bytes) { return id }
        return model.added.first { $0.content.utf8.elementsEqual(bytes) }?.id
    }

    public func tokenizerJSON() throws -> String { try TokenizerJSONWriter.text(self) }

    public func makeEncoder() -> any TokenEncoder { BPEEncoder(self) }

    /// An encoder with less memory: `cacheBytes` for words, `window` bytes of a long word merged at once (at least 510).
    package func makeEncoder(cacheBytes: Int, window: Int) -> any TokenEncoder {
        BPEEncoder(self, cacheBytes: cacheBytes, window: window)
    }

    /// An encoder that takes the characters of special tokens inside a text as those tokens.
    public func makeEncoder(allowingSpecialTokens: Bool) -> any TokenEncoder {
        BPEEncoder(self, specialTokens: allowingSpecialTokens)
    }
}

/// Encodes texts on one thread; remembers up to about 64 MB of words.
package final class BPEEncoder: PieceEncoder {
    static let cacheBytes = 48 << 20

    private let tokenizer: BPETokenizer
    // nil when memory ran out, which `encode` reports.
    private let handle: OpaquePointer?
    private let buffer: UnsafeMutablePointer<UInt32>
    private let finder: AddedTokenFinder?

    /// - Parameter window: bytes of a long word that are merged at once; 0 for the usual 4096.
    init(_ tokenizer: BPETokenizer, specialTokens: Bool = false, cacheBytes: Int = BPEEncoder.cacheBytes, window: Int = 0) {
        self.tokenizer = tokenizer
        handle = apus_encoder_create(tokenizer.vocabulary.handle, max(0, cacheBytes), max(0, window))
        buffer = .allocate(capacity: Int(APUS_ENCODE_CAPACITY))
        finder = AddedTokenFinder(tokenizer.model.added.filter { specialTokens || !$0.isSpecial })
    }

    deinit {
        apus_encoder_destroy(handle)
        buffer.deallocate()
    }

    /// Bytes that the cache of words holds.
    package var cacheSize: Int { handle.map { apus_encoder_cache_bytes($0) } ?? 0 }

    package func encode(_ text: UnsafeRawBufferPointer, into ids: inout [UInt32]) throws {
        try encode(text, isWellFormed: false) { ids.append(contentsOf: $0) }
    }

    package func encode(wellFormed text: UnsafeRawBufferPointer, _ body: (UnsafeBufferPointer<UInt32>) throws -> Void) throws {
        try encode(text, isWellFormed: true, body)
    }

    package func encode(wellFormed text: UnsafeRawBufferPointer, into output: any NarrowOutput) throws {
        try encode(text, isWellFormed: true, .narrow(output))
    }

    /// Where ids go.
    private enum Output {
        case pieces((UnsafeBufferPointer<UInt32>) throws -> Void)
        case narrow(any NarrowOutput)

        func put(_ id: UInt32) throws {
            switch self {
            case .pieces(let body): try withUnsafePointer(to: id) { try body(UnsafeBufferPointer(start: $0, count: 1)) }
            case .narrow(let output):
                try output.room(for: 1).pointee = UInt16(truncatingIfNeeded: id)
                output.keep(1)
            }
        }
    }

    private func encode(
        _ text: UnsafeRawBufferPointer, isWellFormed: Bool, _ body: (UnsafeBufferPointer<UInt32>) throws -> Void
    ) throws {
        try withoutActuallyEscaping(body) { try encode(text, isWellFormed: isWellFormed, .pieces($0)) }
    }

    private func encode(_ text: UnsafeRawBufferPointer, isWellFormed: Bool, _ output: Output) throws {
        // U+0300 is the first character that NFC may change or move; it and all later ones begin with CC or more.
        if tokenizer.model.composes, text.contains(where: { $0 >= 0xCC }) {
            let composed = Array(String(decoding: text, as: UTF8.self).precomposedStringWithCanonicalMapping.utf8)
            try composed.withUnsafeBytes { try encodeComposed($0, isWellFormed: true, output) }
        } else {
            try encodeComposed(text, isWellFormed: isWellFormed, output)
        }
    }

    private func encodeComposed(_ text: UnsafeRawBufferPointer, isWellFormed: Bool, _ output: Output) throws {
        guard let finder else { return try encodePlain(text, isWellFormed: isWellFormed, output) }
        var at = 0
        // Added tokens are whole characters: what lies between them is as well-formed as the text.
        while let (range, id) = finder.next(in: text, from: at) {
            try encodePlain(UnsafeRawBufferPointer(rebasing: text[at..<range.lowerBound]), isWellFormed: isWellFormed, output)
            try output.put(id)
            at = range.upperBound
        }
        try encodePlain(UnsafeRawBufferPointer(rebasing: text[at...]), isWellFormed: isWellFormed, output)
    }

    private func encodePlain(_ text: UnsafeRawBufferPointer, isWellFormed: Bool, _ output: Output) throws {
        guard let base = text.baseAddress, !text.isEmpty else { return }
        guard let handle else { throw TokenizerError.outOfMemory }
        if isWellFormed {
            apus_encoder_start_well_formed(handle, base, text.count)
        } else if apus_encoder_start(handle, base, text.count) != 0 {
            throw TokenizerError.outOfMemory
        }
        let capacity = Int(APUS_ENCODE_CAPACITY)
        while true {
            let count: Int
            switch output {
            case .pieces(let body):
                count = apus_encoder_next(handle, buffer, capacity)
                if count > 0 { try body(UnsafeBufferPointer(start: buffer, count: count)) }
            case .narrow(let narrow):
                count = apus_encoder_next16(handle, try narrow.room(for: capacity), capacity)
                if count > 0 { narrow.keep(count) }
            }
            if count < 0 { throw TokenizerError.outOfMemory }
            if count == 0 { return }
        }
    }
}

/// Finds added tokens in a text: the leftmost, and of several at one place the longest.
struct AddedTokenFinder {
    private let byFirstByte: [[(content: [UInt8], id: UInt32)]]

    /// nil when there is nothing to find.
    init?(_ tokens: [AddedToken]) {
        var byFirstByte = [[(content: [UInt8], id: UInt32)]](repeating: [], count: 256)
        for token in tokens {
            let content = Array(token.content.utf8)
            if let first = content.first { byFirstByte[Int(first)].append((content, token.id)) }
        }
        if byFirstByte.allSatisfy(\.isEmpty) { return nil }
        self.byFirstByte = byFirstByte.map { $0.sorted { $0.content.count > $1.content.count } }
    }

    func next(in text: UnsafeRawBufferPointer, from start: Int) -> (Range<Int>, UInt32)? {
        for at in start..<max(start, text.count) {
            for (content, id) in byFirstByte[Int(text[at])]
            where content.count <= text.count - at && text[at..<at + content.count].elementsEqual(content) {
                return (at..<at + content.count, id)
            }
        }
        return nil
    }
}
