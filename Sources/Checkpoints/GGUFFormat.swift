// SPDX-License-Identifier: MIT
import Compute
import Storage

/// How a GGUF file stores the elements of a tensor: in blocks of `blockSize` elements that take `blockBytes` bytes.
public struct GGUFTensorType: Sendable, Equatable {
    /// ggml's number for the type, as tensor descriptions store it.
    public let code: UInt32
    /// ggml's name, such as "Q8_0".
    public let name: String
    /// Elements of a block; 1 for plain numbers.
    public let blockSize: Int
    /// Size of a block in the file, scales included.
    public let blockBytes: Int

    /// ggml's type 0, 4 bytes an element.
    public static let f32 = GGUFTensorType(code: 0, name: "F32", blockSize: 1, blockBytes: 4)
    /// ggml's type 1, IEEE half precision, 2 bytes an element.
    public static let f16 = GGUFTensorType(code: 1, name: "F16", blockSize: 1, blockBytes: 2)
    /// ggml's type 30, bfloat16, 2 bytes an element.
    public static let bf16 = GGUFTensorType(code: 30, name: "BF16", blockSize: 1, blockBytes: 2)
    /// Blocks of 32 numbers: one float16 scale, then 32 signed bytes.
    public static let q8_0 = GGUFTensorType(code: 8, name: "Q8_0", blockSize: 32, blockBytes: 34)

    /// The types that weights can be read from.
    static let readable: [GGUFTensorType] = [.f32, .f16, .bf16, .q8_0]

    /// Every type of ggml by its code, so that a file with others can be checked and refused by name.
    ///
    /// - Note: Source: the enumeration ggml_type and the block structures of ggml.
    static let known: [UInt32: GGUFTensorType] = {
        let others: [(UInt32, String, Int, Int)] = [
            (2, "Q4_0", 32, 18), (3, "Q4_1", 32, 20), (6, "Q5_0", 32, 22), (7, "Q5_1", 32, 24), (9, "Q8_1", 32, 40),
            (10, "Q2_K", 256, 84), (11, "Q3_K", 256, 110), (12, "Q4_K", 256, 144), (13, "Q5_K", 256, 176),
            (14, "Q6_K", 256, 210), (15, "Q8_K", 256, 292), (16, "IQ2_XXS", 256, 66), (17, "IQ2_XS", 256, 74),
            (18, "IQ3_XXS", 256, 98), (19, "IQ1_S", 256, 50), (20, "IQ4_NL", 32, 18), (21, "IQ3_S", 256, 110),
            (22, "IQ2_S", 256, 82), (23, "IQ4_XS", 256, 136), (24, "I8", 1, 1), (25, "I16", 1, 2), (26, "I32", 1, 4),
            (27, "I64", 1, 8), (28, "F64", 1, 8), (29, "IQ1_M", 256, 56), (34, "TQ1_0", 256, 54), (35, "TQ2_0", 256, 66),
            (39, "MXFP4", 32, 17), (40, "NVFP4", 64, 36), (41, "Q1_0", 128, 18),
        ]
        let all = readable + others.map { GGUFTensorType(code: $0.0, name: $0.1, blockSize: $0.2, blockBytes: $0.3) }
        return Dictionary(uniqueKeysWithValues: all.map { ($0.code, $0) })
    }()

    /// Bytes of some elements; nil when they fill no whole blocks or cannot be counted.
    func byteCount(_ elements: Int) -> Int? {
        guard elements >= 0, elements % blockSize == 0 else { return nil }
        let (bytes, overflow) = (elements / blockSize).multipliedReportingOverflow(by: blockBytes)
        return overflow ? nil : bytes
    }
}

/// The element types of GGUF's metadata.
enum GGUFScalar: UInt32 {
    case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

    /// Bytes of one value; for a string and an array those that it has at least.
    var size: Int {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .string, .uint64, .int64, .float64: 8
        case .array: 12
        }
    }
}

/// A value of a GGUF file's metadata.
public enum GGUFValue: Sendable {
    /// Of any whole-number type, whatever its width.
    case integer(Int)
    /// Of float32 or float64.
    case number(Double)
    /// One byte in the file.
    case bool(Bool)
    /// UTF-8.
    case string(String)
    /// Elements of one type.
    case array(GGUFArray)

    /// nil for every other type, floating-point numbers included.
    public var integer: Int? { if case .integer(let value) = self { value } else { nil } }
    /// nil for every other type, numbers 0 and 1 included.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// nil for every other type.
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    /// nil for every other type.
    public var array: GGUFArray? { if case .array(let value) = self { value } else { nil } }

    /// The value of a number of either kind.
    public var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
}

/// An array of a GGUF file's metadata: checked when the file is opened, read when it is asked for.
public struct GGUFArray: Sendable {
    /// The longest array that is read: vocabularies have a few hundred thousand tokens.
    static let mostValues = 1 << 24

    /// Number of elements.
    public let count: Int
    let element: GGUFScalar
    let file: MappedFile
    let range: Range<Int>

    /// - Throws: `FileError` when these are no strings.
    public func strings() throws -> [String] {
        guard element == .string else { throw refuse("strings") }
        try checkCount()
        var cursor = GGUFCursor(file, range)
        return try (0..<count).map { _ in try cursor.string() }
    }

    /// - Throws: `FileError` when these are no integers.
    public func integers() throws -> [Int] {
        try checkCount()
        var cursor = GGUFCursor(file, range)
        return try (0..<count).map { _ in
            guard let value = try cursor.scalar(element).integer else { throw refuse("integers") }
            return value
        }
    }

    /// A byte of the file can become many in memory, so an absurd array is refused before it is read.
    private func checkCount() throws {
        guard count <= Self.mostValues else {
            throw FileError(
                path: file.path, operation: "read the GGUF file",
                reason: "an array of its metadata has \(count) values, at most \(Self.mostValues) are read")
        }
    }

    private func refuse(_ wanted: String) -> FileError {
        FileError(path: file.path, operation: "read the GGUF file", reason: "an array of its metadata holds no \(wanted)")
    }
}

/// Reads a GGUF file's header front to back; every step is checked against the file's end.
struct GGUFCursor {
    /// The longest string that is read, in bytes: a chat template has thousands.
    static let longestString = 1 << 26

    let file: MappedFile
    private(set) var position: Int
    private let end: Int

    init(_ file: MappedFile, _ range: Range<Int>) {
        self.file = file
        position = range.lowerBound
        end = min(range.upperBound, file.count)
    }

    var remaining: Int { max(0, end - position) }

    func refuse(_ reason: String) -> FileError {
        FileError(path: file.path, operation: "read the GGUF file", reason: reason + "; it is damaged or not one")
    }

    /// Moves over some bytes and says where they began.
    mutating func skip(_ count: Int) throws -> Int {
        guard count >= 0, count <= remaining else {
            throw refuse("its header needs \(count) bytes at byte \(position), but only \(remaining) follow")
        }
        defer { position += count }
        return position
    }

    mutating func integer<T: FixedWidthInteger>(_ type: T.Type) throws -> T {
        T(littleEndian: file.bytes.loadUnaligned(fromByteOffset: try skip(MemoryLayout<T>.size), as: T.self))
    }

    /// A number of things of which each takes at least `size` bytes, so that no more can be claimed than fit.
    mutating func count(_ what: String, size: Int) throws -> Int {
        let value = try integer(UInt64.self)
        guard value <= UInt64(remaining / max(1, size)) else {
            throw refuse("it claims \(value) \(what), but only \(remaining) bytes follow")
        }
        return Int(value)
    }

    /// The bytes of a string.
    mutating func text(longest: Int = longestString) throws -> UnsafeRawBufferPointer {
        let length = try count("bytes of text", size: 1)
        guard length <= longest else { throw refuse("it has a text of \(length) bytes, at most \(longest) are allowed here") }
        let start = try skip(length)
        return UnsafeRawBufferPointer(rebasing: file.bytes[start..<start + length])
    }

    /// A string; what is no UTF-8 becomes U+FFFD.
    mutating func string() throws -> String { String(decoding: try text(), as: UTF8.self) }

    /// A name: not empty, not long, UTF-8.
    mutating func name(_ what: String, longest: Int) throws -> String {
        let bytes = try text(longest: longest)
        guard !bytes.isEmpty, let name = String(validating: bytes, as: UTF8.self) else {
            throw refuse("a \(what) is empty or no UTF-8")
        }
        return name
    }

    mutating func scalar(_ type: GGUFScalar) throws -> GGUFValue {
        switch type {
        case .uint8: return .integer(Int(try integer(UInt8.self)))
        case .int8: return .integer(Int(try integer(Int8.self)))
        case .uint16: return .integer(Int(try integer(UInt16.self)))
        case .int16: return .integer(Int(try integer(Int16.self)))
        case .uint32: return .integer(Int(try integer(UInt32.self)))
        case .int32: return .integer(Int(try integer(Int32.self)))
        case .int64: return .integer(Int(try integer(Int64.self)))
        case .uint64:
            let value = try integer(UInt64.self)
            return value <= UInt64(Int.max) ? .integer(Int(value)) : .number(Double(value))
        case .float32: return .number(Double(Float(bitPattern: try integer(UInt32.self))))
        case .float64: return .number(Double(bitPattern: try integer(UInt64.self)))
        case .bool:
            let byte = try integer(UInt8.self)
            guard byte <= 1 else { throw refuse("a truth value is \(byte)") }
            return .bool(byte == 1)
        case .string: return .string(try string())
        case .array: return .array(try array())
        }
    }

    /// A value's type.
    mutating func type() throws -> GGUFScalar {
        let code = try integer(UInt32.self)
        guard let type = GGUFScalar(rawValue: code) else { throw refuse("a value of its metadata has the unknown type \(code)") }
        return type
    }

    /// Moves over an array, checking that it ends inside the file.
    private mutating func array() throws -> GGUFArray {
        let element = try type()
        guard element != .array else { throw refuse("its metadata has an array of arrays, which no model needs") }
        let count = try count("values of an array", size: element.size), start = position
        if element == .string {
            for _ in 0..<count { _ = try text() }
        } else {
            // The count was checked against the bytes that follow, so the product is no larger than the file.
            _ = try skip(count * element.size)
        }
        return GGUFArray(count: count, element: element, file: file, range: start..<position)
    }
}
