// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import RunLog
import Testing

/// Sources of so few documents that by their hashes none would be for validation.
struct FewDocumentsTests {
    private func options(_ sources: [String], _ out: String) -> PrepareOptions {
        var options = PrepareOptions(sources: sources, out: out, tokenizer: .ready(ByteTokenizer()))
        options.workers = 2
        return options
    }

    /// Texts none of which the rule gives to validation, found by asking it.
    private static func trainingTexts(_ count: Int, fraction: Double = 0.1) -> [String] {
        let rule = SplitRule(valFraction: fraction)
        let texts = (0..<10 * count + 100).map { "text \($0): " + String(repeating: "wörds and more ", count: 20 + $0 % 7) }
        return Array(texts.filter { !isValidation($0, rule) }.prefix(count))
    }

    private static func isValidation(_ text: String, _ rule: SplitRule) -> Bool {
        Array(text.utf8).withUnsafeBytes { rule.isValidation(hash: SplitRule.hashes(of: $0).split) }
    }

    /// The ids of both splits by another computation: the first int(n * 0.9) code points of each, and the rest.
    private func expected(_ texts: [String], fraction: Double = 0.1) -> (train: [Int], val: [Int]) {
        var train: [Int] = [], val: [Int] = []
        for text in texts {
            let scalars = Array(text.unicodeScalars), edge = Int(Double(scalars.count) * (1 - fraction))
            for (part, isVal) in [(scalars[..<edge], false), (scalars[edge...], true)] {
                let ids = String(String.UnicodeScalarView(part)).utf8.map(Int.init) + [256]
                if isVal { val += ids } else { train += ids }
            }
        }
        return (train, val)
    }

    @Test func aFolderOfAFewFilesIsSplitInsideThem() throws {
        let folder = try TemporaryFolder(), texts = Self.trainingTexts(3)
        for (index, text) in texts.enumerated() { try folder.write("in/\(index).txt", text) }
        var notes: [String] = []
        var preparer = Preparer(options: options([folder("in")], folder("out")))
        preparer.note = { notes.append($0) }
        let manifest = try preparer.run(), wanted = expected(texts)
        #expect(try folder.ids("out/train.bin") == wanted.train)
        #expect(try folder.ids("out/val.bin") == wanted.val)
        #expect(manifest.train.documents == 3 && manifest.val.documents == 3)
        #expect(manifest.train.bytes + manifest.val.bytes == texts.reduce(0) { $0 + $1.utf8.count })
        #expect(manifest.sources.map(\.documents) == [1, 1, 1])
        #expect(manifest.options["split"] == "few documents, each by position in code points")
        #expect(notes.contains { $0.hasPrefix("validation: the last part of each document, since by document none would be") })
        #expect(manifest.audit.warnings?.contains { $0.code == "no-validation" } == false)
    }

    @Test(arguments: [2, 40]) func aPartDoesNotNeedTheFilesOfOthers(count: Int) throws {
        let folder = try TemporaryFolder(), texts = Self.trainingTexts(count)
        let names = texts.indices.map { "in/\(100 + $0).txt.gz" }
        for (name, text) in zip(names, texts) { try folder.write(name, gzip(Array(text.utf8))) }
        func prepare(_ out: String, _ part: PreparePart?) throws {
            var options = self.options([folder("in")], folder(out))
            (options.part, options.valFraction) = (part, 0.1)
            _ = try Preparer(options: options).run()
        }
        try prepare("whole", nil)
        let last = names[count - 1], sound = try folder.bytes(last)
        try folder.write(last, [UInt8](repeating: 7, count: sound.count))
        try prepare("one", PreparePart(index: 1, count: 2))
        #expect(message { try prepare("two", PreparePart(index: 2, count: 2)) }.contains(last))
        try folder.write(last, sound)
        try prepare("two", PreparePart(index: 2, count: 2))
        _ = try DatasetMerger(folders: [folder("one"), folder("two")], out: folder("merged")).run()
        #expect(try ResumeTests.content(folder, "merged") == ResumeTests.content(folder, "whole"))
        // Where the fraction depends on all files, so does every part.
        try folder.write(last, [UInt8](repeating: 7, count: sound.count))
        var options = self.options([folder("in")], folder("bad"))
        options.part = PreparePart(index: 1, count: 2)
        #expect(message { try Preparer(options: options).run() }.contains(last))
    }

    /// Where a document falls into validation, the split is by document as it always was.
    @Test func aSplitThatHasDocumentsStays() throws {
        let folder = try TemporaryFolder()
        let rule = SplitRule(valFraction: 0.1)
        let chosen = (0..<1000).map { "chosen \($0)" }.first { Self.isValidation($0, rule) }
        let texts = Self.trainingTexts(4) + [try #require(chosen)]
        for (index, text) in texts.enumerated() { try folder.write("in/\(index).txt", text) }
        let manifest = try Preparer(options: options([folder("in")], folder("out"))).run()
        #expect(manifest.train.documents == 4 && manifest.val.documents == 1)
        #expect(manifest.options["split"] == "documents, by SHA-256")
        // Without validation asked for there is none.
        var none = options([folder("in")], folder("none"))
        none.valFraction = 0
        #expect(try Preparer(options: none).run().val.tokens == 0)
    }

    @Test func partsAndInterruptionsComeToTheSame() throws {
        let folder = try TemporaryFolder(), texts = Self.trainingTexts(7)
        for (index, text) in texts.enumerated() { try folder.write("in/\(index).txt", text) }
        _ = try Preparer(options: options([folder("in")], folder("whole"))).run()
        #expect(try folder.ids("whole/val.bin") == expected(texts).val)
        for index in 1...3 {
            var part = options([folder("in")], folder("part\(index)"))
            part.part = PreparePart(index: index, count: 3)
            _ = try Preparer(options: part).run()
        }
        _ = try DatasetMerger(folders: (1...3).map { folder("part\($0)") }, out: folder("merged")).run()
        #expect(try ResumeTests.content(folder, "merged") == ResumeTests.content(folder, "whole"))
        var stop = 1
        while !FileManager.default.fileExists(atPath: folder("resumed")), stop < 200 {
            var own = options([folder("in")], folder("resumed"))
            own.checkpointBytes = 1
            own.reading.batchSize = 100
            let limit = stop, count = Counter()
            var preparer = Preparer(options: own)
            preparer.isCancelled = { count.next() >= limit }
            _ = try? preparer.run()
            stop += 1
        }
        #expect(try ResumeTests.content(folder, "resumed") == ResumeTests.content(folder, "whole"))
    }
}
