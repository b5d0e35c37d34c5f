// SPDX-License-Identifier: MIT

/// A JSON value whose objects keep their order and have no duplicate keys.
///
/// Foundation's parsers silently keep one of two equal keys, so a header could say two things about one tensor.
package indirect enum StrictJSON: Sendable, Equatable {
    case object([Member])
    case array([StrictJSON])
    case string(String)
    /// A number without fraction and exponent that fits an Int.
    case integer(Int)
    case number(Double)
    case bool(Bool)
    case null

    package struct Member: Sendable, Equatable {
        package let key: String
        package let value: StrictJSON
    }

    /// Says what is wrong with a JSON text, and at which byte.
    package struct ParseError: Error, CustomStringConvertible {
        package let reason: String
        package let offset: Int
        package var description: String { "\(reason) at byte \(offset)" }
    }

    /// - Throws: `ParseError`; nothing in `bytes` can make it trap, and nesting deeper than `maximumDepth` is refused.
    package static func parse(_ bytes: UnsafeRawBufferPointer, maximumDepth: Int = 32) throws -> StrictJSON {
        var parser = StrictJSONParser(bytes: bytes, maximumDepth: maximumDepth)
        return try parser.document()
    }

    package static func parse(_ bytes: [UInt8]) throws -> StrictJSON { try bytes.withUnsafeBytes { try parse($0) } }

    /// The value of a key of an object; nil when this is no object or has no such key.
    package subscript(_ key: String) -> StrictJSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// The number when this is a whole one; nil for anything else, as in the properties below.
    package var integer: Int? { if case .integer(let value) = self { value } else { nil } }
    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// Any number, whole or not.
    package var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    /// The elements of an array of whole numbers; nil for anything else.
    package var integers: [Int]? {
        guard case .array(let items) = self else { return nil }
        var values: [Int] = []
        for item in items {
            guard let value = item.integer else { return nil }
            values.append(value)
        }
        return values
    }

    /// A JSON string literal, quotes included.
    package static func quote(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case let control where control.value < 0x20:
                let digits = String(control.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

/// A recursive-descent parser (RFC 8259) over bytes; every read is bounds-checked.
struct StrictJSONParser {
    let bytes: UnsafeRawBufferPointer
    let maximumDepth: Int
    private var position = 0

    init(bytes: UnsafeRawBufferPointer, maximumDepth: Int) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
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

    private mutating func expect(_ character: Unicode.Scalar) throws {
        guard byte == UInt8(truncatingIfNeeded: character.value) else { throw error("'\(character)' is missing") }
        position += 1
    }

    /// Any value; the depth is bounded because this calls itself.
    private mutating func value(depth: Int) throws -> StrictJSON {
        guard depth < maximumDepth else { throw error("values nested deeper than \(maximumDepth)") }
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
        var members: [StrictJSON.Member] = [], seen: Set<String> = []
        skipSpace()
        if byte == UInt8(ascii: "}") {
            position += 1
            return .object([])
        }
        while true {
            skipSpace()
            let key = try string()
            guard seen.insert(key).inserted else { throw error("the key '\(key.prefix(80))' comes twice") }
            skipSpace()
            try expect(":")
            members.append(.init(key: key, value: try value(depth: depth + 1)))
            skipSpace()
            if byte == UInt8(ascii: ",") {
                position += 1
                continue
            }
            try expect("}")
            return .object(members)
        }
    }

    private mutating func array(depth: Int) throws -> StrictJSON {
        try expect("[")
        var items: [StrictJSON] = []
        skipSpace()
        if byte == UInt8(ascii: "]") {
            position += 1
            return .array([])
        }
        while true {
            items.append(try value(depth: depth + 1))
            skipSpace()
            if byte == UInt8(ascii: ",") {
                position += 1
                continue
            }
            try expect("]")
            return .array(items)
        }
    }

    /// A string with its escapes resolved; the rest must be UTF-8 without control characters.
    private mutating func string() throws -> String {
        try expect("\"")
        var text: [UInt8] = []
        while let next = byte {
            position += 1
            switch next {
            case UInt8(ascii: "\""):
                guard let valid = String(validating: text, as: UTF8.self) else { throw error("a string that is not UTF-8") }
                return valid
            case UInt8(ascii: "\\"): text += Array(String(try escape()).utf8)
            case 0..<0x20: throw error("a control character in a string")
            default: text.append(next)
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
            guard let digit = byte.flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }) else {
                throw error("four hexadecimal digits are missing")
            }
            value = value << 4 | UInt32(truncatingIfNeeded: digit)
            position += 1
        }
        return value
    }

    /// -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
    private mutating func number() throws -> StrictJSON {
        let start = position
        if byte == UInt8(ascii: "-") { position += 1 }
        let leadsWithZero = byte == UInt8(ascii: "0")
        guard let whole = digits(), !(leadsWithZero && whole > 1) else { throw error("this is no value") }
        var isWhole = true
        if byte == UInt8(ascii: ".") {
            position += 1
            isWhole = false
            guard digits() != nil else { throw error("a number without digits after its point") }
        }
        if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
            position += 1
            isWhole = false
            if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") { position += 1 }
            guard digits() != nil else { throw error("a number without digits in its exponent") }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isWhole, let value = Int(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw error("the number \(text.prefix(40)) is too large") }
        return .number(value)
    }

    /// Steps over digits; their count, or nil when there is none.
    private mutating func digits() -> Int? {
        let start = position
        while let next = byte, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) { position += 1 }
        return position > start ? position - start : nil
    }
}
