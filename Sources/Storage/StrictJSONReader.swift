// SPDX-License-Identifier: MIT

/// Reads `StrictJSON` by recursive descent over bytes; every read is bounds-checked.
struct StrictJSONReader {
    private let bytes: UnsafeRawBufferPointer
    private let keys: StrictJSON.KeyEquality
    private var position = 0
    /// A string with escapes while it is put together.
    private var text: [UInt8] = []
    /// Values in values beyond this are refused, so that a hostile file cannot exhaust the stack.
    private static let maximumDepth = 32

    init(bytes: UnsafeRawBufferPointer, keys: StrictJSON.KeyEquality) {
        self.bytes = bytes
        self.keys = keys
    }

    /// The one value that the text must be.
    mutating func document() throws -> StrictJSON {
        let value = try self.value(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw error("text after the end of the value") }
        return value
    }

    private func error(_ reason: String) -> StrictJSON.ParseError { .init(reason: reason, offset: position) }

    /// The byte that comes next; nil at the end.
    private var byte: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let next = byte, next == 0x20 || next == 0x0a || next == 0x0d || next == 0x09 { position += 1 }
    }

    /// Steps over a character when it comes next.
    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard byte == UInt8(truncatingIfNeeded: character.value) else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws {
        guard take(character) else { throw error("'\(character)' is missing") }
    }

    /// Any value; the depth is bounded because this calls itself.
    private mutating func value(depth: Int) throws -> StrictJSON {
        guard depth < Self.maximumDepth else { throw error("values nested deeper than \(Self.maximumDepth)") }
        skipSpace()
        switch byte {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw error("the text ends early")
        default: return try number()
        }
    }

    private mutating func word(_ text: String, _ value: StrictJSON) throws -> StrictJSON {
        for character in text.unicodeScalars { try expect(character) }
        return value
    }

    /// An object; two equal keys are an error, which JSON itself leaves open.
    private mutating func object(depth: Int) throws -> StrictJSON {
        try expect("{")
        var members: [StrictJSON.Member] = [], seen = StrictJSONKeys(equality: keys)
        skipSpace()
        if take("}") { return .object([]) }
        while true {
            skipSpace()
            let key = try string()
            guard seen.isNew(key, among: members) else { throw error("the key '\(key.prefix(80))' comes twice") }
            skipSpace()
            try expect(":")
            members.append(.init(key: key, value: try value(depth: depth + 1)))
            skipSpace()
            if take(",") { continue }
            try expect("}")
            return .object(members)
        }
    }

    private mutating func array(depth: Int) throws -> StrictJSON {
        try expect("[")
        var items: [StrictJSON] = []
        skipSpace()
        if take("]") { return .array([]) }
        while true {
            items.append(try value(depth: depth + 1))
            skipSpace()
            if take(",") { continue }
            try expect("]")
            return .array(items)
        }
    }

    /// A string with its escapes resolved; the rest must be UTF-8 without control characters.
    private mutating func string() throws -> String {
        try expect("\"")
        var start = position, hasEscapes = false
        while let next = byte {
            switch next {
            case UInt8(ascii: "\""):
                let tail = UnsafeRawBufferPointer(rebasing: bytes[start..<position])
                position += 1
                // The usual string has no escapes and is taken whole.
                if hasEscapes { text.append(contentsOf: tail) }
                let valid = hasEscapes ? String(validating: text, as: UTF8.self) : String(validating: tail, as: UTF8.self)
                guard let valid else { throw error("a string that is not UTF-8") }
                return valid
            case UInt8(ascii: "\\"):
                if !hasEscapes { text.removeAll(keepingCapacity: true) }
                hasEscapes = true
                text.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[start..<position]))
                position += 1
                text.append(contentsOf: try escape().utf8)
                start = position
            case 0..<0x20: throw error("a control character in a string")
            default: position += 1
            }
        }
        throw error("a string without end")
    }

    /// What follows a backslash.
    private mutating func escape() throws -> Unicode.Scalar {
        guard let kind = byte else { throw error("a string without end") }
        position += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(kind)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: throw error("an unknown escape")
        }
        let unit = try fourDigits()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        // Beyond the basic plane JSON writes two surrogates, each an escape of its own.
        guard unit < 0xdc00 else { throw error("a lone surrogate") }
        try expect("\\")
        try expect("u")
        let low = try fourDigits()
        guard (0xdc00..<0xe000).contains(low), let scalar = Unicode.Scalar(0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00))
        else { throw error("a lone surrogate") }
        return scalar
    }

    /// A UTF-16 unit.
    private mutating func fourDigits() throws -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let next = byte else { throw error("four hexadecimal digits are missing") }
            let digit: UInt8
            switch next {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = next - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = next - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = next - UInt8(ascii: "A") + 10
            default: throw error("four hexadecimal digits are missing")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    /// -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
    private mutating func number() throws -> StrictJSON {
        let start = position, isNegative = take("-")
        let leadsWithZero = byte == UInt8(ascii: "0")
        guard let whole = digits(), !(leadsWithZero && whole.count > 1) else { throw error("this is no value") }
        var isWhole = true
        if take(".") {
            isWhole = false
            guard digits() != nil else { throw error("a number without digits after its point") }
        }
        if take("e") || take("E") {
            isWhole = false
            if !take("+") { _ = take("-") }
            guard digits() != nil else { throw error("a number without digits in its exponent") }
        }
        // Ids are short whole numbers: no need to make a text of them.
        if isWhole, whole.count <= 18 { return .integer(isNegative ? -whole.value : whole.value) }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isWhole, let value = Int(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw error("the number \(text.prefix(40)) is too large") }
        return .number(value)
    }

    /// Steps over digits: how many, and their value, which is right up to 18 of them; nil when there is none.
    private mutating func digits() -> (count: Int, value: Int)? {
        let start = position
        var value = 0
        while let next = byte, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) {
            value = value &* 10 &+ Int(next - UInt8(ascii: "0"))
            position += 1
        }
        return position > start ? (position - start, value) : nil
    }
}
