// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import RunLog
import Storage
import Testing
import Tokenization

/// Against real data that is not part of the repository; each says aloud when it is not there.
struct SharedDataTests {
    @Test func tinyShakespeareHasNanoGPTsCounts() throws {
        guard let file = sharedData("data/tinyshakespeare.txt", for: "tinyShakespeareHasNanoGPTsCounts") else { return }
        let folder = try TemporaryFolder()
        // nanoGPT's readme: vocab size 65, train has 1,003,854 tokens, val has 111,540 tokens.
        let manifest = try Preparer(options: PrepareOptions(sources: [file], out: folder("out"), tokenizer: .char)).run()
        #expect(manifest.tokenizer.vocabSize == 65)
        #expect(manifest.train.tokens == 1_003_854 && manifest.val.tokens == 111_540)
    }

    @Test func parquetFilesHaveTheirDocuments() throws {
        guard let expected = sharedData("data/parquet/expected.json", for: "parquetFilesHaveTheirDocuments") else { return }
        let data = try Data(contentsOf: URL(fileURLWithPath: expected))
        let facts = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let parquet = (expected as NSString).deletingLastPathComponent
        let names = Folder.names(parquet).filter { $0.hasSuffix(".parquet") }
        #expect(names.count == 8)
        for name in names {
            let hasNulls = (facts["null_files"] as? [String])?.contains(String(name.dropLast(8))) == true
            let prefix = hasNulls ? "null_files_" : ""
            // Whole row groups by workers, and streamed in batches: the same documents.
            var files: [[UInt8]] = []
            for wholeRowGroup in [32 << 20, 0] {
                let folder = try TemporaryFolder()
                var options = PrepareOptions(
                    sources: [parquet + "/" + name], out: folder("out"), tokenizer: .ready(ByteTokenizer()))
                options.valFraction = 0
                options.workers = 3
                options.reading.wholeRowGroup = wholeRowGroup
                options.reading.batchSize = 100_000
                let manifest = try Preparer(options: options).run()
                let emptyCount = manifest.audit.emptyDocuments ?? 0
                #expect(manifest.train.documents + emptyCount == facts[prefix + "documents"] as? Int, "\(name)")
                #expect((manifest.audit.nullDocuments ?? 0) == (hasNulls ? 11 : 0))
                if !hasNulls { #expect(manifest.train.bytes == facts["utf8_bytes"] as? Int) }
                if emptyCount == 0 {
                    let joined = try folder.ids("out/train.bin").dropLast().map { $0 == 256 ? 0 : UInt8($0) }
                    #expect(
                        SHA256.hex(of: joined) == facts[(hasNulls ? prefix : "") + "text_sha256_joined_by_0"] as? String,
                        "\(name)")
                }
                files.append(try folder.bytes("out/train.bin"))
            }
            #expect(files[0] == files[1])
        }
    }

    @Test func gpt2IdsOfARealTextDoNotDependOnPieces() throws {
        guard let file = sharedData("data/english-16mb.txt.gz", for: "gpt2IdsOfARealTextDoNotDependOnPieces"),
            let vocabulary = sharedData("data/gpt2", for: "gpt2IdsOfARealTextDoNotDependOnPieces")
        else { return }
        let folder = try TemporaryFolder()
        for (out, size) in [("small", 30_000), ("large", 1 << 26)] {
            var options = PrepareOptions(sources: [file], out: folder(out), tokenizer: .gpt2(vocab: vocabulary))
            options.reading.batchSize = size
            options.workers = 2
            _ = try Preparer(options: options).run()
        }
        #expect(try folder.bytes("small/train.bin") == folder.bytes("large/train.bin"))
        #expect(try folder.bytes("small/val.bin") == folder.bytes("large/val.bin"))
    }

    @Test func goldenTokensAreReadInTheGoldenOrder() throws {
        guard let path = sharedData("golden/nanogpt-tiny-bias/tokens.bin", for: "goldenTokensAreReadInTheGoldenOrder") else {
            return
        }
        let file = try TokenFile(path: path)
        try file.validate(vocabularySize: 500)
        let samples = try TokenSamples(
            split: TokenSplit(name: "train", files: [file]), kind: .sequential, seed: 0, blockSize: 48)
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let ids = data.withUnsafeBytes { raw in
            (0..<raw.count / 2).map { Int32(UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self))) }
        }
        // 30 steps of 2 micro-batches of 4 samples.
        for index in 0..<240 {
            let (tokens, targets) = OrderTests.sample(samples, index)
            #expect(tokens == Array(ids[index * 48..<(index + 1) * 48]))
            #expect(targets == Array(ids[index * 48 + 1..<(index + 1) * 48 + 1]))
        }
    }
}
