// SPDX-License-Identifier: MIT
import Compute
import Storage

/// A tensor inside a safetensors file.
public struct SafetensorsEntry: Sendable, Equatable {
    /// The key in the header; each comes once.
    public let name: String
    /// Element type; tensors of other types than Apus knows are in `otherTypes` instead.
    public let dtype: DType
    /// Empty for a scalar.
    public let shape: [Int]
    /// Where its bytes lie in the file, counted from the start of the file.
    public let range: Range<Int>

    /// Number of elements.
    public var count: Int { range.count / dtype.size }
}

/// A memory-mapped safetensors file, checked completely when it is opened.
///
/// - Note: Source: the format section of https://github.com/huggingface/safetensors: 8 bytes of little-endian header
///   length, a JSON header of name -> {dtype, shape, data_offsets}, then the data without holes or overlaps.
public final class SafetensorsFile: Sendable {
    /// The longest header that readers accept, in bytes.
    public static let maximumHeader = 100_000_000

    /// As it was given, for errors.
    public let path: String
    /// The header's `__metadata__`; empty when there is none.
    public let metadata: [String: String]
    /// The tensors in the order of their data.
    public let entries: [SafetensorsEntry]
    /// Tensors whose element type Apus has no use for (name -> type), such as the BOOL masks of older GPT-2 files.
    public let otherTypes: [String: String]
    private let file: MappedFile
    private let index: [String: Int]

    /// - Throws: `FileError` with the reason when the file cannot be opened or breaks the format in any way.
    public convenience init(path: String) throws { try self.init(file: MappedFile(path: path)) }

    /// - Throws: `FileError` with the reason when the file breaks the format in any way.
    public init(file: MappedFile) throws {
        let header = try SafetensorsHeader.read(file)
        path = file.path
        self.file = file
        metadata = header.metadata
        entries = header.entries
        otherTypes = header.otherTypes
        var index: [String: Int] = [:]
        for (i, entry) in header.entries.enumerated() { index[entry.name] = i }
        self.index = index
    }

    /// Whether the file has a tensor of this name.
    public func contains(_ name: String) -> Bool { index[name] != nil }

    /// - Throws: `FileError` naming the tensors there are when there is none of that name.
    public func entry(_ name: String) throws -> SafetensorsEntry {
        if let i = index[name] { return entries[i] }
        if let type = otherTypes[name] {
            throw FileError(
                path: path, operation: "read", reason: "the tensor '\(name)' has the type \(type), which is not supported")
        }
        let some = entries.prefix(3).map { "'\($0.name)'" }.joined(separator: ", ")
        throw FileError(
            path: path, operation: "read", reason: "it has no tensor '\(name)'; it has \(entries.count), such as \(some)")
    }

    /// The little-endian bytes of a tensor; valid as long as this object lives.
    ///
    /// They may start at any address: read values with `loadUnaligned` or copy them.
    public func bytes(_ name: String) throws -> UnsafeRawBufferPointer { bytes(try entry(name)) }

    /// The little-endian bytes of one of this file's entries; valid as long as this object lives.
    public func bytes(_ entry: SafetensorsEntry) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: file.bytes[entry.range.clamped(to: 0..<file.count)])
    }

    /// The tensor as a source for a writer; it keeps this file mapped.
    public func source(_ name: String, as newName: String? = nil) throws -> TensorSource {
        let entry = try entry(name)
        return TensorSource(name: newName ?? name, dtype: entry.dtype, shape: entry.shape) { [self] piece, offset in
            let bytes = bytes(entry)
            piece.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + piece.count]))
        }
    }

    /// Gives the memory pages of the whole file back to the system; they are read again when touched.
    public func release() { file.release(0..<file.count) }
}

/// The checked header of a safetensors file.
struct SafetensorsHeader {
    var metadata: [String: String] = [:]
    var entries: [SafetensorsEntry] = []
    var otherTypes: [String: String] = [:]

    /// Element types of the format: ours, and the sizes of those that are only stepped over.
    static let names: [String: DType] = [
        "F64": .float64, "F32": .float32, "F16": .float16, "BF16": .bfloat16, "I64": .int64, "I32": .int32, "U16": .uint16,
        "U8": .uint8,
    ]
    private static let otherSizes = [
        "BOOL": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1, "I16": 2, "U32": 4, "U64": 8, "C64": 8,
    ]

    static func name(_ dtype: DType) -> String {
        switch dtype {
        case .float64: "F64"
        case .float32: "F32"
        case .float16: "F16"
        case .bfloat16: "BF16"
        case .int64: "I64"
        case .int32: "I32"
        case .uint16: "U16"
        case .uint8: "U8"
        }
    }

    /// - Throws: `FileError`.
    static func read(_ file: MappedFile) throws -> SafetensorsHeader {
        func refuse(_ reason: String) -> FileError {
            FileError(path: file.path, operation: "read the safetensors file", reason: reason + "; it is damaged or not one")
        }
        guard file.count >= 8 else { throw refuse("it has \(file.count) bytes, its header length alone takes 8") }
        let length = file.bytes.loadUnaligned(as: UInt64.self).littleEndian
        guard length <= UInt64(SafetensorsFile.maximumHeader) else {
            throw refuse("it claims a header of \(length) bytes, at most \(SafetensorsFile.maximumHeader) are allowed")
        }
        let dataStart = 8 + Int(length)
        guard dataStart <= file.count else {
            throw refuse("it claims a header of \(length) bytes, but has \(file.count - 8) bytes after the length")
        }
        let json: StrictJSON
        do {
            json = try StrictJSON.parse(UnsafeRawBufferPointer(rebasing: file.bytes[8..<dataStart]))
        } catch {
            throw refuse("its header is no valid JSON: \(error)")
        }
        do {
            return try SafetensorsHeader(json, dataStart: dataStart, dataCount: file.count - dataStart)
        } catch let error as HeaderError {
            throw refuse(error.reason)
        }
    }

    private struct HeaderError: Error { let reason: String }

    private init(_ json: StrictJSON, dataStart: Int, dataCount: Int) throws {
        guard case .object(let members) = json else { throw HeaderError(reason: "its header is not a JSON object") }
        var ranges: [(name: String, range: Range<Int>)] = []
        for member in members {
            if member.key == "__metadata__" {
                metadata = try Self.strings(member.value)
                continue
            }
            let (range, entry) = try Self.tensor(member, dataStart: dataStart, dataCount: dataCount)
            ranges.append((member.key, range))
            if let entry { entries.append(entry) } else { otherTypes[member.key] = member.value["dtype"]?.string ?? "?" }
        }
        // Sorted by place, each tensor must start where the one before ends, and the last must end with the file.
        ranges.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        var end = 0
        for (name, range) in ranges {
            guard range.lowerBound == end else {
                let what = range.lowerBound < end ? "overlaps the tensor before it" : "leaves a hole before it"
                throw HeaderError(reason: "the tensor '\(name)' (data bytes \(range.lowerBound) to \(range.upperBound)) \(what)")
            }
            end = range.upperBound
        }
        guard end == dataCount else {
            throw HeaderError(reason: "its tensors take \(end) bytes, but \(dataCount) bytes follow the header")
        }
        entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
    }

    /// The data range of one tensor, relative to the data's start, and its entry when its type is one of ours.
    private static func tensor(
        _ member: StrictJSON.Member, dataStart: Int, dataCount: Int
    ) throws -> (Range<Int>, SafetensorsEntry?) {
        func refuse(_ reason: String) -> HeaderError { HeaderError(reason: "the tensor '\(member.key.prefix(200))' \(reason)") }
        guard let type = member.value["dtype"]?.string, let shape = member.value["shape"]?.integers,
            let offsets = member.value["data_offsets"]?.integers, offsets.count == 2
        else { throw refuse("lacks a valid dtype, shape or data_offsets") }
        guard let size = names[type]?.size ?? otherSizes[type] else { throw refuse("has the unknown dtype '\(type.prefix(40))'") }
        let (low, high) = (offsets[0], offsets[1])
        guard 0 <= low, low <= high, high <= dataCount else {
            throw refuse("claims the data bytes \(low) to \(high), but there are \(dataCount)")
        }
        guard let count = TensorSource.count(shape), case let (bytes, overflow) = count.multipliedReportingOverflow(by: size),
            !overflow,
            bytes == high - low
        else { throw refuse("of shape \(shape) and dtype \(type) does not fit its \(high - low) bytes") }
        let dtype = names[type]
        let range = dataStart + low..<dataStart + high  // both sums are at most the file's size
        return (low..<high, dtype.map { SafetensorsEntry(name: member.key, dtype: $0, shape: shape, range: range) })
    }

    private static func strings(_ value: StrictJSON) throws -> [String: String] {
        guard case .object(let members) = value else { throw HeaderError(reason: "its __metadata__ is not an object") }
        var strings: [String: String] = [:]
        for member in members {
            guard let text = member.value.string else {
                throw HeaderError(reason: "its __metadata__ '\(member.key.prefix(80))' is not a string")
            }
            strings[member.key] = text
        }
        return strings
    }
}
