// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import RunLog
import Testing

/// How often a planned run would read the data: in the audit, the manifest and the data card.
struct PlannedEpochsTests {
    private func prepare(_ folder: TemporaryFolder, _ out: String, planTokens: Int?, part: PreparePart? = nil) throws
        -> DatasetManifest
    {
        let file = try folder.write("a.jsonl", PrepareTests.lines(1000).joined(separator: "\n"))
        var options = PrepareOptions(sources: [file], out: folder(out), tokenizer: .ready(ByteTokenizer()))
        options.valFraction = 0.1
        options.workers = 1
        options.planTokens = planTokens
        options.part = part
        return try Preparer(options: options).run()
    }

    private func card(_ folder: TemporaryFolder, _ out: String) throws -> String {
        String(decoding: try folder.bytes(out + "/data-card.md"), as: UTF8.self)
    }

    @Test func preparationsSayIt() throws {
        let folder = try TemporaryFolder()
        let without = try prepare(folder, "without", planTokens: nil)
        let tokens = without.train.tokens
        #expect(without.audit.plannedEpochs == nil && without.audit.plannedTokens == nil)
        #expect(try !card(folder, "without").contains("Planned"))
        // Four epochs are as good as new text; the limit itself draws no warning.
        let four = try prepare(folder, "four", planTokens: 4 * tokens)
        #expect(four.audit.plannedEpochs == 4 && four.audit.warnings?.contains { $0.code == "many-epochs" } == false)
        let sentence = "training tokens 4.00 times"
        #expect(try card(folder, "four").contains(sentence) && DatasetSummary.text(four, folder: "x").contains(sentence))
        let five = try prepare(folder, "five", planTokens: 4 * tokens + 1)
        let warning = try #require(five.audit.warnings?.first { $0.code == "many-epochs" })
        #expect(warning.message.contains("Muennighoff et al. 2023") && warning.advice.contains("plan at most"))
        #expect(try card(folder, "five").contains("arXiv 2305.16264"))
        #expect(try DatasetManifest.read(path: folder("five/dataset.json")) == five)
        // The plan is no part of the content.
        #expect(try folder.bytes("five/train.bin") == folder.bytes("without/train.bin"))
    }

    @Test func partsLeaveItToTheMerge() throws {
        let folder = try TemporaryFolder()
        #expect(
            message { try prepare(folder, "part", planTokens: 100, part: PreparePart("1/2")) }
                .contains("give it with --merge instead of --part"))
        let whole = try prepare(folder, "whole", planTokens: 1_000_000)
        for i in 1...2 { _ = try prepare(folder, "part\(i)", planTokens: nil, part: PreparePart("\(i)/2")) }
        var merger = DatasetMerger(folders: [folder("part1"), folder("part2")], out: folder("merged"))
        merger.planTokens = 1_000_000
        #expect(try merger.run().audit == whole.audit)
        #expect(try folder.bytes("merged/data-card.md") == folder.bytes("whole/data-card.md"))
    }

    @Test func auditsOfFilesThatExistSayIt() throws {
        let folder = try TemporaryFolder()
        try folder.write("d/train.bin", tokenBytes((0..<1000).map { $0 % 90 }))
        try folder.write("d/val.bin", tokenBytes((0..<500).map { $0 % 80 }))
        let audit = try DatasetAudit.run(path: folder("d"), planTokens: 10_000)
        #expect(audit.plannedTokens == 10_000 && audit.plannedEpochs == 10)
        #expect(audit.warnings.contains { $0.code == "many-epochs" })
        #expect(audit.text.contains("planned: a run of 10,000 tokens reads the 1,000 training tokens 10 times"))
        #expect(try audit.json().contains("\"planned_epochs\""))
        let little = try DatasetAudit.run(path: folder("d/train.bin"), planTokens: 1500)
        #expect(little.plannedEpochs == 1.5 && !little.warnings.contains { $0.code == "many-epochs" })
        #expect(try DatasetAudit.run(path: folder("d")).plannedEpochs == nil)
    }

    /// nanoGPT's meta.pkl says how many ids there are.
    @Test func idsBeyondMetaAreErrors() throws {
        let folder = try TemporaryFolder()
        try folder.write("d/train.bin", tokenBytes((0..<1000).map { $0 % 90 }))
        func meta(_ size: UInt8) throws {
            try folder.write("d/meta.pkl", [0x80, 4, 0x7d, 0x8c, 10] + Array("vocab_size".utf8) + [0x4b, size, 0x73, 0x2e])
        }
        try meta(90)
        let good = try DatasetAudit.run(path: folder("d"))
        #expect(good.vocabSize == 90 && good.errors.isEmpty)
        #expect(try TokenDataset.open(folder: folder("d")).statedVocabularySize == 90)
        try meta(89)
        #expect(try DatasetAudit.run(path: folder("d")).errors.map(\.code) == ["beyond-vocabulary"])
        try folder.write("d/meta.pkl", [0x80, 2] + Array("cos\nsystem\n.".utf8))
        #expect(message { try TokenDataset.open(folder: folder("d")) }.contains("it asks for 'os.system'"))
    }

    @Test func aRangeOfASplitIsChecked() throws {
        let folder = try TemporaryFolder()
        // Three shards; the id 77 lies at 25, in the third.
        for (i, ids) in [Array(0..<10), Array(10..<20), [20, 21, 22, 23, 24, 77, 26]].enumerated() {
            try folder.write("train_00000\(i + 1).bin", tokenBytes(ids))
        }
        let split = try TokenDataset.open(folder: folder.path).train
        #expect(split.count == 27)
        #expect([0..<25, 0..<26, 5..<15, 9..<10, 3..<3, 40..<50].map { split.largestID(in: $0) } == [24, 77, 14, 9, nil, nil])
        #expect(throws: Never.self) { try split.validate(vocabularySize: 25, in: 0..<25) }
        #expect(message { try split.validate(vocabularySize: 25, in: 0..<Int.max) }.contains("token 5 is id 77"))
        #expect(message { try split.validate(vocabularySize: 16, in: 14..<17) }.contains("token 6 is id 16"))
    }
}
