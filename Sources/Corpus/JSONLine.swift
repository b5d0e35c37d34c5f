// SPDX-License-Identifier: MIT
import CTokenization

/// Reads one string field out of one line of JSON, checking the line's form, without building the whole value.
///
/// The grammar is RFC 8259's. Of a repeated key the last one counts, as in Python and JavaScript.
struct JSONLine {
    /// What is wrong with a line, and at which byte of it (from 1).
    struct Problem: Error {
        let reason: String
        let column: Int
    }

    private let bytes: UnsafeRawBufferPointer
    private var i = 0
    /// Deeper nesting is refused, so that a hostile line cannot fill the memory.
    private static let maximumDepth = 1000

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Appends the field's text to `output`, unescaped.
    ///
    /// - Parameter field: the key, as UTF-8.
    /// - Returns: false when the field is missing or null; then nothing is appended.
    /// - Throws: `Problem`.
    mutating func text(of field: [UInt8], into output: inout [UInt8]) throws -> Bool {
        let start = output.count
        var found = false
        try members { line, key in
            guard key == field else { return try line.skipValue() }
            output.removeSubrange(start...)
            switch line.peek() {
            case UInt8(ascii: "\""):
                try line.string(into: &output)
                found = true
            case UInt8(ascii: "n"):
                try line.skipValue()
                found = false
            default:
                throw line.problem("the field '\(String(decoding: field, as: UTF8.self))' is not a string")
            }
        }
        return found
    }

    /// The keys of the line's object, in order; none when it has no proper form.
    static func keys(_ bytes: UnsafeRawBufferPointer) -> [String] {
        var line = JSONLine(bytes), keys: [String] = []
        try? line.members { line, key in
            keys.append(String(decoding: key, as: UTF8.self))
            try line.skipValue()
        }
        return keys
    }

    /// Goes through the members of the line's object; `value` has to pass over each member's value.
    private mutating func members(_ value: (inout JSONLine, [UInt8]) throws -> Void) throws {
        skipSpace()
        guard take("{") else { throw problem("a line must be one JSON object") }
        skipSpace()
        var key: [UInt8] = []
        if !take("}") {
            repeat {
                skipSpace()
                guard peek() == UInt8(ascii: "\"") else { throw problem("a key in quotes is wanted here") }
                key.removeAll(keepingCapacity: true)
                try string(into: &key)
                skipSpace()
                guard take(":") else { throw problem("':' is wanted after a key") }
                skipSpace()
                try value(&self, key)
                skipSpace()
            } while take(",")
            guard take("}") else { throw problem(i == bytes.count ? "the line ends too early" : "',' or '}' is wanted here") }
        }
        skipSpace()
        guard i == bytes.count else { throw problem("more follows the object; one object a line is wanted") }
    }

    private func problem(_ reason: String) -> Problem { Problem(reason: reason, column: i + 1) }

    /// The next byte; 0 at the end (a zero byte is valid nowhere in JSON).
    private func peek() -> UInt8 { i < bytes.count ? bytes[i] : 0 }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard i < bytes.count, bytes[i] == UInt8(ascii: character) else { return false }
        i += 1
        return true
    }

    private mutating func skipSpace() {
        while i < bytes.count, bytes[i] == 0x20 || bytes[i] == 0x09 || bytes[i] == 0x0D || bytes[i] == 0x0A { i += 1 }
    }

    /// Passes over one value of any type; nesting is followed with a stack of its closing brackets, not by recursion.
    private mutating func skipValue() throws {
        var closers: [UInt8] = []
        while true {
            skipSpace()
            // One value, or the beginning of a container, is due here.
            switch peek() {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                let closer = peek() + 2  // '}' and ']' lie two places behind '{' and '['
                i += 1
                skipSpace()
                if peek() == closer { i += 1; break }
                closers.append(closer)
                guard closers.count <= Self.maximumDepth else { throw problem("it is nested too deeply") }
                if closer == UInt8(ascii: "}") { try skipKey() }
                continue
            case UInt8(ascii: "\""): try skipString()
            default: try skipScalar()
            }
            // A value has ended: close what ends with it, or go on behind a comma.
            while let closer = closers.last {
                skipSpace()
                if peek() == closer {
                    i += 1
                    closers.removeLast()
                } else if take(",") {
                    if closer == UInt8(ascii: "}") { try skipKey() }
                    break
                } else {
                    throw problem(i == bytes.count ? "the line ends too early" : "',' or a closing bracket is wanted here")
                }
            }
            if closers.isEmpty { return }
        }
    }

    private mutating func skipKey() throws {
        skipSpace()
        guard peek() == UInt8(ascii: "\"") else { throw problem("a key in quotes is wanted here") }
        try skipString()
        skipSpace()
        guard take(":") else { throw problem("':' is wanted after a key") }
    }

    private mutating func skipString() throws {
        i += 1
        while true {
            i += plainBytes()
            if take("\"") { return }
            guard i < bytes.count else { break }
            guard take("\\") else { throw problem("a control character inside a string must be escaped") }
            i += 1
        }
        i = bytes.count
        throw problem("a string has no end")
    }

    /// How many bytes from here on stand for themselves inside a string.
    private func plainBytes() -> Int {
        guard i < bytes.count, let base = bytes.baseAddress else { return 0 }
        return apus_json_plain((base + i).assumingMemoryBound(to: UInt8.self), bytes.count - i)
    }

    /// true, false, null or a number.
    private mutating func skipScalar() throws {
        let start = i
        while i < bytes.count {
            switch bytes[i] {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "E"):
                i += 1
                continue
            default: break
            }
            break
        }
        let word = String(decoding: bytes[start..<i], as: UTF8.self)
        let first = word.utf8.first ?? 0
        let isNumber = (first == UInt8(ascii: "-") || (0x30...0x39).contains(first)) && Double(word) != nil
        guard ["true", "false", "null"].contains(word) || isNumber else {
            i = start
            throw problem(start == bytes.count ? "the line ends too early" : "a value is wanted here")
        }
    }

    /// Appends the string that begins here, unescaped; a lone surrogate becomes U+FFFD.
    private mutating func string(into output: inout [UInt8]) throws {
        i += 1
        while true {
            let start = i
            i += plainBytes()
            UTF8Text.append(bytes[start..<i], to: &output)
            guard i < bytes.count else { throw problem("a string has no end") }
            if take("\"") { return }
            guard take("\\") else { throw problem("a control character inside a string must be escaped") }
            try escape(into: &output)
        }
    }

    private mutating func escape(into output: inout [UInt8]) throws {
        let letter = peek()
        i += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): output.append(letter)
        case UInt8(ascii: "n"): output.append(0x0A)
        case UInt8(ascii: "t"): output.append(0x09)
        case UInt8(ascii: "r"): output.append(0x0D)
        case UInt8(ascii: "b"): output.append(0x08)
        case UInt8(ascii: "f"): output.append(0x0C)
        case UInt8(ascii: "u"):
            var code = try fourDigits()
            // A high surrogate belongs to the low one in the escape behind it.
            if (0xD800..<0xDC00).contains(code), i + 1 < bytes.count, bytes[i] == UInt8(ascii: "\\"),
                bytes[i + 1] == UInt8(ascii: "u")
            {
                let back = i
                i += 2
                let low = try fourDigits()
                if (0xDC00..<0xE000).contains(low) {
                    code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
                } else {
                    i = back
                }
            }
            output += UTF8.encode(Unicode.Scalar(code) ?? "\u{FFFD}").map(Array.init) ?? UTF8Text.replacement
        default:
            i -= 1
            throw problem("a backslash must be followed by one of \" \\ / b f n r t u")
        }
    }

    private mutating func fourDigits() throws -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard i < bytes.count, let digit = Character(Unicode.Scalar(bytes[i])).hexDigitValue, bytes[i] < 0x80 else {
                throw problem("\\u must be followed by four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
            i += 1
        }
        return code
    }
}
