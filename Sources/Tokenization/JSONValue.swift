// SPDX-License-Identifier: MIT
import Storage

/// A JSON document (RFC 8259). Objects keep their order, and keys that differ only in Unicode composition stay apart.
enum JSONValue {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([JSONMember])

    /// The value of a key; nil where this is not an object or has no such key. A null counts as absent.
    subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self,
            let value = members.last(where: { $0.key.utf8.elementsEqual(key.utf8) })?.value
        else { return nil }
        if case .null = value { return nil }
        return value
    }

    var text: String? { if case .string(let text) = self { text } else { nil } }
    var flag: Bool? { if case .bool(let value) = self { value } else { nil } }
    var items: [JSONValue]? { if case .array(let values) = self { values } else { nil } }
    var members: [JSONMember]? { if case .object(let members) = self { members } else { nil } }

    /// The number when it is a whole one from 0 up to an id's largest.
    var id: UInt32? {
        guard case .number(let value) = self, value >= 0, value < 4_294_967_295, value == value.rounded() else { return nil }
        return UInt32(value)
    }

    /// Writes a string as a JSON literal, leaving characters beyond ASCII as they are.
    static func quote(_ text: String) -> String {
        var result = [UInt8(ascii: "\"")]
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): result += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\n"): result += "\\n".utf8
            case UInt8(ascii: "\r"): result += "\\r".utf8
            case UInt8(ascii: "\t"): result += "\\t".utf8
            case ..<0x20:
                let digits = String(byte, radix: 16)
                result += ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8
            default: result.append(byte)
            }
        }
        result.append(UInt8(ascii: "\""))
        return String(decoding: result, as: UTF8.self)
    }
}

/// One entry of a JSON object.
struct JSONMember {
    let key: String
    let value: JSONValue
}

/// Gives the bytes of a file to a function; the mapping lives as long as that runs.
///
/// - Throws: `FileError`, and what the function throws.
func withBytes<Value>(ofFile path: String, _ body: (UnsafeRawBufferPointer) throws -> Value) throws -> Value {
    let file = try MappedFile(path: path)
    return try withExtendedLifetime(file) { try body(file.bytes) }
}

/// Reads JSON from bytes, quickly enough for vocabularies of hundreds of thousands of tokens.
struct JSONReader {
    private let bytes: UnsafeRawBufferPointer
    private var at = 0
    /// A string with escapes while it is put together.
    private var text: [UInt8] = []
    /// Nesting beyond this is refused, so that a hostile file cannot exhaust the stack.
    private static let deepest = 64

    /// - Parameter path: the file, for messages.
    /// - Throws: `TokenizerError` naming the line of the first thing that is not JSON.
    static func read(_ bytes: UnsafeRawBufferPointer, path: String) throws -> JSONValue {
        var reader = JSONReader(bytes: bytes)
        if let value = reader.value(depth: 0) {
            reader.skipSpace()
            if reader.at == bytes.count { return value }
        }
        let line = bytes.prefix(reader.at).reduce(1) { $0 + ($1 == 10 ? 1 : 0) }
        throw TokenizerError(
            .badFile, "'\(path)' is not valid JSON: line \(line), byte \(reader.at) of \(bytes.count); fetch or write it again")
    }

    private init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    private var current: UInt8 { at < bytes.count ? bytes[at] : 0 }

    private mutating func skipSpace() {
        while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0A || bytes[at] == 0x0D || bytes[at] == 0x09 { at += 1 }
    }

    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        guard at < bytes.count, UInt32(bytes[at]) == byte.value else { return false }
        at += 1
        return true
    }

    private mutating func value(depth: Int) -> JSONValue? {
        if depth > Self.deepest { return nil }
        skipSpace()
        switch current {
        case UInt8(ascii: "{"): return object(depth: depth)
        case UInt8(ascii: "["): return array(depth: depth)
        case UInt8(ascii: "\""): return string().map { .string($0) }
        case UInt8(ascii: "t"): return word("true", .bool(true))
        case UInt8(ascii: "f"): return word("false", .bool(false))
        case UInt8(ascii: "n"): return word("null", .null)
        default: return number()
        }
    }

    /// One of the three literal names.
    private mutating func word(_ text: StaticString, _ value: JSONValue) -> JSONValue? {
        guard at + text.utf8CodeUnitCount <= bytes.count else { return nil }
        for i in 0..<text.utf8CodeUnitCount where bytes[at + i] != text.utf8Start[i] { return nil }
        at += text.utf8CodeUnitCount
        return value
    }

    private mutating func number() -> JSONValue? {
        let start = at
        // Ids are short whole numbers: no need to ask `Double`.
        var whole = 0
        while at < bytes.count, at - start < 15, bytes[at] &- 0x30 < 10 {
            whole = whole * 10 + Int(bytes[at] - 0x30)
            at += 1
        }
        if at > start, at == bytes.count || !".eE0123456789".utf8.contains(bytes[at]) { return .number(Double(whole)) }
        while at < bytes.count, "+-.eE0123456789".utf8.contains(bytes[at]) { at += 1 }
        guard let value = Double(String(decoding: bytes[start..<at], as: UTF8.self)) else {
            at = start
            return nil
        }
        return .number(value)
    }

    private mutating func array(depth: Int) -> JSONValue? {
        at += 1
        var values: [JSONValue] = []
        skipSpace()
        if take("]") { return .array(values) }
        while let value = value(depth: depth + 1) {
            values.append(value)
            skipSpace()
            if take("]") { return .array(values) }
            guard take(",") else { return nil }
        }
        return nil
    }

    /// An object whose opening brace stands here; nil where it is not well formed, with `at` at the fault.
    private mutating func object(depth: Int) -> JSONValue? {
        at += 1
        var members: [JSONMember] = []
        skipSpace()
        if take("}") { return .object(members) }
        while true {
            skipSpace()
            guard let key = string() else { return nil }
            skipSpace()
            guard take(":"), let value = value(depth: depth + 1) else { return nil }
            members.append(JSONMember(key: key, value: value))
            skipSpace()
            if take("}") { return .object(members) }
            guard take(",") else { return nil }
        }
    }

    /// A string whose opening quote stands here; ill-formed UTF-8 inside becomes U+FFFD.
    private mutating func string() -> String? {
        guard take("\"") else { return nil }
        var start = at, hasEscapes = false
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") {
                let tail = UnsafeRawBufferPointer(rebasing: bytes[start..<at])
                at += 1
                // The usual string has no escapes and is taken whole.
                if !hasEscapes { return String(decoding: tail, as: UTF8.self) }
                text.append(contentsOf: tail)
                return String(decoding: text, as: UTF8.self)
            }
            if byte < 0x20 { return nil }
            if byte != UInt8(ascii: "\\") {
                at += 1
                continue
            }
            if !hasEscapes { text.removeAll(keepingCapacity: true) }
            hasEscapes = true
            text.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[start..<at]))
            at += 1
            guard let scalar = escape() else { return nil }
            for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { text.append(byte) }
            start = at
        }
        return nil
    }

    /// What follows a backslash.
    private mutating func escape() -> Unicode.Scalar? {
        let byte = current
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: return nil
        }
        guard let unit = hexadecimalUnit() else { return nil }
        guard unit & 0xF800 == 0xD800 else { return Unicode.Scalar(unit) }
        // Two halves of a surrogate pair; half a pair is no character.
        guard unit < 0xDC00, take("\\"), take("u"), let low = hexadecimalUnit(), low & 0xFC00 == 0xDC00 else { return nil }
        return Unicode.Scalar(0x10000 + (unit & 0x3FF) << 10 + (low & 0x3FF))
    }

    private mutating func hexadecimalUnit() -> UInt32? {
        guard at + 4 <= bytes.count else { return nil }
        var value: UInt32 = 0
        for _ in 0..<4 {
            let byte = bytes[at], letter = byte | 0x20
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
            case _ where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(letter):
                value = value << 4 | UInt32(letter - UInt8(ascii: "a") + 10)
            default: return nil
            }
            at += 1
        }
        return value
    }
}
