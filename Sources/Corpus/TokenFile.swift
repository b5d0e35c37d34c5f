// SPDX-License-Identifier: MIT
import Dispatch
import Foundation
import Storage
import Synchronization

/// How token ids are stored: little-endian, without sign.
public enum TokenType: String, Sendable, Codable {
    /// 2 or 4 bytes an id, so ids up to 65,535 or 2^32 - 1.
    case uint16, uint32

    /// Bytes of one id.
    public var size: Int { self == .uint16 ? 2 : 4 }

    /// The narrowest type for a vocabulary.
    public static func holding(vocabularySize: Int) -> TokenType { vocabularySize > 65536 ? .uint32 : .uint16 }
}

/// A file of token ids, mapped into memory: headerless as nanoGPT writes it, or an llm.c shard.
public final class TokenFile: Sendable {
    /// As it was given, for errors.
    public let path: String
    /// For an llm.c shard as its header says, else as the opener said.
    public let type: TokenType
    /// Number of ids.
    public let count: Int
    /// Whether the file begins with llm.c's header.
    public let isShard: Bool
    private let file: MappedFile
    // SAFETY: points into `file`'s read-only mapping, which lives as long as this object.
    nonisolated(unsafe) private let base: UnsafeRawPointer

    /// llm.c's header: 256 int32 words, of which magic, version and the number of tokens are used.
    /// - Note: Source: llm.c, dev/data/data_common.py.
    static let shardMagic: Int32 = 20_240_520
    static let headerBytes = 1024

    /// - Parameters:
    ///   - path: the file.
    ///   - type: the type of ids in a headerless file; an llm.c shard says itself.
    /// - Throws: `FileError` when the file cannot be read; `CorpusError` when its size or header does not do.
    public init(path: String, type: TokenType = .uint16) throws {
        self.path = path
        let file = try MappedFile(path: path)
        self.file = file
        guard file.count > 0, let start = file.bytes.baseAddress else {
            throw CorpusError.data(path, "it is empty; prepare the data again")
        }
        if let shard = try Self.shardHeader(file) {
            isShard = true
            self.type = shard.type
            count = shard.count
            base = start + Self.headerBytes
            return
        }
        if let kind = ForeignContent.kind(of: file.bytes) {
            throw CorpusError.data(
                path, "it looks like \(kind), not like token ids; make token files of it with `apus prepare \(path) --out DIR`")
        }
        guard file.count % type.size == 0 else {
            throw CorpusError.data(
                path,
                "its size of \(file.count) bytes is not a multiple of \(type.size), as \(type.rawValue) ids need: "
                    + "it was cut off, or it is no token file; prepare the data again")
        }
        isShard = false
        self.type = type
        count = file.count / type.size
        base = start
    }

    /// What llm.c's header says; nil when the file does not begin with one.
    private static func shardHeader(_ file: MappedFile) throws -> (count: Int, type: TokenType)? {
        func word(_ index: Int) -> Int32 {
            Int32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: index * 4, as: Int32.self))
        }
        // The version must be plausible too: ids 21512, 308 at the start of a headerless file make the same magic.
        guard file.count >= headerBytes, word(0) == shardMagic, (1...64).contains(word(1)) else { return nil }
        guard word(1) == 1 else {
            throw CorpusError.data(file.path, "its llm.c header says version \(word(1)); only version 1 (uint16, GPT-2) is known")
        }
        let count = Int(word(2)), body = file.count - headerBytes
        guard count > 0, body == count * 2 else {
            throw CorpusError.data(
                file.path,
                "its llm.c header says \(count) tokens, but \(body / 2) follow: it was cut off or damaged; get it again")
        }
        return (count, .uint16)
    }

    /// Writes `length` ids from a position on as Int32; the range must lie inside the file.
    package func copy(from position: Int, length: Int, to output: UnsafeMutablePointer<Int32>) {
        precondition(position >= 0 && length >= 0 && position + length <= count, "a range outside the token file '\(path)'")
        switch type {
        case .uint16:
            let ids = (base + position * 2).assumingMemoryBound(to: UInt16.self)
            for i in 0..<length { output[i] = Int32(UInt16(littleEndian: ids[i])) }
        case .uint32:
            let ids = (base + position * 4).assumingMemoryBound(to: UInt32.self)
            for i in 0..<length { output[i] = Int32(truncatingIfNeeded: UInt32(littleEndian: ids[i])) }
        }
    }

    /// Calls a function with ids in pieces, in order.
    package func forEachPiece(_ range: Range<Int>, _ body: (UnsafeBufferPointer<Int32>) -> Void) {
        let size = 1 << 16
        let piece = UnsafeMutableBufferPointer<Int32>.allocate(capacity: size)
        defer { piece.deallocate() }
        guard let start = piece.baseAddress else { return }
        var position = range.lowerBound
        while position < range.upperBound {
            let length = min(size, range.upperBound - position)
            copy(from: position, length: length, to: start)
            body(UnsafeBufferPointer(start: start, count: length))
            position += length
        }
    }

    /// The bytes of the ids as they lie in the file.
    package var idBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count * type.size) }

    /// The largest id, found by all cores.
    public func largestID() -> UInt32 { largestID(in: 0..<count) }

    /// The largest id of a range, found by all cores; 0 for an empty one. What lies outside the file is left out.
    public func largestID(in range: Range<Int>) -> UInt32 {
        let range = range.clamped(to: 0..<count)
        let chunk = 1 << 22, chunks = (range.count + chunk - 1) / chunk
        let largest = Mutex<UInt32>(0)
        DispatchQueue.concurrentPerform(iterations: chunks) { index in
            let start = range.lowerBound + index * chunk
            let found = maximum(of: start..<min(range.upperBound, start + chunk))
            largest.withLock { $0 = max($0, found) }
        }
        return largest.withLock { $0 }
    }

    private func maximum(of range: Range<Int>) -> UInt32 {
        if type == .uint32 {
            let ids = base.assumingMemoryBound(to: UInt32.self)
            var result: UInt32 = 0
            for i in range { result = max(result, UInt32(littleEndian: ids[i])) }
            return result
        }
        let ids = base.assumingMemoryBound(to: UInt16.self)
        var result: UInt16 = 0
        for i in range { result = max(result, UInt16(littleEndian: ids[i])) }
        return UInt32(result)
    }

    /// Checks that every id is inside a vocabulary; reads the whole file.
    ///
    /// - Throws: `CorpusError` naming the first id that is not, and its position.
    public func validate(vocabularySize: Int) throws { try validate(vocabularySize: vocabularySize, in: 0..<count) }

    /// Checks the ids of a range; what lies outside the file is left out.
    ///
    /// - Throws: `CorpusError` as above.
    public func validate(vocabularySize: Int, in range: Range<Int>) throws {
        let range = range.clamped(to: 0..<count)
        guard Int(largestID(in: range)) >= vocabularySize else { return }
        var position = range.lowerBound, found: (position: Int, id: UInt32)?
        forEachPiece(range) { piece in
            if found == nil, let i = piece.firstIndex(where: { Int(UInt32(bitPattern: $0)) >= vocabularySize }) {
                found = (position + i, UInt32(bitPattern: piece[i]))
            }
            position += piece.count
        }
        guard let found else { return }
        throw CorpusError.data(
            path,
            "token \(found.position) is id \(found.id), but the vocabulary has \(vocabularySize) ids "
                + "(0 to \(vocabularySize - 1)): "
                + "it was made with another tokenizer, or holds \(type == .uint16 ? "uint32" : "uint16") ids; "
                + "set vocab_size to that tokenizer's, or prepare the data again")
    }
}
