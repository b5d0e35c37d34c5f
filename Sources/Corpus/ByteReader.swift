// SPDX-License-Identifier: MIT
import Foundation
import Parquet
import Storage

/// Reads a file piece by piece, decompressing it on the way.
final class ByteReader {
    let path: String
    /// The share of the file that was read, 0...1.
    var fraction: Double { size == 0 ? 1 : min(1, Double(position) / Double(size)) }
    private var file: Int32
    private let size: Int
    private var position = 0
    private let decompressor: Decompressor?
    private let buffer: UnsafeMutableRawBufferPointer
    private var ended = false

    /// - Parameter pieceSize: bytes read from the disk at once.
    init(path: String, compression: Decompressor.Kind?, pieceSize: Int) throws {
        self.path = path
        file = open(path, O_RDONLY | O_CLOEXEC)
        if file < 0 { throw FileError(path: path, operation: "open", errno: errno) }
        var status = stat()
        size = fstat(file, &status) == 0 ? Int(status.st_size) : 0
        do { decompressor = try compression.map { try Decompressor(kind: $0) } } catch {
            close(file)
            throw error
        }
        buffer = .allocate(byteCount: max(pieceSize, 1), alignment: 16)
    }

    deinit {
        close(file)
        buffer.deallocate()
    }

    /// Reads the next piece and hands on its text, in one or more parts.
    ///
    /// - Returns: false when the file has ended; then nothing was handed on.
    /// - Throws: `FileError`, `CorpusError` when a compressed file is damaged or cut off.
    func read(_ output: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool {
        if ended { return false }
        var count = Foundation.read(file, buffer.baseAddress, buffer.count)
        while count < 0 && errno == EINTR { count = Foundation.read(file, buffer.baseAddress, buffer.count) }
        if count < 0 { throw FileError(path: path, operation: "read", errno: errno) }
        do {
            if count == 0 {
                ended = true
                try decompressor?.finish()
                return false
            }
            position += count
            let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            if let decompressor {
                try decompressor.decompress(piece, output: output)
            } else {
                try output(piece)
            }
        } catch let error as DecompressionError {
            throw CorpusError.data(path, "\(error)")
        }
        return true
    }
}
