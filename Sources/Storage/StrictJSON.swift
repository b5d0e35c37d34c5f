// SPDX-License-Identifier: MIT

/// A JSON value (RFC 8259) whose objects keep their order and have no duplicate keys.
///
/// Foundation's parsers silently keep one of two equal keys, so a header could say two things about one tensor.
package enum StrictJSON: Sendable, Equatable {
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

    /// When two keys of one object are the same.
    package enum KeyEquality: Sendable {
        /// As Swift compares texts: also when they differ only in Unicode composition. For what ends up in dictionaries.
        case text
        /// When their bytes are equal, as the tokens of a vocabulary are compared.
        case bytes
    }

    /// Says what is wrong with a JSON text, and at which byte.
    package struct ParseError: Error, CustomStringConvertible {
        package let reason: String
        package let offset: Int
        package var description: String { "\(reason) at byte \(offset)" }
    }

    /// - Throws: `ParseError`; nothing in `bytes` can make it trap, and nesting that could exhaust the stack is refused.
    /// - Complexity: O(bytes), quick enough for vocabularies of hundreds of thousands of tokens.
    package static func parse(_ bytes: UnsafeRawBufferPointer, keys: KeyEquality = .text) throws -> StrictJSON {
        var reader = StrictJSONReader(bytes: bytes, keys: keys)
        return try reader.document()
    }

    package static func parse(_ bytes: [UInt8], keys: KeyEquality = .text) throws -> StrictJSON {
        try bytes.withUnsafeBytes { try parse($0, keys: keys) }
    }

    /// The value of a key (of these very bytes) of an object; nil when this is no object or has no such key.
    package subscript(_ key: String) -> StrictJSON? {
        members?.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }

    /// The entries when this is an object; nil for anything else, as in the properties below.
    package var members: [Member]? { if case .object(let members) = self { members } else { nil } }
    package var items: [StrictJSON]? { if case .array(let items) = self { items } else { nil } }
    /// The number when this is a whole one.
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

    /// A JSON string literal, quotes included; characters beyond ASCII stay as they are.
    package static func quote(_ text: String) -> String {
        var quoted = [UInt8(ascii: "\"")]
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): quoted += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\n"): quoted += "\\n".utf8
            case UInt8(ascii: "\r"): quoted += "\\r".utf8
            case UInt8(ascii: "\t"): quoted += "\\t".utf8
            case ..<0x20:
                let digits = String(byte, radix: 16)
                quoted += ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8
            default: quoted.append(byte)
            }
        }
        quoted.append(UInt8(ascii: "\""))
        return String(decoding: quoted, as: UTF8.self)
    }
}
