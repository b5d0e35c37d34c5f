// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import RunLog
import Storage
import Testing
import Tokenization

/// Preparations that end early and go on: the result is that of one that was left alone, byte for byte.
struct ResumeTests {
    /// Some thousand documents in files of several kinds.
    static func sources(_ folder: TemporaryFolder) throws -> [String] {
        let json = Array(PrepareTests.lines(1500).joined(separator: "\n").utf8)
        return [
            try folder.write("in/a.jsonl", json), try folder.write("in/b.jsonl.gz", gzip(json)),
            try folder.write(
                "in/c.txt", (0..<900).map { "text \($0) \(String(repeating: "abc ", count: $0 % 30))" }.joined(separator: "\n\n")),
            "stories:1500",
            try folder.write("in/d.jsonl.zst", zstd(Array(PrepareTests.lines(700).joined(separator: "\n").utf8))),
        ]
    }

    static func options(_ sources: [String], _ out: String, tokenizer: TokenizerChoice = .ready(ByteTokenizer()))
        -> PrepareOptions
    {
        var options = PrepareOptions(sources: sources, out: out, tokenizer: tokenizer)
        options.workers = 2
        options.reading.pieceSize = 3000
        options.reading.batchSize = 3000
        options.checkpointBytes = 20_000
        if sources.contains(where: { $0.hasSuffix("c.txt") }) { options.separator = "\n\n" }
        return options
    }

    /// All files of a folder.
    static func content(_ folder: TemporaryFolder, _ name: String) throws -> [String: [UInt8]] {
        Dictionary(uniqueKeysWithValues: try folder.names(name).map { ($0, try folder.bytes("\(name)/\($0)")) })
    }

    @Test(arguments: [nil, 7000, 100_001] as [Int?]) func interruptedRunsGoOn(shardTokens: Int?) throws {
        let folder = try TemporaryFolder()
        let sources = try Self.sources(folder)
        func options(_ out: String) -> PrepareOptions {
            var options = Self.options(sources, folder(out))
            options.shardTokens = shardTokens
            return options
        }
        _ = try Preparer(options: options("whole")).run()
        let expected = try Self.content(folder, "whole")
        #expect(expected.keys.contains(shardTokens == nil ? "train.bin" : "train_000001.bin"))

        var random = TestRandom(UInt64(shardTokens ?? 1)), interruptions = 0, notes: [String] = []
        while !FileManager.default.fileExists(atPath: folder("out")) {
            let stopAt = Int.random(in: 1...70, using: &random), count = Counter()
            var preparer = Preparer(options: options("out"))
            preparer.isCancelled = { count.next() >= stopAt }
            preparer.note = { notes.append($0) }
            do { _ = try preparer.run() } catch let error as CorpusError {
                #expect(error.kind == .interrupted)
                interruptions += 1
            }
            guard interruptions < 500 else { break }
        }
        #expect(try Self.content(folder, "out") == expected)
        #expect(interruptions >= 3 && notes.contains { $0.hasPrefix("going on where an earlier run ended") })
        #expect(folder.names() == ["in", "out", "whole"])
    }

    @Test func aDiskThatFailsInTheMiddleOfAWriteLosesNothing() throws {
        let folder = try TemporaryFolder()
        let sources = try Self.sources(folder)
        _ = try Preparer(options: Self.options(sources, folder("whole"))).run()
        let expected = try Self.content(folder, "whole")
        var random = TestRandom(5), failures = 0
        while !FileManager.default.fileExists(atPath: folder("out")), failures < 500 {
            let failAt = Int.random(in: 1...150, using: &random), count = Counter()
            var options = Self.options(sources, folder("out"))
            options.calls.write = { file, bytes, size in
                if count.next() < failAt { return FileCalls.system.write(file, bytes, size) }
                // A part of it still arrives.
                if count.next() == failAt + 1 { return FileCalls.system.write(file, bytes, max(1, size / 2)) }
                errno = ENOSPC
                return -1
            }
            do { _ = try Preparer(options: options).run() } catch {
                #expect("\(error)".contains("the disk is full"))
                failures += 1
            }
        }
        #expect(failures >= 2)
        #expect(try Self.content(folder, "out") == expected)
    }

    @Test func trainedTokenizersAndSingleTextsGoOnToo() throws {
        let folder = try TemporaryFolder()
        let text = (0..<4000).map { "line \($0) of it, don't we know \($0 * 7) words?" }.joined(separator: "\n")
        let single = try folder.write("in/single.txt", text)
        let cases: [([String], TokenizerChoice)] = [
            ([single], .char), ([single], .bpe(300)), (["stories:1500"], .bpe(300)), (["stories:1500"], .char),
        ]
        for (index, (sources, tokenizer)) in cases.enumerated() {
            _ = try Preparer(options: Self.options(sources, folder("whole\(index)"), tokenizer: tokenizer)).run()
            var random = TestRandom(UInt64(index)), interruptions = 0
            while !FileManager.default.fileExists(atPath: folder("out\(index)")), interruptions < 500 {
                let stopAt = Int.random(in: 1...200, using: &random), count = Counter()
                var preparer = Preparer(options: Self.options(sources, folder("out\(index)"), tokenizer: tokenizer))
                preparer.isCancelled = { count.next() >= stopAt }
                if (try? preparer.run()) == nil { interruptions += 1 }
            }
            #expect(try Self.content(folder, "out\(index)") == Self.content(folder, "whole\(index)"), "case \(index)")
        }
    }

    @Test func parquetGoesOnInsideItsRowGroups() throws {
        guard let data = sharedData("data/parquet", for: "parquetGoesOnInsideItsRowGroups") else { return }
        let folder = try TemporaryFolder()
        let sources = ["gzip_v1_plain_nulls", "zstd_delta_length"].map { "\(data)/\($0).parquet" }
        for (wholeRowGroup, largestOutput) in [(0, 32 << 20), (32 << 20, 32 << 20), (32 << 20, 100_000)] {
            func options(_ out: String) -> PrepareOptions {
                var options = Self.options(sources, folder(out))
                options.reading.wholeRowGroup = wholeRowGroup
                options.largestOutput = largestOutput
                options.checkpointBytes = 300_000
                return options
            }
            let name = "\(wholeRowGroup)-\(largestOutput)"
            _ = try Preparer(options: options("whole" + name)).run()
            var random = TestRandom(3), interruptions = 0
            while !FileManager.default.fileExists(atPath: folder("out" + name)), interruptions < 500 {
                let stopAt = Int.random(in: 1...300, using: &random), count = Counter()
                var preparer = Preparer(options: options("out" + name))
                preparer.isCancelled = { count.next() >= stopAt }
                if (try? preparer.run()) == nil { interruptions += 1 }
            }
            #expect(try Self.content(folder, "out" + name) == Self.content(folder, "whole" + name))
        }
    }

    /// A run that ends after some checkpoints and leaves OUT.tmp.
    private func interrupt(_ options: PrepareOptions) throws {
        let count = Counter()
        var preparer = Preparer(options: options)
        preparer.isCancelled = { count.next() >= 120 }
        let error = #expect(throws: CorpusError.self) { try preparer.run() }
        #expect(error?.description.contains("repeat the command to go on") == true)
    }

    @Test func goingOnNeedsTheSameOptionsAndInputs() throws {
        let folder = try TemporaryFolder()
        let sources = try Self.sources(folder)
        let options = Self.options(sources, folder("out"))
        try interrupt(options)
        #expect(folder.names() == ["in", "out.tmp"])
        func refusal(_ change: (inout PrepareOptions) -> Void) -> String {
            var other = options
            change(&other)
            return message { try Preparer(options: other).run() }
        }
        #expect(refusal { $0.seed = 9 }.contains("was begun with other options (seed: 0 then, 9 now)"))
        #expect(refusal { $0.shardTokens = 100 }.contains("(shard-tokens: none then, 100 now)"))
        #expect(refusal { $0.sources.removeLast() }.contains("(sources: "))
        var tokenizer = ByteTokenizer()
        tokenizer.name = "others"
        #expect(refusal { $0.tokenizer = .ready(tokenizer) }.contains("was begun with other options (tokenizer"))
        // A file that was read may not change; one that comes later may.
        let late = try folder.write("in/d.jsonl.zst", zstd(Array("{\"text\":\"another end\"}".utf8)))
        #expect(late == sources[4])
        let bytes = try folder.bytes("in/a.jsonl")
        try folder.write("in/a.jsonl", bytes + [0x0A])
        #expect(refusal { _ in }.contains("a.jsonl' has changed since"))
        #expect(folder.names() == ["in", "out.tmp"])
    }

    @Test func damagedLeftoversAreRefusedAndStrangersLeftAlone() throws {
        let folder = try TemporaryFolder()
        let options = Self.options(try Self.sources(folder), folder("out"))
        try interrupt(options)
        let train = try folder.bytes("out.tmp/dataset/train.bin")
        var changed = train
        changed[10] ^= 1
        try folder.write("out.tmp/dataset/train.bin", changed)
        #expect(message { try Preparer(options: options).run() }.contains("does not hold what was written before"))
        try folder.write("out.tmp/dataset/train.bin", Array(train.prefix(100)))
        #expect(message { try Preparer(options: options).run() }.contains("does not hold what was written before"))
        let journal = try folder.bytes("out.tmp/journal.json")
        try folder.write("out.tmp/journal.json", Array(journal.prefix(journal.count / 2)))
        #expect(message { try Preparer(options: options).run() }.contains("is no journal of this version"))
        try FileManager.default.removeItem(atPath: folder("out.tmp"))
        try folder.write("out.tmp/notes.txt", "mine")
        #expect(message { try Preparer(options: options).run() }.contains("holds 'notes.txt', which is not from a preparation"))
        #expect(folder.names("out.tmp") == ["notes.txt"])
    }

    @Test func aShardThatChangedAfterItWasFinishedIsRefused() throws {
        let folder = try TemporaryFolder()
        var options = Self.options(try Self.sources(folder), folder("out"))
        options.shardTokens = 7000
        try interrupt(options)
        #expect(folder.names("out.tmp/dataset").contains("train_000002.bin"))
        let shard = try folder.bytes("out.tmp/dataset/train_000001.bin")
        var changed = shard
        changed.replaceSubrange(100..<104, with: [1, 2, 3, 4])
        try folder.write("out.tmp/dataset/train_000001.bin", changed)
        #expect(
            message { try Preparer(options: options).run() }.contains(
                "train_000001.bin': it is not the shard that was finished before"))
        try folder.write("out.tmp/dataset/train_000001.bin", shard)
        _ = try Preparer(options: options).run()
    }

    @Test func aRunningPreparationIsNotDisturbed() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder("out.tmp"), withIntermediateDirectories: true)
        let lock = try FolderLock(folder: folder("out.tmp"))
        let text = message { try Preparer(options: Self.options(["stories:5"], folder("out"))).run() }
        #expect(text.contains("another process (\(getpid())) is using it"))
        withExtendedLifetime(lock) {}
        #expect(folder.names() == ["out.tmp"])
    }

    // ---- Shards and parts ----------------------------------------------------------------------------------------------

    @Test func shardsHoldTheWholeSequence() throws {
        let folder = try TemporaryFolder()
        let sources = try Self.sources(folder)
        let whole = try Preparer(options: Self.options(sources, folder("whole"))).run()
        var options = Self.options(sources, folder("out"))
        options.shardTokens = 12_345
        let manifest = try Preparer(options: options).run()
        for split in ["train", "val"] {
            let files = manifest.files.filter { $0.split == split }
            let names = files.indices.map { split + "_" + String(format: "%06d", $0 + 1) + ".bin" }
            #expect(files.map(\.name) == names && files.count >= 2)
            #expect(files.dropLast().allSatisfy { $0.tokens == 12_345 } && (1...12_345).contains(files.last?.tokens ?? 0))
            #expect(try names.flatMap { try folder.bytes("out/" + $0) } == folder.bytes("whole/\(split).bin"))
        }
        #expect(manifest.audit == whole.audit && manifest.train == whole.train)
        let (a, b) = (try TokenDataset.open(folder: folder("out")), try TokenDataset.open(folder: folder("whole")))
        #expect(a.train.count == b.train.count && a.val?.count == b.val?.count)
        #expect(try DatasetAudit.run(path: folder("out")).errors.isEmpty)
    }

    @Test(arguments: [1, 2, 3, 7, 40], [nil, 5000] as [Int?]) func mergedPartsAreTheUndividedDataset(count: Int, shard: Int?)
        throws
    {
        let folder = try TemporaryFolder()
        var sources = try Self.sources(folder)
        for k in 0..<12 {
            sources.append(try folder.write("in/e\(k).jsonl", PrepareTests.lines(50 + 31 * k).joined(separator: "\n")))
        }
        if count == 3, let file = sharedData("data/parquet/zstd_v2_plain.parquet", for: "parts of row groups") {
            sources.insert(file, at: 3)
        }
        func options(_ out: String) -> PrepareOptions {
            var options = Self.options(sources, folder(out))
            options.shardTokens = shard
            return options
        }
        _ = try Preparer(options: options("whole")).run()
        for index in 1...count {
            var part = options("part\(index)")
            part.part = PreparePart(index: index, count: count)
            part.workers = 1 + index % 3
            _ = try Preparer(options: part).run()
        }
        let folders = (1...count).map { folder("part\($0)") }
        let manifest = try DatasetMerger(folders: folders.reversed(), out: folder("merged")).run()
        #expect(try Self.content(folder, "merged") == Self.content(folder, "whole"))
        #expect(try DatasetManifest.read(path: folder("merged/dataset.json")) == manifest)
        if count == 3, shard == nil {
            #expect(manifest.audit.duplicateDocuments ?? 0 > 0)
            try refusals(folder, folders)
        }
    }

    private func refusals(_ folder: TemporaryFolder, _ parts: [String]) throws {
        func refusal(_ parts: [String]) -> String { message { try DatasetMerger(folders: parts, out: folder("bad")).run() } }
        #expect(refusal([parts[0], parts[2]]).contains("part 2/3 is missing beside '\(parts[0])'"))
        #expect(refusal([parts[0], parts[2], parts[0]]).contains("are both part 1/3"))
        #expect(refusal([folder("whole")]).contains("is no part"))
        #expect(refusal([]).contains("no part was given"))
        var other = Self.options(["stories:50"], folder("other"))
        other.part = PreparePart(index: 2, count: 3)
        _ = try Preparer(options: other).run()
        #expect(refusal([parts[0], folder("other"), parts[2]]).contains("do not belong together: their lists of sources differ"))
        var bytes = try folder.bytes("part2/train.bin")
        bytes[0] ^= 1
        try folder.write("part2/train.bin", bytes)
        #expect(refusal(parts).contains("it is not what dataset.json says"))
        // A part that is none of its own count would be looked for in vain.
        let facts = String(decoding: try folder.bytes("part1/part.json"), as: UTF8.self)
        for wrong in ["0", "4", "-1"] {
            try folder.write("part1/part.json", facts.replacing("\"index\":1", with: "\"index\":\(wrong)"))
            #expect(refusal(parts).contains("part1/part.json': it says to be part \(wrong)/3"))
        }
        #expect(!folder.names().contains { $0.hasPrefix("bad") })
        #expect(message { try PreparePart("4/3") }.contains("--part is '4/3'"))
        #expect(message { try PreparePart("x") }.contains("for example 1/8 to 8/8"))
        #expect(try PreparePart("2/3") == PreparePart(index: 2, count: 3))
        var char = Self.options(["stories:5"], folder("bad"), tokenizer: .char)
        char.part = PreparePart(index: 1, count: 2)
        #expect(message { try Preparer(options: char).run() }.contains("make it once with `apus tokenizer train`"))
        var single = Self.options([try folder.write("in/one.txt", "text")], folder("bad"))
        single.part = PreparePart(index: 1, count: 2)
        #expect(message { try Preparer(options: single).run() }.contains("give --separator"))
    }
}
