// SPDX-License-Identifier: MIT
import Compute
import Storage

/// A tensor inside a GGUF file.
public struct GGUFEntry: Sendable, Equatable {
    /// As the file has it, such as "blk.0.attn_qkv.weight"; at most 64 bytes.
    public let name: String
    /// How its elements lie in blocks.
    public let type: GGUFTensorType
    /// The slowest dimension first, as everywhere in Apus; the file has the fastest first.
    public let shape: [Int]
    /// Where its bytes lie in the file, counted from the start of the file.
    public let range: Range<Int>
}

/// A memory-mapped GGUF file, checked completely when it is opened.
///
/// - Note: Source: docs/gguf.md of https://github.com/ggml-org/ggml: magic, version, counts, metadata, tensor
///   descriptions, then the data, each tensor at the next multiple of the alignment.
public final class GGUFFile: Sendable {
    /// "GGUF"
    static let magic: [UInt8] = [0x47, 0x47, 0x55, 0x46]
    static let defaultAlignment = 32
    /// Limits far above every real file, so that a forged one cannot fill the memory with names.
    static let mostTensors = 1 << 18
    static let mostKeys = 1 << 16
    static let longestName = 64
    static let longestKey = 65535
    static let largestAlignment = 1 << 20

    /// As it was given, for errors.
    public let path: String
    /// 2 or 3; others are refused.
    public let version: Int
    /// By key, such as "general.architecture".
    public let metadata: [String: GGUFValue]
    /// The tensors in the order of their data.
    public let entries: [GGUFEntry]
    private let file: MappedFile
    private let index: [String: Int]

    /// - Throws: `FileError` with the reason when the file cannot be opened or breaks the format in any way.
    public convenience init(path: String) throws { try self.init(file: MappedFile(path: path)) }

    /// - Throws: `FileError` with the reason when the file breaks the format in any way.
    public init(file: MappedFile) throws {
        var cursor = GGUFCursor(file, 0..<file.count)
        let version = try Self.version(&cursor)
        // A description is at least a name's length, one letter, dimensions, a type and an offset; a pair a key, a type, a byte.
        let tensors = try cursor.count("tensors", size: 8 + 1 + 4 + 8 + 4 + 8),
            keys = try cursor.count("keys", size: 8 + 1 + 4 + 1)
        guard tensors <= Self.mostTensors, keys <= Self.mostKeys else {
            throw cursor.refuse(
                "it claims \(tensors) tensors and \(keys) keys; at most \(Self.mostTensors) and \(Self.mostKeys) are read")
        }
        let metadata = try Self.metadata(&cursor, keys)
        let alignment = try Self.alignment(metadata["general.alignment"], cursor)
        let entries = try Self.entries(&cursor, tensors, alignment)
        var index: [String: Int] = [:]
        for (i, entry) in entries.enumerated() {
            guard index.updateValue(i, forKey: entry.name) == nil else {
                throw cursor.refuse("the tensor '\(entry.name)' comes twice")
            }
        }
        path = file.path
        self.version = version
        self.metadata = metadata
        self.entries = entries
        self.file = file
        self.index = index
    }

    /// nil when the file has no tensor of that name.
    public func entry(_ name: String) -> GGUFEntry? { index[name].map { entries[$0] } }

    /// The bytes of one of this file's entries; valid as long as this object lives.
    public func bytes(_ entry: GGUFEntry) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: file.bytes[entry.range.clamped(to: 0..<file.count)])
    }

    // MARK: Header

    private static func version(_ cursor: inout GGUFCursor) throws -> Int {
        let start = try cursor.skip(4)
        guard cursor.file.bytes[start..<start + 4].elementsEqual(magic) else {
            throw cursor.refuse("it does not begin with 'GGUF'")
        }
        let version = try cursor.integer(UInt32.self)
        if version == UInt32(2).byteSwapped || version == UInt32(3).byteSwapped {
            throw FileError(
                path: cursor.file.path, operation: "read the GGUF file",
                reason: "it is in big-endian order; turn it with gguf-py's gguf_convert_endian.py")
        }
        guard version == 2 || version == 3 else {
            throw FileError(
                path: cursor.file.path, operation: "read the GGUF file",
                reason: "it has version \(version); 2 and 3 are read, convert the model again with a newer llama.cpp")
        }
        return Int(version)
    }

    private static func metadata(_ cursor: inout GGUFCursor, _ count: Int) throws -> [String: GGUFValue] {
        var metadata: [String: GGUFValue] = [:]
        for _ in 0..<count {
            let key = try cursor.name("key", longest: longestKey), type = try cursor.type()
            guard metadata.updateValue(try cursor.scalar(type), forKey: key) == nil else {
                throw cursor.refuse("the key '\(key.prefix(80))' comes twice")
            }
        }
        return metadata
    }

    private static func alignment(_ value: GGUFValue?, _ cursor: GGUFCursor) throws -> Int {
        guard let value else { return defaultAlignment }
        guard let alignment = value.integer, (1...largestAlignment).contains(alignment), alignment & (alignment - 1) == 0 else {
            throw cursor.refuse("its general.alignment is no power of two from 1 to \(largestAlignment)")
        }
        return alignment
    }

    /// The tensor descriptions; as ggml demands, each tensor begins at the first aligned place after the one before.
    private static func entries(_ cursor: inout GGUFCursor, _ count: Int, _ alignment: Int) throws -> [GGUFEntry] {
        var found: [(name: String, type: GGUFTensorType, shape: [Int], offset: Int, bytes: Int)] = []
        var next = 0
        for _ in 0..<count {
            let name = try cursor.name("tensor's name", longest: longestName)
            let shape = try shape(&cursor, name)
            let code = try cursor.integer(UInt32.self), offset = try cursor.integer(UInt64.self)
            guard let type = GGUFTensorType.known[code] else {
                throw cursor.refuse("the tensor '\(name)' has the unknown type \(code)")
            }
            guard let elements = TensorSource.count(shape), (shape.last ?? 0) % type.blockSize == 0,
                let bytes = type.byteCount(elements), bytes <= cursor.file.count
            else { throw cursor.refuse("the tensor '\(name)' of type \(type.name) and shape \(shape) does not fit the file") }
            guard offset == UInt64(next) else {
                throw cursor.refuse("the tensor '\(name)' begins at data byte \(offset), \(next) is where the one before it ends")
            }
            found.append((name, type, shape, next, bytes))
            // Both are at most the file's size plus an alignment: no sum can overflow.
            next = (next + bytes + alignment - 1) / alignment * alignment
            guard next - alignment < cursor.file.count else {
                throw cursor.refuse("its tensors take more bytes than the file's \(cursor.file.count)")
            }
        }
        let start = (cursor.position + alignment - 1) / alignment * alignment
        return try found.map { tensor in
            let low = start + tensor.offset, high = low + tensor.bytes
            guard high <= cursor.file.count else {
                throw cursor.refuse(
                    "the tensor '\(tensor.name)' ends at byte \(high), the file at \(cursor.file.count): it was cut off")
            }
            return GGUFEntry(name: tensor.name, type: tensor.type, shape: tensor.shape, range: low..<high)
        }
    }

    private static func shape(_ cursor: inout GGUFCursor, _ name: String) throws -> [Int] {
        let dimensions = try cursor.integer(UInt32.self)
        guard (1...4).contains(dimensions) else {
            throw cursor.refuse("the tensor '\(name)' has \(dimensions) dimensions; 1 to 4 are possible")
        }
        var shape: [Int] = []
        for _ in 0..<dimensions {
            let size = try cursor.integer(UInt64.self)
            guard (1...UInt64(1) << 40).contains(size) else {
                throw cursor.refuse("the tensor '\(name)' has a dimension of \(size)")
            }
            shape.append(Int(size))
        }
        return shape.reversed()
    }

    // MARK: Tensors

    /// A tensor as float32, under another name.
    ///
    /// - Throws: `FileError` when there is none, or its type is not read.
    func source(_ name: String, as newName: String) throws -> TensorSource {
        guard let entry = entry(name) else {
            throw FileError(path: path, operation: "use the model", reason: "it has no tensor '\(name)'")
        }
        guard GGUFTensorType.readable.contains(entry.type) else {
            let types = GGUFTensorType.readable.map(\.name).joined(separator: ", ")
            throw FileError(
                path: path, operation: "use the model",
                reason:
                    "its tensor '\(name)' has the type \(entry.type.name); \(types) are read, so take a file in one of them, or "
                    + "make one with `llama-quantize --allow-requantize FILE OUT F16`")
        }
        let type = entry.type
        return TensorSource(name: newName, dtype: .float32, shape: entry.shape) { [self] piece, offset in
            let values = piece.bindMemory(to: Float.self), bytes = bytes(entry)
            GGUFBlocks.decode(bytes, type, from: offset / 4, into: values)
        }
    }
}
