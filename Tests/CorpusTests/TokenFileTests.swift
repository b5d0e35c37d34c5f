// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import RunLog
import Testing

struct TokenFileTests {
    /// An llm.c shard.
    static func shard(_ ids: [Int], version: Int32 = 1, count: Int32? = nil) -> [UInt8] {
        var header = [Int32](repeating: 0, count: 256)
        (header[0], header[1], header[2]) = (20_240_520, version, count ?? Int32(ids.count))
        return header.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } } + tokenBytes(ids)
    }

    private func ids(_ split: TokenSplit, _ range: Range<Int>) -> [Int32] {
        var output = [Int32](repeating: -1, count: range.count)
        split.copy(from: range.lowerBound, length: range.count, to: &output)
        return output
    }

    @Test func filesThatAreNoTokenFilesAreExplained() throws {
        let folder = try TemporaryFolder()
        func refusal(_ bytes: [UInt8], _ type: TokenType = .uint16) throws -> String {
            let file = try folder.write("x.bin", bytes)
            return message { try TokenFile(path: file, type: type) }
        }
        #expect(try refusal([1, 2, 3]).contains("its size of 3 bytes is not a multiple of 2, as uint16 ids need"))
        #expect(try refusal([1, 2, 3, 4, 5, 6], .uint32).contains("not a multiple of 4"))
        #expect(try refusal([]).contains("it is empty"))
        #expect(try refusal(Self.shard([1, 2, 3], count: 5)).contains("says 5 tokens, but 3 follow"))
        #expect(try refusal(Self.shard([1, 2, 3], count: -5)).contains("says -5 tokens"))
        #expect(try refusal(Self.shard([1, 2, 3], version: 7)).contains("version 7; only version 1"))
        #expect(message { try TokenFile(path: folder("none.bin")) }.contains("no such file"))
        #expect(message { try TokenFile(path: folder.path) }.contains("it is not a regular file"))
    }

    @Test func shardsAreRead() throws {
        let folder = try TemporaryFolder()
        let file = try TokenFile(path: folder.write("x.bin", Self.shard([5, 50256, 7])))
        #expect(file.isShard && file.count == 3 && file.largestID() == 50256)
        var output = [Int32](repeating: 0, count: 3)
        file.copy(from: 0, length: 3, to: &output)
        #expect(output == [5, 50256, 7])
    }

    @Test func idsBeyondTheVocabularyAreNamed() throws {
        let folder = try TemporaryFolder()
        var values = (0..<9_000_000).map { $0 % 400 }
        values[8_123_456] = 65535
        values[8_999_999] = 500
        let file = try TokenFile(path: folder.write("x.bin", tokenBytes(values)))
        #expect(file.largestID() == 65535)
        try file.validate(vocabularySize: 65536)
        let text = message { try file.validate(vocabularySize: 500) }
        #expect(text.contains("token 8123456 is id 65535, but the vocabulary has 500 ids (0 to 499)"))
    }

    @Test func wideFilesAreRead() throws {
        let folder = try TemporaryFolder()
        let wide: [UInt8] = [1, 0, 1, 0, 255, 255, 255, 255, 2, 0, 0, 0]
        let file = try TokenFile(path: folder.write("x.bin", wide), type: .uint32)
        #expect(file.count == 3 && file.largestID() == .max)
        #expect(message { try file.validate(vocabularySize: 70_000) }.contains("token 1 is id 4294967295"))
    }

    @Test func piecesReachOverTheEdgesOfShards() throws {
        let folder = try TemporaryFolder()
        try folder.write("fineweb_train_000002.bin", Self.shard([3, 4]))
        try folder.write("fineweb_train_000001.bin", Self.shard([0, 1, 2]))
        try folder.write("fineweb_train_000010.bin", Self.shard([5, 6, 7, 8]))
        try folder.write("fineweb_val_000000.bin", Self.shard([9, 9]))
        try folder.write("constrain_1.bin", "not one of them!")
        let dataset = try TokenDataset.open(folder: folder.path)
        #expect(dataset.train.files.count == 3 && dataset.train.count == 9)
        #expect(dataset.val?.count == 2)
        for low in 0...9 {
            for high in low...9 { #expect(ids(dataset.train, low..<high) == (low..<high).map(Int32.init)) }
        }
    }

    @Test func foldersOfNanoGPTWorkWithoutManifest() throws {
        let folder = try TemporaryFolder()
        try folder.write("train.bin", tokenBytes([1, 2, 3]))
        try folder.write("val.bin", tokenBytes([4]))
        let dataset = try TokenDataset.open(folder: folder.path)
        #expect(dataset.train.count == 3 && dataset.val?.count == 1)
        #expect(dataset.manifest == nil && dataset.tokenizerPath == nil)
        #expect(dataset.runData.trainTokens == 3 && dataset.runData.tokenizer == "unknown")
    }

    @Test func foldersThatAreNoDatasetsAreExplained() throws {
        let folder = try TemporaryFolder()
        #expect(message { try TokenDataset.open(folder: folder("none")) }.contains("apus prepare SOURCE --out"))
        #expect(message { try TokenDataset.open(folder: folder.path) }.contains("it has no train.bin and no shards"))
    }

    @Test func aManifestIsNotTrusted() throws {
        let folder = try TemporaryFolder()
        try folder.write("train.bin", tokenBytes([1, 2, 3]))
        func opening(_ change: (inout DatasetManifest) -> Void) throws -> String {
            var manifest = DatasetManifest(
                version: "0", tokenizer: .init(name: "bpe", vocabSize: 10, endOfText: nil, sha256: ""), dtype: "uint16")
            manifest.files = [.init(name: "train.bin", split: "train", tokens: 3, bytes: 6, crc32c: "")]
            change(&manifest)
            try folder.write("dataset.json", Array(try manifest.encoded()))
            return message { try TokenDataset.open(folder: folder.path) }
        }
        #expect(try opening { $0.files[0].tokens = 4 }.contains("it has 3 tokens, dataset.json says 4"))
        for name in ["../train.bin", "/etc/passwd", "a/../../train.bin", "..", ".", "", "train.bin\u{0}", "a\nb"] {
            #expect(try opening { $0.files[0].name = name }.contains("outside its folder"), "\(name)")
        }
        #expect(try opening { $0.dtype = "int8" }.contains("known are uint16 and uint32"))
        #expect(try opening { $0.files = [] }.contains("no train.bin"))
    }

    @Test func bytesOfTokens() throws {
        let folder = try TemporaryFolder()
        try folder.write("train.bin", tokenBytes([65, 66, 256, 67, 256, 300]))
        let split = try TokenDataset.open(folder: folder.path).train
        let lengths = TokenByteLengths(ByteTokenizer())
        #expect(lengths.count(0..<6, of: split) == 3)
        #expect(lengths.count(1..<4, of: split) == 2)
        #expect(lengths.count(-5..<99, of: split) == 3)
        #expect(lengths.count(2..<2, of: split) == 0)
    }

    // ---- Audit of files that exist ----------------------------------------------------------------------------------

    @Test func anAuditFindsTheSpacingOfDocuments() throws {
        let folder = try TemporaryFolder()
        var ids: [Int] = []
        for length in 1...200 { ids += Array(repeating: length, count: length) + [50256] }
        try folder.write("train.bin", tokenBytes(ids))
        try folder.write("val.bin", tokenBytes(Array(ids.reversed())))
        let audit = try DatasetAudit.run(path: folder.path)
        #expect(audit.endOfText == 50256 && audit.largestId == 50256)
        #expect(audit.tokens == 2 * ids.count && audit.files.map(\.endOfTextTokens) == [200, 200])
        #expect(audit.errors.isEmpty)
        // 1...200 twice, but for the run behind the reversed file's last end-of-text, and the one before its first: nothing.
        #expect(audit.tokensPerDocumentPercentiles?[3] == 99 || audit.tokensPerDocumentPercentiles?[3] == 100)
        let counts = Dictionary(ids.map { ($0, 1.0) }, uniquingKeysWith: +)
        let total = Double(ids.count)
        let entropy = counts.values.reduce(0) { $0 - $1 / total * log($1 / total) }
        #expect(abs((audit.unigramEntropy ?? 0) - entropy) < 1e-9)
        #expect(try audit.json().contains("\"unigram_entropy\""))
    }

    @Test func anAuditFindsWhatIsWrong() throws {
        let folder = try TemporaryFolder()
        try folder.write("a/train_000001.bin", tokenBytes([1, 2, 3, 4]))
        try folder.write("a/train_000002.bin", tokenBytes([1, 2, 3, 4]))
        #expect(try DatasetAudit.run(path: folder("a")).errors.map(\.code) == ["identical-files"])
        // uint32 ids read as uint16.
        let wide = try folder.write("wide.bin", tokenBytes((0..<2000).flatMap { [$0 % 900 + 1, 0] }))
        #expect(try DatasetAudit.run(path: wide).warnings.map(\.code).contains("every-second-zero"))
        let beyond = try folder.write("beyond.bin", tokenBytes([1, 60_000, 2]))
        #expect(try DatasetAudit.run(path: beyond).warnings.map(\.code).contains("beyond-gpt2"))
        let lines = try folder.write("lines.bin", tokenBytes((0..<3000).map { $0 % 10 == 9 ? 50256 : $0 % 700 }))
        let audit = try DatasetAudit.run(path: lines)
        #expect(audit.warnings.map(\.code) == ["documents-are-lines"] && audit.tokensPerDocumentPercentiles?[3] == 9)
        let odd = try folder.write("odd.bin", [1, 2, 3])
        #expect(message { try DatasetAudit.run(path: odd) }.contains("not a multiple of 2"))
        let shard = try folder.write("shard.bin", Self.shard([1, 2, 3]))
        #expect(try DatasetAudit.run(path: shard).files.map(\.shard) == [true])
    }

    @Test func anAuditComparesWithTheManifest() throws {
        let folder = try TemporaryFolder()
        var options = PrepareOptions(sources: ["stories:300"], out: folder("d"), tokenizer: .ready(ByteTokenizer()))
        options.valFraction = 0.2
        let manifest = try Preparer(options: options).run()
        let audit = try DatasetAudit.run(path: folder("d"))
        #expect(audit.errors.isEmpty && audit.vocabSize == 257)
        #expect(audit.files.map(\.crc32c) == manifest.files.map(\.crc32c))
        #expect(abs((audit.unigramEntropy ?? 0) - (manifest.audit.unigramEntropy ?? 1)) < 1e-9)
        var bytes = try folder.bytes("d/train.bin")
        (bytes[10], bytes[11]) = (7, 200)
        try folder.write("d/train.bin", bytes)
        #expect(try DatasetAudit.run(path: folder("d")).errors.map(\.code) == ["beyond-vocabulary", "checksum"])
    }
}
