// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import Testing
import Tokenization

/// Small files that hold much text: what is in memory at a time must not grow with it.
struct PackedSourcesTests {
    /// A row group of 2.4 MB in 352 bytes: 10,000 times "ab " * 40, then 10,000 times "cd " * 40 but for row 19,990, a null.
    /// Written by `FileBuilder` of ParquetTests: zstd, RLE_DICTIONARY, one page.
    private static let dictionaryFile = """
        UEFSMQAAABUEFfADFT5MFQQVAAAAKLUv/SD4tQAAUHgAAABhYiBjZCADAFLP+cMKpKkzAhUAFSgVOiwVwLgCFRAVBhUGAAAotS/9IBShAAAHAAAA\
        rLgCAQX+AwGgnAEAnpwBAQAAABUEGWxIBnNjaGVtYRUGABUEJQAYAmlkABUMJQIYBHRleHQlAEwcAAAANQIYBHRhZ3MVAgA1BBgEbGlzdBUCABUM\
        JQIYB2VsZW1lbnQlAEwcAAAAFsC4AhkcGTwmABwVBBklBhAZGAJpZBUMFsC4AhYGFgYmCAAAJgAcFQwZJQYQGRgEdGV4dBUMFsC4Aha6ARa6ASZo\
        Jg4AACYAHBUMGSUGEBk4BHRhZ3MEbGlzdAdlbGVtZW50FQwWwLgCFgYWBibIAQAAFsYBFsC4AgAZHBgEbWFkZRgJZm9yIHRlc3RzABgLRmlsZUJ1\
        aWxkZXIZAADxAAAAUEFSMQ==
        """

    private func options(_ sources: [String], _ out: String, tokenizer: TokenizerChoice = .ready(ByteTokenizer()))
        -> PrepareOptions
    {
        var options = PrepareOptions(sources: sources, out: out, tokenizer: tokenizer)
        options.workers = 2
        options.valFraction = 0
        return options
    }

    /// Prepares and gives the most bytes of text that were written at once.
    private func largestStep(_ options: PrepareOptions) throws -> Int {
        let steps = Steps()
        var preparer = Preparer(options: options)
        preparer.progress = { if $0.phase == "encoding" { steps.add($0.bytes) } }
        _ = try preparer.run()
        return steps.largest
    }

    private final class Steps {
        var largest = 0, last = 0
        func add(_ bytes: Int) { (largest, last) = (max(largest, bytes - last), bytes) }
    }

    @Test(arguments: [1, 3]) func aRowGroupIsWrittenInParts(workers: Int) throws {
        let folder = try TemporaryFolder()
        let bytes = Array(try #require(Data(base64Encoded: Self.dictionaryFile)))
        let sources = try (0..<4).map { try folder.write("\($0).parquet", bytes) }
        var options = self.options(sources, folder("whole"))
        options.workers = workers
        #expect(try largestStep(options) == 19_999 * 120)
        options.out = folder("out")
        options.largestOutput = 100_000
        #expect(try largestStep(options) < 100_000)
        let ids = ["ab ", "cd "].map { Array(String(repeating: $0, count: 40).utf8).map(Int.init) + [256] }
        let one = (0..<19_999).flatMap { ids[$0 < 10_000 ? 0 : 1] }
        #expect(try folder.ids("out/train.bin") == one + one + one + one)
        #expect(try ResumeTests.content(folder, "out") == ResumeTests.content(folder, "whole"))
    }

    /// A place inside a row group is none to go on from; those behind each are.
    @Test func runsThatEndBetweenPartsGoOn() throws {
        let folder = try TemporaryFolder()
        let bytes = Array(try #require(Data(base64Encoded: Self.dictionaryFile)))
        let sources = try (0..<4).map { try folder.write("in/\($0).parquet", bytes) }
        try expectResumes(sources, in: folder) { $0.largestOutput = 200_000 }
    }

    /// 6 MB of lines in one piece of a compressed file, and the same as one text.
    @Test(arguments: ["gz", "zst"]) func aCompressedPieceIsHandedOnInBatches(ending: String) throws {
        let folder = try TemporaryFolder()
        let lines = (0..<40_000).map { "{\"text\":\"line \($0 % 7) \(String(repeating: "abc ", count: 30))\"}\n" }.joined()
        let pack = ending == "gz" ? gzip : zstd
        let json = try folder.write("a.jsonl.\(ending)", pack(Array(lines.utf8)))
        let text = try folder.write("b.txt.\(ending)", pack(Array(String(repeating: "hello world ", count: 500_000).utf8)))
        for (name, source, tokenizer) in [
            ("json", json, .ready(ByteTokenizer())), ("text", text, .char),
        ] as [(String, String, TokenizerChoice)] {
            var options = self.options([source], folder(name), tokenizer: tokenizer)
            #expect(try largestStep(options) < 1_600_000, "\(name)")
            options.separator = name == "text" ? " " : nil
            options.out = folder(name + "-cut")
            #expect(try largestStep(options) < 1_600_000, "\(name)")
        }
        #expect(try folder.ids("json/train.bin").count { $0 == 256 } == 40_000)
        #expect(try folder.ids("text/train.bin").count == 6_000_000)
        try expectResumes([json], in: folder) { ($0.reading.pieceSize, $0.reading.batchSize) = (9000, 9000) }
    }

    /// The stream is damaged behind the place where the text is too long: nothing so far behind is decompressed.
    @Test func aTooLongTextIsRefusedInsideAPiece() throws {
        let folder = try TemporaryFolder()
        var bytes = gzip([UInt8](repeating: 0x61, count: 8 << 20))
        bytes[bytes.count - 8] ^= 1
        let sources = [try folder.write("a.txt.gz", bytes), try folder.write("b.txt", "b")]
        var options = self.options(sources, folder("out"))
        options.reading.largestDocument = 1 << 20
        #expect(message { try Preparer(options: options).run() }.contains("it is longer than 1 MB"))
    }

    private func expectResumes(
        _ sources: [String], in folder: TemporaryFolder, tokenizer: TokenizerChoice = .ready(ByteTokenizer()),
        _ change: (inout PrepareOptions) -> Void
    ) throws {
        _ = try Preparer(options: options(sources, folder("whole"), tokenizer: tokenizer)).run()
        var options = self.options(sources, folder("out"), tokenizer: tokenizer)
        options.checkpointBytes = 300_000
        change(&options)
        var random = TestRandom(11), interruptions = 0
        while !FileManager.default.fileExists(atPath: folder("out")), interruptions < 500 {
            let stopAt = Int.random(in: 1...100, using: &random), count = Counter()
            var preparer = Preparer(options: options)
            preparer.isCancelled = { count.next() >= stopAt }
            if (try? preparer.run()) == nil { interruptions += 1 }
        }
        #expect(interruptions > 0)
        #expect(try ResumeTests.content(folder, "out") == ResumeTests.content(folder, "whole"))
    }
}
