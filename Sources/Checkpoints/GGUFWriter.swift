// SPDX-License-Identifier: MIT
import Compute
import Storage

/// Writes a GGUF file of version 3 front to back, with one buffer's memory, and puts it in place whole.
public enum GGUFWriter {
    /// A metadata value with the type that is written.
    public enum Value: Sendable {
        /// GGUF's type 4.
        case uint32(UInt32)
        /// GGUF's type 6.
        case float32(Float)
        /// GGUF's type 7: one byte, 0 or 1.
        case bool(Bool)
        /// GGUF's type 8: UTF-8 after its length.
        case string(String)
        /// An array (type 9) of strings.
        case strings([String])
        /// An array (type 9) of int32.
        case int32s([Int32])
    }

    /// A tensor and the type that it is written in.
    public struct Tensor: Sendable {
        /// As llama.cpp looks for it, such as "token_embd.weight"; fewer than 64 bytes.
        public let name: String
        /// What the float32 source is rounded to.
        public let type: GGUFTensorType
        /// Float32; the last dimension is a multiple of the type's block.
        public let source: TensorSource

        /// `source` may be larger than memory; it is read a piece at a time.
        public init(name: String, type: GGUFTensorType, source: TensorSource) {
            self.name = name
            self.type = type
            self.source = source
        }
    }

    /// Writes a file.
    ///
    /// - Returns: its bytes.
    /// - Throws: `FileError` when a name or shape does not do, a number does not fit its type, or the file cannot be written.
    @discardableResult
    public static func write(
        path: String, metadata: [(key: String, value: Value)], tensors: [Tensor], calls: FileCalls = .system
    ) throws -> Int {
        let sizes = try tensors.map { try byteCount($0, path: path) }
        let file = try AtomicFileWriter(path: path, calls: calls)
        try header(metadata, tensors, sizes).withUnsafeBytes { try file.write($0) }
        // A multiple of every type's block, and of float32's four bytes where blocks are single numbers.
        let piece = (4 << 20) / (34 * 4) * (34 * 4)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(136, min(piece, sizes.max() ?? 0)), alignment: 64)
        defer { buffer.deallocate() }
        for (tensor, size) in zip(tensors, sizes) {
            let fill = tensor.source.encoded(as: tensor.type)
            var offset = 0
            while offset < size {
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[0..<min(buffer.count, size - offset)])
                try fill(piece, offset)
                try file.write(UnsafeRawBufferPointer(piece))
                offset += piece.count
            }
            try [UInt8](repeating: 0, count: padding(size)).withUnsafeBytes { try file.write($0) }
        }
        try file.commit()
        return file.count
    }

    private static func byteCount(_ tensor: Tensor, path: String) throws -> Int {
        let source = tensor.source
        guard source.dtype == .float32, (1...4).contains(source.shape.count), let count = source.count,
            (source.shape.last ?? 0) % tensor.type.blockSize == 0, let bytes = tensor.type.byteCount(count),
            tensor.name.utf8.count < GGUFFile.longestName
        else {
            throw FileError(
                path: path, operation: "write",
                reason: "the tensor '\(tensor.name)' of shape \(source.shape) cannot be written as \(tensor.type.name)")
        }
        return bytes
    }

    private static func padding(_ count: Int) -> Int {
        (GGUFFile.defaultAlignment - count % GGUFFile.defaultAlignment) % GGUFFile.defaultAlignment
    }

    /// Everything before the data, padded.
    private static func header(_ metadata: [(key: String, value: Value)], _ tensors: [Tensor], _ sizes: [Int]) -> [UInt8] {
        var bytes = GGUFFile.magic
        append(UInt32(3), to: &bytes)
        append(UInt64(tensors.count), to: &bytes)
        append(UInt64(metadata.count), to: &bytes)
        for (key, value) in metadata {
            append(key, to: &bytes)
            append(value, to: &bytes)
        }
        var offset = 0
        for (tensor, size) in zip(tensors, sizes) {
            append(tensor.name, to: &bytes)
            append(UInt32(tensor.source.shape.count), to: &bytes)
            for dimension in tensor.source.shape.reversed() { append(UInt64(dimension), to: &bytes) }
            append(tensor.type.code, to: &bytes)
            append(UInt64(offset), to: &bytes)
            offset += size + padding(size)
        }
        return bytes + [UInt8](repeating: 0, count: padding(bytes.count))
    }

    private static func append(_ value: Value, to bytes: inout [UInt8]) {
        func begin(_ type: GGUFScalar) { append(type.rawValue, to: &bytes) }
        switch value {
        case .uint32(let value):
            begin(.uint32)
            append(value, to: &bytes)
        case .float32(let value):
            begin(.float32)
            append(value.bitPattern, to: &bytes)
        case .bool(let value):
            begin(.bool)
            bytes.append(value ? 1 : 0)
        case .string(let value):
            begin(.string)
            append(value, to: &bytes)
        case .strings(let values):
            begin(.array)
            begin(.string)
            append(UInt64(values.count), to: &bytes)
            for value in values { append(value, to: &bytes) }
        case .int32s(let values):
            begin(.array)
            begin(.int32)
            append(UInt64(values.count), to: &bytes)
            for value in values { append(value, to: &bytes) }
        }
    }

    private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private static func append(_ text: String, to bytes: inout [UInt8]) {
        append(UInt64(text.utf8.count), to: &bytes)
        bytes.append(contentsOf: text.utf8)
    }
}
