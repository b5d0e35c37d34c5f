// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import Storage
import Testing

@Suite struct LLMCShardTests {
    private func folder() throws -> String {
        let path = NSTemporaryDirectory() + "apus-llmc-\(UUID().uuidString)"
        try Folder.create(path)
        return path
    }

    private func write(_ ids: [UInt32], _ type: TokenType, to path: String) throws {
        var data = Data()
        for id in ids {
            if type == .uint16 {
                withUnsafeBytes(of: UInt16(id).littleEndian) { data.append(contentsOf: $0) }
            } else {
                withUnsafeBytes(of: id.littleEndian) { data.append(contentsOf: $0) }
            }
        }
        try data.write(to: URL(fileURLWithPath: path))
    }

    private func ids(_ split: TokenSplit) -> [Int32] {
        var ids = [Int32](repeating: -1, count: split.count)
        ids.withUnsafeMutableBufferPointer { buffer in
            if let start = buffer.baseAddress { split.copy(from: 0, length: split.count, to: start) }
        }
        return ids
    }

    @Test func shardsHoldTheSameTokensInTheSameOrder() throws {
        let path = try folder()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let train = (0..<200_003).map { UInt32($0 * 7919 % 50_257) }, val = (0..<11).map { UInt32(65_535 - $0) }
        try write(train, .uint16, to: path + "/train.bin")
        try write(val, .uint16, to: path + "/val.bin")
        let dataset = try TokenDataset.open(folder: path), out = path + "/out"
        try Folder.create(out)
        let valShards = try LLMCShards.write(try #require(dataset.val), name: "web", shardTokens: 100_000, to: out)
        let trainShards = try LLMCShards.write(dataset.train, name: "web", shardTokens: 100_000, to: out)
        // llm.c's names and numbers; three shards of nearly the same length, because it refuses one shorter than a batch.
        #expect(valShards.map(\.name) == ["web_val_000000.bin"] && valShards.map(\.tokens) == [11])
        #expect(trainShards.map(\.name) == ["web_train_000001.bin", "web_train_000002.bin", "web_train_000003.bin"])
        #expect(trainShards.map(\.tokens) == [66_668, 66_668, 66_667])
        let read = try TokenDataset.open(folder: out)
        #expect(read.train.files.allSatisfy(\.isShard) && ids(read.train) == train.map { Int32($0) })
        #expect(try ids(#require(read.val)) == val.map { Int32($0) })
        // The header, word by word.
        let bytes = try Data(contentsOf: URL(fileURLWithPath: out + "/web_val_000000.bin"))
        let words = bytes.withUnsafeBytes { bytes in (0..<256).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self) }
        }
        #expect(words[..<3] == [20_240_520, 1, 11] && words[3...].allSatisfy { $0 == 0 } && bytes.count == 1024 + 22)
    }

    @Test func idsBeyondUInt16AreRefused() throws {
        let path = try folder()
        defer { try? FileManager.default.removeItem(atPath: path) }
        try write([1, 2, 65_536, 4], .uint32, to: path + "/train.bin")
        let dataset = try TokenDataset.open(folder: path, type: .uint32), out = path + "/out"
        try Folder.create(out)
        let error = #expect(throws: CorpusError.self) {
            try LLMCShards.write(dataset.train, name: "x", shardTokens: 100, to: out)
        }
        #expect(error?.description.contains("token 2 of the train split is id 65536") == true)
        #expect(Folder.names(out).isEmpty)
    }
}
