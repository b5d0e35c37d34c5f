// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import RunLog
import Storage
import Testing
import Tokenization

struct PrepareTests {
    /// Documents of many kinds, as JSON lines.
    static func lines(_ count: Int) -> [String] {
        (0..<count).map { k in
            k % 50 == 7
                ? "{\"id\":\(k)}"
                : k % 50 == 9
                    ? "{\"text\":\"\"}"
                    : k % 50 == 11
                        ? "{\"text\":\"the same again\"}"
                        : "{\"id\":\(k),\"text\":\"document \(k) \(String(repeating: "wörd ", count: k % 40))\"}"
        }
    }

    private func prepare(
        _ sources: [String], _ out: String, tokenizer: TokenizerChoice = .ready(ByteTokenizer()),
        _ change: (inout PrepareOptions) -> Void = { _ in }
    ) throws -> DatasetManifest {
        var options = PrepareOptions(sources: sources, out: out, tokenizer: tokenizer)
        options.workers = 2
        change(&options)
        return try Preparer(options: options).run()
    }

    @Test func theSplitIsThatOfANaiveComputation() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("a.jsonl", Self.lines(1000).joined(separator: "\n"))
        let fraction = 0.3
        let manifest = try prepare([file], folder("out")) { $0.valFraction = fraction }
        var train: [Int] = [], val: [Int] = [], documents = (train: 0, val: 0)
        for line in Self.lines(1000) {
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            guard let text = object?["text"] as? String, !text.isEmpty else { continue }
            // The fraction from hexadecimal digits, by floating point: another way than the code's.
            let hash = UInt64(SHA256.hex(of: text).prefix(16), radix: 16) ?? 0
            let ids = text.utf8.map(Int.init) + [256]
            if Double(hash) / 0x1p64 < fraction { val += ids; documents.val += 1 } else { train += ids; documents.train += 1 }
        }
        #expect(try folder.ids("out/train.bin") == train)
        #expect(try folder.ids("out/val.bin") == val)
        #expect(manifest.train.documents == documents.train && manifest.val.documents == documents.val)
        #expect(manifest.train.tokens == train.count && manifest.val.tokens == val.count)
        #expect(manifest.train.bytes == train.count - documents.train)
        #expect(manifest.audit.nullDocuments == 20 && manifest.audit.emptyDocuments == 20)
        #expect(manifest.audit.duplicateDocuments == 19)
        let withText = documents.train + documents.val
        #expect(manifest.sources == [.init(name: file, bytes: try folder.bytes("a.jsonl").count, documents: withText)])
        #expect(
            manifest.files.map(\.crc32c)
                == [train, val].map { ids in tokenBytes(ids).withUnsafeBytes { CRC32C.text(CRC32C.of($0)) } })
        #expect(try DatasetManifest.read(path: folder("out/dataset.json")) == manifest)
        #expect(folder.names("out") == ["data-card.md", "dataset.json", "tokenizer.json", "train.bin", "val.bin"])
        #expect(manifest.tokenizer.sha256 == SHA256.hex(of: try folder.bytes("out/tokenizer.json")))
    }

    @Test func theThresholdIsExact() {
        #expect(!SplitRule(valFraction: 0).isValidation(hash: 0))
        #expect(SplitRule(valFraction: 1).isValidation(hash: .max))
        #expect(SplitRule(valFraction: 0.5).isValidation(hash: 1 << 63 - 1))
        #expect(!SplitRule(valFraction: 0.5).isValidation(hash: 1 << 63))
        // The fraction 3 * 2^-65 lies between the hashes 1 and 2.
        #expect(SplitRule(valFraction: 3 * 0x1p-65).isValidation(hash: 1))
        #expect(!SplitRule(valFraction: 3 * 0x1p-65).isValidation(hash: 2))
    }

    @Test func theOutputDoesNotDependOnWorkersNorPieces() throws {
        let folder = try TemporaryFolder()
        let json = Array(Self.lines(3000).joined(separator: "\n").utf8)
        let sources = [
            try folder.write("a.jsonl", json), try folder.write("b.jsonl.gz", gzip(json)),
            try folder.write("c.txt", "one\n\ntwo\n\n\n\nthree"),
            "stories:700",
        ]
        var all: [[[UInt8]]] = []
        for (index, workers) in [1, 3, 8, 2].enumerated() {
            _ = try prepare(sources, folder("out\(index)"), tokenizer: .bpe(400)) {
                $0.workers = workers
                $0.separator = "\n\n"
                if index == 3 { $0.reading.batchSize = 5000 }
            }
            all.append(try folder.names("out\(index)").map { try folder.bytes("out\(index)/\($0)") })
        }
        #expect(all[0].count == 5)
        #expect(all[1] == all[0])
        #expect(all[2] == all[0])
        #expect(all[3] == all[0])
    }

    @Test func aSingleTextIsSplitByPosition() throws {
        let folder = try TemporaryFolder()
        let text = String(repeating: "äb€d 𝄞f\n", count: 100) + "end"
        let file = try folder.write("a.txt", text)
        let scalars = Array(text.unicodeScalars)
        for (fraction, chunk) in [(nil, 1 << 20), (0.25, 5), (0.003, 1), (0.5, 64)] as [(Double?, Int)] {
            let out = "out\(chunk)"
            let manifest = try prepare([file], folder(out), tokenizer: .char) {
                $0.valFraction = fraction
                $0.reading.pieceSize = chunk
                $0.reading.batchSize = chunk
            }
            let edge = Int(Double(scalars.count) * (1 - (fraction ?? 0.1)))
            let characters = Set(scalars).sorted { $0.value < $1.value }
            let ids = scalars.map { characters.firstIndex(of: $0) ?? -1 }
            #expect(try folder.ids(out + "/train.bin") == Array(ids[..<edge]))
            #expect(try folder.ids(out + "/val.bin") == Array(ids[edge...]))
            #expect(manifest.train.documents == 1 && manifest.val.documents == 1)
            #expect(manifest.tokenizer.endOfText == nil)
            #expect(manifest.train.bytes + manifest.val.bytes == text.utf8.count)
        }
    }

    @Test(arguments: [1, 7, 100, 4096]) func readingInPiecesGivesTheSameIds(chunk: Int) throws {
        // The worst for cuts: blanks in runs, contractions, line ends of both kinds, digits, marks, ill-formed bytes.
        var random = TestRandom(UInt64(chunk))
        let parts = [
            "it's", " don't", "\n", "\r\n", "  ", " ", "\t", "word", " longer words here", "12 345", "...", "é", " ü", "日本",
            "\u{A0}", "x", " y", "\n\n a", "'ll ",
        ]
        var bytes: [UInt8] = []
        for k in 0..<6000 {
            bytes += Array((parts.randomElement(using: &random) ?? "").utf8)
            if k % 500 == 3 { bytes.append(0xFF) }
        }
        let folder = try TemporaryFolder()
        let file = try folder.write("a.txt", bytes)
        let stories = (0..<300).map { "stories \($0) it's don't we'll longer words here 12 345 ..." }.joined(separator: "\n")
        let trainer = try BPETrainer(vocabularySize: 500)
        try Array(stories.utf8).withUnsafeBytes { try trainer.add(document: $0) }
        let tokenizer = try trainer.train().tokenizer
        let manifest = try prepare([file], folder("out"), tokenizer: .ready(tokenizer)) {
            $0.reading.pieceSize = chunk
            $0.reading.batchSize = chunk
        }
        let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars
        let edge = scalars.index(scalars.startIndex, offsetBy: Int(Double(scalars.count) * 0.9))
        let (head, tail) = (String(scalars[..<edge]), String(scalars[edge...]))
        #expect(try folder.ids("out/train.bin") == tokenizer.encode(head).map(Int.init))
        #expect(try folder.ids("out/val.bin") == tokenizer.encode(tail).map(Int.init))
        #expect(manifest.audit.invalidUtf8Documents == 1)
        #expect(manifest.audit.warnings?.contains { $0.code == "invalid-utf8" } == true)
    }

    @Test(arguments: [("hello world", false), ("  ", true)])
    func anAddedTokenIsNotCut(content: String, mayBeCut: Bool) throws {
        let folder = try TemporaryFolder(), trainer = try BPETrainer(vocabularySize: 300)
        try Array("hello world, hello there".utf8).withUnsafeBytes { try trainer.add(document: $0) }
        let json = try trainer.train().tokenizer.tokenizerJSON()
        let entry = "{\"id\": 9000, \"content\": \"\(content)\", \"special\": false},"
        let name = try folder.write(
            "tokenizer.json", json.replacing("\"added_tokens\": [", with: "\"added_tokens\": [" + entry, maxReplacements: 1))
        let tokenizer = try TokenizerLoader().load(spec: name)
        let text = String(repeating: "hello world,  ", count: 100)
        let file = try folder.write("a.txt", text)
        func run(_ out: String, _ limit: Int) throws {
            _ = try prepare([file], folder(out), tokenizer: .ready(tokenizer)) {
                $0.valFraction = 0
                ($0.reading.pieceSize, $0.reading.batchSize, $0.reading.largestDocument) = (7, 7, limit)
            }
        }
        try run("out", 5000)
        #expect(try folder.ids("out/train.bin") == tokenizer.encode(text).map(Int.init))
        #expect(try folder.ids("out/train.bin").count { $0 == 9000 } == 100)
        if mayBeCut { try run("small", 500) } else { #expect(message { try run("small", 500) }.contains("no place")) }
    }

    @Test func aTextWithoutWordsCannotBeReadInPieces() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("a.txt", String(repeating: "1234567890", count: 1000))
        let change: (inout PrepareOptions) -> Void = {
            $0.reading.pieceSize = 100
            $0.reading.batchSize = 100
            $0.reading.largestDocument = 5000
        }
        #expect(message { try prepare([file], folder("out"), change) }.contains("no place between two words"))
        // One id a character can be cut anywhere.
        #expect(try prepare([file], folder("out"), tokenizer: .char, change).train.tokens == 9000)
    }

    @Test func illFormedDocumentsAreMendedAndCounted() throws {
        let folder = try TemporaryFolder()
        try folder.write("in/a.txt", [0x61, 0xFF, 0x62])
        try folder.write("in/b.txt", "fine")
        try folder.write("in/c.txt", [0xE2, 0x82])
        let manifest = try prepare([folder("in")], folder("out")) { $0.valFraction = 0 }
        #expect(manifest.audit.invalidUtf8Documents == 2)
        let texts = ["a\u{FFFD}b", "fine", "\u{FFFD}"]
        let expected: [Int] = texts.flatMap { text -> [Int] in text.utf8.map(Int.init) + [256] }
        #expect(try folder.ids("out/train.bin") == expected)
    }

    @Test func largeVocabulariesAreStoredAsUInt32() throws {
        let folder = try TemporaryFolder()
        var tokenizer = ByteTokenizer()
        tokenizer.vocabularySize = 70_000
        tokenizer.endOfText = 69_999
        let file = try folder.write("a.jsonl", "{\"text\":\"ab\"}")
        let manifest = try prepare([file], folder("out"), tokenizer: .ready(tokenizer)) { $0.valFraction = 0 }
        #expect(manifest.dtype == "uint32" && manifest.files[0].bytes == 12)
        #expect(try folder.ids("out/train.bin", wide: true) == [97, 98, 69_999])
        let dataset = try TokenDataset.open(folder: folder("out"))
        #expect(dataset.train.files[0].type == .uint32 && dataset.val == nil)
        #expect(dataset.tokenizerPath == folder("out/tokenizer.json"))
    }

    @Test func theDefaultFractionFollowsTheSize() throws {
        #expect(ValidationChoice.forDocuments(tokens: 10_000_000_000).fraction == 0.0005)
        #expect(ValidationChoice.forDocuments(tokens: 200_000_000).fraction == 0.0005)
        #expect(ValidationChoice.forDocuments(tokens: 10_000_000).fraction == 0.01)
        #expect(ValidationChoice.forDocuments(tokens: 3_000_000).fraction == 0.034)
        #expect(ValidationChoice.forDocuments(tokens: 100_000).fraction == 0.1)
        #expect(ValidationChoice.forDocuments(tokens: 0).fraction == 0.1)
        let folder = try TemporaryFolder()
        let manifest = try prepare(["stories:6000"], folder("out"))
        // About 3.6 MB of single-byte tokens: a fraction near 0.028, and near 100k tokens whatever the texts' hashes.
        #expect((70_000...130_000).contains(manifest.val.tokens), "\(manifest.val.tokens)")
        #expect(manifest.options["val_fraction_reason"]?.hasPrefix("raised from 0.0005") == true)
    }

    // ---- Nothing is harmed ------------------------------------------------------------------------------------------

    @Test func anExistingFolderIsRefused() throws {
        let folder = try TemporaryFolder()
        try folder.write("out/precious.txt", "mine")
        let error = #expect(throws: CorpusError.self) { try prepare(["stories:5"], folder("out")) }
        #expect(error?.kind == .usage && error?.description.contains("choose another --out") == true)
        #expect(folder.names("out") == ["precious.txt"] && folder.names() == ["out"])
    }

    @Test func aFullDiskLeavesNothingBehind() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("a.jsonl", Self.lines(500).joined(separator: "\n"))
        // The disk fills up at the first write, at the second, ..., until none is left that can fail.
        var failing = 0
        while failing < 50 {
            let count = Counter(), limit = failing
            var calls = FileCalls.system
            calls.write = { file, bytes, size in
                if count.next() < limit { return FileCalls.system.write(file, bytes, size) }
                errno = ENOSPC
                return -1
            }
            do {
                _ = try prepare([file], folder("out")) {
                    $0.calls = calls
                    $0.reading.batchSize = 4000
                    $0.reading.pieceSize = 4000
                }
                break
            } catch {
                #expect("\(error)".contains("the disk is full; free some space"), "\(error)")
                #expect(folder.names() == ["a.jsonl"])
            }
            failing += 1
        }
        // Two token files and three others, at least.
        #expect(failing >= 5 && failing < 50)
        try FileManager.default.removeItem(atPath: folder("out"))
        var calls = FileCalls.system
        calls.rename = { from, to in
            if to.hasSuffix("/out") {
                errno = EACCES
                return -1
            }
            return FileCalls.system.rename(from, to)
        }
        #expect(message { try prepare([file], folder("out")) { $0.calls = calls } }.contains("cannot rename"))
        #expect(folder.names() == ["a.jsonl"])
    }

    @Test func anInterruptedRunLeavesNothingBehind() throws {
        let folder = try TemporaryFolder()
        try folder.write("out.tmp-1/other.txt", "another run's")
        for stopAt in [1, 5, 20] {
            let count = Counter()
            var options = PrepareOptions(sources: ["stories:20000"], out: folder("out"), tokenizer: .ready(ByteTokenizer()))
            options.workers = 3
            var preparer = Preparer(options: options)
            preparer.isCancelled = { count.next() >= stopAt }
            let error = #expect(throws: CorpusError.self) { try preparer.run() }
            #expect(error?.kind == .interrupted)
            #expect(folder.names() == ["out.tmp-1"] && folder.names("out.tmp-1") == ["other.txt"])
        }
    }

    @Test func wrongOptionsAreRefusedBeforeAnythingIsRead() throws {
        let folder = try TemporaryFolder()
        func refusal(_ change: (inout PrepareOptions) -> Void) -> String {
            message { try prepare(["stories:5"], folder("out"), change) }
        }
        #expect(refusal { $0.valFraction = 1 }.contains("--val-fraction is 1.0; it must be at least 0 and below 1"))
        #expect(refusal { $0.valFraction = .nan }.contains("--val-fraction is nan"))
        #expect(refusal { $0.workers = 0 }.contains("--workers is 0"))
        #expect(refusal { $0.separator = "" }.contains("--separator is empty"))
        #expect(refusal { $0.separator = "x" }.contains("--separator cuts text files, but no source is one"))
        #expect(message { try TokenizerChoice("bpe:12") }.contains("bpe:4096"))
        #expect(message { try TokenizerChoice("bpe") }.contains("bpe:4096"))
        #expect(
            message { try prepare(["stories:5"], folder("out"), tokenizer: .file(folder("none.json"))) }.contains(
                "there is no tokenizer"))
        #expect(folder.names().isEmpty)
    }

    @Test func progressRunsFromNothingToAll() throws {
        let folder = try TemporaryFolder()
        var options = PrepareOptions(sources: ["stories:3000"], out: folder("out"), tokenizer: .ready(ByteTokenizer()))
        options.workers = 2
        let seen = Collected()
        var preparer = Preparer(options: options)
        preparer.progress = { seen.add($0) }
        _ = try preparer.run()
        let all = seen.all
        #expect(all.count >= 5 && all.last?.fraction == 1 && all.last?.documents == 3000)
        #expect(zip(all, all.dropFirst()).allSatisfy { $0.fraction <= $1.fraction && $0.tokens < $1.tokens })
    }
}

/// Counts calls from any thread.
final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var count = 0

    /// How many calls came before this one.
    func next() -> Int {
        lock.lock()
        defer { lock.unlock() }
        count += 1
        return count - 1
    }
}

/// Collects what progress was told; on the calling thread only.
final class Collected {
    private(set) var all: [PrepareProgress] = []
    func add(_ progress: PrepareProgress) { all.append(progress) }
}
