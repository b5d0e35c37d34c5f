// SPDX-License-Identifier: MIT

/// Turns text into token ids and back; shared freely between threads.
public protocol Tokenizer: Sendable {
    /// What kind this is: "gpt2", "bpe" or "char".
    var name: String { get }
    /// Number of ids, special tokens included; every id is below it.
    var vocabularySize: Int { get }
    /// The id of `<|endoftext|>`, or nil where there is none (character level).
    var endOfText: UInt32? { get }
    /// The tokenizer as a Hugging Face `tokenizer.json`, byte for byte the same for equal tokenizers.
    func tokenizerJSON() throws -> String
    /// Makes an encoder with its own cache, for one thread.
    func makeEncoder() -> any TokenEncoder
    /// The UTF-8 bytes of one id; empty for an id that is not in the vocabulary.
    func bytes(of id: UInt32) -> [UInt8]
    /// Appends the UTF-8 bytes of one id; the quick form of `bytes(of:)` for many ids.
    func appendBytes(of id: UInt32, to bytes: inout [UInt8])
}

/// Encodes documents one after another on one thread, keeping what it has learned in a cache.
public protocol TokenEncoder: AnyObject {
    /// Appends the ids of a text to `ids`.
    ///
    /// The bytes are taken as UTF-8, with every ill-formed sequence read as U+FFFD. The characters of a special token
    /// inside the text are ordinary text.
    ///
    /// - Throws: `TokenizerError` when a character is not in the vocabulary (character level only).
    func encode(_ text: UnsafeRawBufferPointer, into ids: inout [UInt32]) throws
}

/// Where ids of 16 bits are put as they are made.
package protocol NarrowOutput: AnyObject {
    /// The place of the next ids, with room for so many.
    func room(for ids: Int) throws -> UnsafeMutablePointer<UInt16>
    /// Keeps so many ids that were put there.
    func keep(_ ids: Int)
}

/// An encoder that gives ids where they lie, for callers that put them somewhere else anyway.
package protocol PieceEncoder: TokenEncoder {
    /// Puts the ids of a text, in order, into an output of 16 bits an id, which the vocabulary must fit.
    ///
    /// - Parameter text: well-formed UTF-8, which is not checked again.
    /// - Throws: `TokenizerError`; what the output throws.
    func encode(wellFormed text: UnsafeRawBufferPointer, into output: any NarrowOutput) throws

    /// Gives the ids of a text, in order and in pieces that are valid during the call of `body`.
    ///
    /// - Parameter text: well-formed UTF-8, which is not checked again.
    /// - Throws: `TokenizerError`; what `body` throws.
    func encode(wellFormed text: UnsafeRawBufferPointer, _ body: (UnsafeBufferPointer<UInt32>) throws -> Void) throws
}

extension Tokenizer {
    /// The ids of a text.
    public func encode(_ text: String) throws -> [UInt32] {
        var ids: [UInt32] = []
        let encoder = makeEncoder()
        try Array(text.utf8).withUnsafeBytes { try encoder.encode($0, into: &ids) }
        return ids
    }

    public func appendBytes(of id: UInt32, to bytes: inout [UInt8]) { bytes += self.bytes(of: id) }

    /// The text of some ids; bytes that do not form UTF-8 become U+FFFD.
    public func decode(_ ids: some Sequence<UInt32>) -> String {
        var bytes: [UInt8] = []
        for id in ids { appendBytes(of: id, to: &bytes) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
