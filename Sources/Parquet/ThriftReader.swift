// SPDX-License-Identifier: MIT

/// Reads Thrift's compact protocol out of a part of a file; every step is checked against the part's end.
///
/// Nothing is allocated ahead of its bytes: a list's claimed count only bounds a loop whose every turn consumes at
/// least one byte. Positions are byte offsets in the file, so problems name them as they are.
/// Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
struct ThriftReader {
    /// A field's type as the protocol writes it.
    enum Kind: UInt8 {
        case boolTrue = 1, boolFalse, byte, int16, int32, int64, double, binary, list, set, map, structure, uuid
    }

    struct Field {
        let id: Int
        let kind: Kind
    }

    /// How deep what is skipped may be nested; Parquet's own structures are 6 deep.
    static let depthLimit = 24

    // SAFETY: borrowed from the mapped file, which outlives the reader; read only below `end`.
    private let bytes: UnsafeRawBufferPointer
    private(set) var position: Int
    private let end: Int

    /// - Parameter range: the part of the file to read; it is cut to the file's size.
    init(_ bytes: UnsafeRawBufferPointer, range: Range<Int>) {
        self.bytes = bytes
        end = min(max(range.upperBound, 0), bytes.count)
        position = min(max(range.lowerBound, 0), end)
    }

    /// Bytes that are left of the part.
    private var left: Int { end - position }

    private func cutOff(_ what: String) -> Problem {
        Problem(at: position, "\(what) runs past the end of its part of the file (byte \(end))", valid: "get the file again")
    }

    private mutating func byte(_ what: String) throws -> UInt8 {
        guard left > 0 else { throw cutOff(what) }
        defer { position += 1 }
        return bytes[position]
    }

    /// An unsigned LEB128 number of at most 64 bits.
    private mutating func varint(_ what: String) throws -> UInt64 {
        let start = position
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            let next = try byte(what)
            value |= UInt64(next & 127) << shift
            if next < 128 { return value }
        }
        throw Problem(at: start, "\(what) is a number of more than 10 bytes", valid: "numbers have at most 64 bits")
    }

    /// A signed number: 0, -1, 1, -2, ... are written as 0, 1, 2, 3, ...
    private mutating func zigzag(_ what: String) throws -> Int64 {
        let value = try varint(what)
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    /// A type's code checked against those that the protocol has.
    private func kind(_ code: UInt8, _ what: String) throws -> Kind {
        guard let kind = Kind(rawValue: code) else {
            throw Problem(at: position, "\(what) has the Thrift type \(code)", valid: "types are 1...13")
        }
        return kind
    }

    /// The next field of a structure, nil at its end. `last` is the id before, 0 at first.
    mutating func nextField(after last: inout Int) throws -> Field? {
        let header = try byte("a field")
        if header == 0 { return nil }
        let kind = try kind(header & 15, "a field")
        // A short form adds 1...15 to the id before; the long form gives a 16-bit id.
        let id = header >> 4 == 0 ? Int(Int16(truncatingIfNeeded: try zigzag("a field's id"))) : last + Int(header >> 4)
        last = id
        return Field(id: id, kind: kind)
    }

    /// Checks that a field has one of the types that its meaning allows.
    private func expect(_ field: Field, _ kinds: Kind..., what: String) throws {
        guard kinds.contains(field.kind) else {
            throw Problem(
                at: position, "\(what) is written as \(field.kind)",
                valid: "it must be \(kinds.map { "\($0)" }.joined(separator: " or "))")
        }
    }

    /// A 32-bit number; Parquet's enumerations are written so too.
    mutating func int32(_ field: Field, _ what: String) throws -> Int32 {
        try expect(field, .int32, what: what)
        let start = position
        guard let value = Int32(exactly: try zigzag(what)) else {
            throw Problem(at: start, "\(what) has more than 32 bits", valid: "it must be a 32-bit number")
        }
        return value
    }

    mutating func int64(_ field: Field, _ what: String) throws -> Int64 {
        try expect(field, .int64, what: what)
        return try zigzag(what)
    }

    /// A size, count or offset: not negative.
    mutating func size(_ field: Field, _ what: String) throws -> Int {
        let start = position
        let value = field.kind == .int32 ? Int64(try int32(field, what)) : try int64(field, what)
        guard let size = Int(exactly: value), size >= 0 else {
            throw Problem(at: start, "\(what) is \(value)", valid: "it must not be negative")
        }
        return size
    }

    /// A truth value, which the protocol puts into the field's type.
    func bool(_ field: Field, _ what: String) throws -> Bool {
        try expect(field, .boolTrue, .boolFalse, what: what)
        return field.kind == .boolTrue
    }

    /// Text; bytes that are not UTF-8 are replaced, since names and metadata must not make a file unreadable.
    mutating func string(_ field: Field, _ what: String) throws -> String {
        try expect(field, .binary, what: what)
        return try string(what)
    }

    /// A string without its field's header, as lists hold them.
    mutating func string(_ what: String) throws -> String {
        String(decoding: try binary(what), as: UTF8.self)
    }

    /// A length and as many bytes, given where they lie.
    private mutating func binary(_ what: String) throws -> UnsafeRawBufferPointer {
        let count = try varint(what)
        guard count <= UInt64(left) else { throw cutOff("\(what) of \(count) bytes") }
        defer { position += Int(count) }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + Int(count)])
    }

    /// Checks that a field is a structure; its fields follow.
    func structure(_ field: Field, _ what: String) throws { try expect(field, .structure, what: what) }

    /// The count of a list of `element`s.
    mutating func list(_ field: Field, of element: Kind, _ what: String) throws -> Int {
        try expect(field, .list, what: what)
        let start = position
        let (count, kind) = try listHeader(what)
        guard count == 0 || kind == element else {
            throw Problem(at: start, "\(what) is a list of \(kind)", valid: "it must be a list of \(element)")
        }
        return count
    }

    /// The count and the elements' type: both in one byte for fewer than 15, else the count follows.
    private mutating func listHeader(_ what: String) throws -> (count: Int, kind: Kind) {
        let header = try byte(what)
        let count = header >> 4 == 15 ? try varint(what) : UInt64(header >> 4)
        // Every element has at least one byte, so a count above what is left cannot be true.
        guard count <= UInt64(left) else { throw cutOff("\(what) of \(count) elements") }
        // fastparquet writes type 0 for the elements of an empty list.
        if count == 0 { return (0, .structure) }
        return (Int(count), try kind(header & 15, what))
    }

    /// Passes over a field's value.
    mutating func skip(_ field: Field) throws {
        // A boolean field's value is its type.
        if field.kind == .boolTrue || field.kind == .boolFalse { return }
        try skip(field.kind, depth: 0)
    }

    private mutating func skip(_ kind: Kind, depth: Int) throws {
        guard depth < Self.depthLimit else {
            throw Problem(at: position, "structures are nested more than \(Self.depthLimit) deep", valid: "Parquet's are not")
        }
        switch kind {
        case .boolTrue, .boolFalse, .byte: _ = try byte("a value")
        case .int16, .int32, .int64: _ = try varint("a number")
        case .double: try advance(8)
        case .uuid: try advance(16)
        case .binary: _ = try binary("a string")
        case .list, .set:
            let (count, element) = try listHeader("a list")
            for _ in 0..<count { try skip(element, depth: depth + 1) }
        case .map:
            let count = try varint("a map")
            if count == 0 { return }
            // As in a list: each entry has at least one byte.
            guard count <= UInt64(left) else { throw cutOff("a map of \(count) entries") }
            let kinds = try byte("a map")
            let key = try self.kind(kinds >> 4, "a map's key"), value = try self.kind(kinds & 15, "a map's value")
            for _ in 0..<count {
                try skip(key, depth: depth + 1)
                try skip(value, depth: depth + 1)
            }
        case .structure:
            var last = 0
            while let field = try nextField(after: &last) {
                if field.kind != .boolTrue && field.kind != .boolFalse { try skip(field.kind, depth: depth + 1) }
            }
        }
    }

    private mutating func advance(_ count: Int) throws {
        guard count <= left else { throw cutOff("a value") }
        position += count
    }
}
