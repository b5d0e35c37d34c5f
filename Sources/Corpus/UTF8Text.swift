// SPDX-License-Identifier: MIT
import CTokenization

/// Checks and mends UTF-8 as bytes.
package enum UTF8Text {
    /// U+FFFD, what stands for every ill-formed sequence.
    package static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

    /// The position of the first ill-formed sequence at or after `start`; nil when all is well-formed.
    package static func firstIllFormed(_ text: UnsafeRawBufferPointer, from start: Int = 0) -> Int? {
        guard start < text.count, let base = text.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return nil }
        let end = start + apus_utf8_valid_prefix(base + start, text.count - start)
        return end < text.count ? end : nil
    }

    /// The sequence that begins at `i`: its length, and whether it is well-formed.
    ///
    /// The length of an ill-formed one is that of its maximal subpart, at least 1, so that each becomes one U+FFFD.
    /// - Note: Source: The Unicode Standard, section 3.9, tables 3-7 and 3-8.
    private static func sequence(_ text: UnsafeRawBufferPointer, at i: Int) -> (length: Int, wellFormed: Bool) {
        let lead = text[i]
        if lead < 0x80 { return (1, true) }
        let length: Int
        // The second byte's range keeps out overlong forms, surrogates and what lies above U+10FFFF.
        var low: UInt8 = 0x80, high: UInt8 = 0xBF
        switch lead {
        case 0xC2...0xDF: length = 2
        case 0xE0...0xEF:
            length = 3
            if lead == 0xE0 { low = 0xA0 } else if lead == 0xED { high = 0x9F }
        case 0xF0...0xF4:
            length = 4
            if lead == 0xF0 { low = 0x90 } else if lead == 0xF4 { high = 0x8F }
        default: return (1, false)
        }
        guard i + 1 < text.count, (low...high).contains(text[i + 1]) else { return (1, false) }
        for k in 2..<max(length, 2) where i + k >= text.count || text[i + k] & 0xC0 != 0x80 { return (k, false) }
        return (length, true)
    }

    /// The text with every ill-formed sequence replaced by U+FFFD; nil when there is none.
    package static func repaired(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        guard var bad = firstIllFormed(text) else { return nil }
        var result: [UInt8] = [], done = 0
        result.reserveCapacity(text.count + 16)
        while true {
            append(text[done..<bad], to: &result)
            result += replacement
            done = bad + sequence(text, at: bad).length
            guard let next = firstIllFormed(text, from: done) else { break }
            bad = next
        }
        append(text[done...], to: &result)
        return result
    }

    /// Bytes at the end that may be the beginning of a sequence whose rest has not come yet: 0...3.
    package static func openTail(_ text: UnsafeRawBufferPointer) -> Int {
        for back in 1...3 where back <= text.count {
            let byte = text[text.count - back]
            if byte & 0xC0 == 0x80 { continue }
            let wanted = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            return wanted > back ? back : 0
        }
        return 0
    }

    /// Code points in well-formed text: the bytes that do not continue a sequence.
    package static func codePoints(_ text: UnsafeRawBufferPointer) -> Int {
        var count = 0
        for byte in text { count &+= byte & 0xC0 != 0x80 ? 1 : 0 }
        return count
    }

    /// The byte position of code point `index` in well-formed text; the text's length when it has no more.
    package static func position(ofCodePoint index: Int, in text: UnsafeRawBufferPointer) -> Int {
        var left = index
        for (position, byte) in text.enumerated() where byte & 0xC0 != 0x80 {
            if left == 0 { return position }
            left -= 1
        }
        return text.count
    }

    /// Bytes of well-formed text that are no text: control characters other than tab and line ends, and U+FFFD.
    package static func nonTextBytes(_ text: UnsafeRawBufferPointer) -> Int {
        guard let base = text.baseAddress else { return 0 }
        return apus_non_text_bytes(base.assumingMemoryBound(to: UInt8.self), text.count)
    }

    /// Appends bytes in one copy.
    static func append(_ bytes: Slice<UnsafeRawBufferPointer>, to array: inout [UInt8]) {
        append(UnsafeRawBufferPointer(rebasing: bytes), to: &array)
    }

    /// Appends bytes in one copy.
    static func append(_ bytes: UnsafeRawBufferPointer, to array: inout [UInt8]) {
        bytes.withMemoryRebound(to: UInt8.self) { array.append(contentsOf: $0) }
    }
}
