// SPDX-License-Identifier: MIT
import Compute
import Storage

/// Writes a safetensors file front to back, with one buffer's memory, and puts it in place whole.
///
/// The tensors lie in the file in the order given. Python's safetensors and transformers read the result.
public final class SafetensorsWriter {
    /// What must be known of every tensor before the first byte is written.
    public struct Description: Sendable, Equatable {
        /// Unique in the file; "__metadata__" is reserved.
        public let name: String
        /// Element type in the file; bytes are written as they come, without conversion.
        public let dtype: DType
        /// Empty for a scalar; the last dimension is contiguous.
        public let shape: [Int]

        /// The bytes that must follow are those of the shape's elements in `dtype`.
        public init(name: String, dtype: DType, shape: [Int]) {
            self.name = name
            self.dtype = dtype
            self.shape = shape
        }
    }

    /// transformers refuses files whose metadata does not name the framework they are laid out for.
    public static let defaultMetadata = ["format": "pt"]
    /// Bytes asked of a `TensorSource` at a time: large enough for the disk, small beside any model.
    public static let pieceSize = 4 << 20

    private let file: AtomicFileWriter
    private let expected: Int

    /// Bytes written so far, header included.
    public var byteCount: Int { file.count }
    /// CRC-32C of the bytes written so far.
    public var checksum: UInt32 { file.checksum }

    /// Creates the file under a temporary name and writes its header.
    ///
    /// - Throws: `FileError` when a name comes twice or is reserved, a shape is invalid, or the file cannot be written.
    public init(
        path: String, tensors: [Description], metadata: [String: String] = defaultMetadata, calls: FileCalls = .system
    ) throws {
        let (header, dataCount) = try Self.header(path: path, tensors: tensors, metadata: metadata)
        file = try AtomicFileWriter(path: path, calls: calls)
        expected = header.count + dataCount
        try header.withUnsafeBytes { try file.write($0) }
    }

    /// Writes the next bytes of the data: the tensors' little-endian bytes one after the other.
    ///
    /// - Throws: `FileError`; also when there are more bytes than the shapes announced.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard bytes.count <= expected - file.count else {
            throw FileError(
                path: file.path, operation: "write", reason: "more bytes came than the announced shapes take (\(expected) in all)"
            )
        }
        try file.write(bytes)
    }

    /// Flushes the file and gives it its name.
    ///
    /// - Throws: `FileError`; also when bytes are missing. The old file of that name, if any, is untouched then.
    public func commit(synchronizeFolder: Bool = true) throws {
        guard file.count == expected else {
            throw FileError(
                path: file.path, operation: "finish", reason: "\(file.count) of the announced \(expected) bytes were written")
        }
        try file.commit(synchronizeFolder: synchronizeFolder)
    }

    /// Size and checksum of a file that was written.
    public struct Written: Sendable, Equatable {
        /// Size of the file, header included.
        public let byteCount: Int
        /// CRC-32C of the whole file, header included.
        public let checksum: UInt32
    }

    /// Writes a whole file from sources, a piece at a time.
    @discardableResult
    public static func write(
        path: String, sources: [TensorSource], metadata: [String: String] = defaultMetadata, calls: FileCalls = .system,
        synchronizeFolder: Bool = true
    ) throws -> Written {
        let writer = try SafetensorsWriter(
            path: path, tensors: sources.map { .init(name: $0.name, dtype: $0.dtype, shape: $0.shape) }, metadata: metadata,
            calls: calls)
        let largest = sources.map { $0.byteCount ?? 0 }.max() ?? 0
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(8, min(largest, pieceSize)), alignment: 64)
        defer { buffer.deallocate() }
        for source in sources {
            let total = source.byteCount ?? 0
            var offset = 0
            while offset < total {
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[0..<min(buffer.count, total - offset)])
                try source.fill(piece, offset)
                try writer.write(UnsafeRawBufferPointer(piece))
                offset += piece.count
            }
        }
        try writer.commit(synchronizeFolder: synchronizeFolder)
        return Written(byteCount: writer.byteCount, checksum: writer.checksum)
    }

    /// Bytes that a file of these tensors takes, or nil when a shape is invalid.
    public static func byteCount(_ sources: [TensorSource], metadata: [String: String] = defaultMetadata) -> Int? {
        let tensors = sources.map { Description(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
        guard let (header, dataCount) = try? header(path: "", tensors: tensors, metadata: metadata) else { return nil }
        return header.count + dataCount
    }

    /// Length, JSON and padding; the data after it starts at a multiple of 8.
    private static func header(
        path: String, tensors: [Description], metadata: [String: String]
    ) throws -> (bytes: [UInt8], dataCount: Int) {
        func refuse(_ reason: String) -> FileError { FileError(path: path, operation: "write", reason: reason) }
        var members: [String] = [], names: Set<String> = [], offset = 0
        if !metadata.isEmpty {
            let pairs = metadata.sorted { $0.key < $1.key }.map { StrictJSON.quote($0.key) + ":" + StrictJSON.quote($0.value) }
            members.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
        }
        for tensor in tensors {
            guard tensor.name != "__metadata__", names.insert(tensor.name).inserted else {
                throw refuse("the tensor name '\(tensor.name)' comes twice or is reserved")
            }
            guard let size = TensorSource.byteCount(tensor.dtype, tensor.shape),
                case let (end, overflow) = offset.addingReportingOverflow(size), !overflow, end < Int.max >> 1
            else { throw refuse("the tensor '\(tensor.name)' has the impossible shape \(tensor.shape)") }
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            let type = SafetensorsHeader.name(tensor.dtype)
            members.append(
                "\(StrictJSON.quote(tensor.name)):{\"dtype\":\"\(type)\",\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}"
            )
            offset = end
        }
        var json = Array("{\(members.joined(separator: ","))}".utf8)
        json += [UInt8](repeating: 0x20, count: (8 - json.count % 8) % 8)
        guard json.count <= SafetensorsFile.maximumHeader else { throw refuse("the header would take \(json.count) bytes") }
        let length = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) }
        return (length + json, offset)
    }
}
