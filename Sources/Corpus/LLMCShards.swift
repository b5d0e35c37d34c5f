// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Writes the tokens of a dataset as llm.c's shards: 256 int32 words (magic, version, number of tokens), then uint16 ids.
///
/// - Note: Source: llm.c, dev/data/data_common.py and llmc/dataloader.h.
public enum LLMCShards {
    /// Tokens of a shard in llm.c's own scripts.
    public static let usualTokens = 100_000_000
    /// llm.c's loader finds its place in a shard with a 32-bit number of bytes.
    public static let mostTokens = 1_000_000_000

    /// One file that was written.
    public struct Shard: Sendable, Equatable {
        /// Without its folder, such as "NAME_train_000001.bin".
        public let name: String
        /// Without the header's 256 words; at most `mostTokens`.
        public let tokens: Int
    }

    /// Writes a split as `NAME_val_000000.bin` or `NAME_train_000001.bin` and so on, the names that llm.c's scripts make.
    ///
    /// The shards are of nearly equal length, because llm.c refuses one that is shorter than a batch.
    /// - Parameters:
    ///   - split: what is written, in its order
    ///   - name: NAME in the files' names
    ///   - shardTokens: the longest shard, 1...`mostTokens`
    ///   - folder: exists
    ///   - calls: the system calls that write; tests give ones that fail
    /// - Throws: `CorpusError` when an id does not fit uint16, `FileError` when a file cannot be written.
    public static func write(
        _ split: TokenSplit, name: String, shardTokens: Int, to folder: String, calls: FileCalls = .system
    ) throws -> [Shard] {
        let longest = min(max(1, shardTokens), mostTokens)
        let shards = (split.count + longest - 1) / longest
        return try (0..<shards).map { index in
            let low = split.count / shards * index + min(index, split.count % shards)
            let count = split.count / shards + (index < split.count % shards ? 1 : 0)
            let number = split.name == "val" ? index : index + 1
            let digits = String(number)
            let file = "\(name)_\(split.name)_" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits + ".bin"
            try write(split, low..<low + count, path: folder + "/" + file, calls: calls)
            return Shard(name: file, tokens: count)
        }
    }

    private static func write(_ split: TokenSplit, _ range: Range<Int>, path: String, calls: FileCalls) throws {
        let file = try AtomicFileWriter(path: path, calls: calls)
        var words = [Int32](repeating: 0, count: TokenFile.headerBytes / 4)
        words[0] = TokenFile.shardMagic.littleEndian
        words[1] = Int32(1).littleEndian
        words[2] = Int32(clamping: range.count).littleEndian
        try words.withUnsafeBytes { try file.write($0) }
        var ids = [Int32](repeating: 0, count: 1 << 16), narrow = [UInt16](repeating: 0, count: 1 << 16)
        var position = range.lowerBound
        while position < range.upperBound {
            let count = min(ids.count, range.upperBound - position)
            ids.withUnsafeMutableBufferPointer { buffer in
                if let start = buffer.baseAddress { split.copy(from: position, length: count, to: start) }
            }
            for i in 0..<count {
                guard let id = UInt16(exactly: UInt32(bitPattern: ids[i])) else {
                    throw CorpusError.data(
                        path,
                        "token \(position + i) of the \(split.name) split is id \(UInt32(bitPattern: ids[i])); llm.c's shards for GPT-2 "
                            + "end at 65535: prepare the data with a vocabulary of at most 65,536 ids")
                }
                narrow[i] = id.littleEndian
            }
            try narrow.withUnsafeBytes { try file.write(UnsafeRawBufferPointer(rebasing: $0[..<(count * 2)])) }
            position += count
        }
        try file.commit(synchronizeFolder: false)
    }
}
