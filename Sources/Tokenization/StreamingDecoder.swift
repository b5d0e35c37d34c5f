// SPDX-License-Identifier: MIT

/// Decodes ids one after another and gives text only when its characters are complete.
public struct StreamingDecoder: Sendable {
    private let tokenizer: any Tokenizer
    private var pending: [UInt8] = []

    public init(_ tokenizer: any Tokenizer) { self.tokenizer = tokenizer }

    /// The text that the id completes; empty while a character's bytes are still coming.
    ///
    /// Bytes that can no longer become a character give U+FFFD at once, so that all pieces together are what
    /// `Tokenizer.decode` makes of all ids.
    public mutating func decode(_ id: UInt32) -> String {
        pending += tokenizer.bytes(of: id)
        let held = Self.unfinished(pending)
        let text = String(decoding: pending.dropLast(held), as: UTF8.self)
        pending = Array(pending.suffix(held))
        return text
    }

    /// The text of what is left: U+FFFD when the last character never became complete.
    public mutating func finish() -> String {
        defer { pending = [] }
        return String(decoding: pending, as: UTF8.self)
    }

    /// Number of bytes at the end (0...3) that may be the beginning of a character.
    private static func unfinished(_ bytes: [UInt8]) -> Int {
        for back in 1...3 where back <= bytes.count {
            let lead = bytes[bytes.count - back]
            if lead & 0xC0 == 0x80 { continue }
            let length = lead >= 0xF5 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 1
            if length <= back { return 0 }
            // The second byte may already rule out a character: overlong, surrogate, beyond U+10FFFF.
            if back >= 2 {
                let second = bytes[bytes.count - back + 1]
                let low: UInt8 = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80
                let high: UInt8 = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF
                if second < low || second > high { return 0 }
            }
            return back
        }
        return 0
    }
}
