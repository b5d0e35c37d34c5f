// SPDX-License-Identifier: MIT
import Foundation
import Testing
import Tokenization

@Suite struct TrainingTests {
    /// Counts all pairs anew for every merge.
    private func naiveMerges(_ texts: [String], count: Int, minimum: Int) throws -> [[UInt32]] {
        let base = try NaiveBPE(json: sampleTokenizer(size: 257).tokenizerJSON())
        var words: [String: Int] = [:]
        for text in texts { for word in SplitPattern.gpt2.words(in: text.utf8) { words[word, default: 0] += 1 } }
        var sequences = words.map { (ids: $0.key.utf8.map { base.byteIds[Int($0)] }, count: $0.value) }
        var merges: [[UInt32]] = []
        while merges.count < count {
            var pairs: [[UInt32]: Int] = [:]
            for (ids, count) in sequences {
                for pair in zip(ids, ids.dropFirst()) { pairs[[pair.0, pair.1], default: 0] += count }
            }
            let best = pairs.min { $0.value != $1.value ? $0.value > $1.value : $0.key.lexicographicallyPrecedes($1.key) }
            guard let best, best.value >= minimum else { break }
            for place in sequences.indices {
                var ids: [UInt32] = []
                for id in sequences[place].ids {
                    // `made` is never the left part of the pair that it is made of, so looking back suffices.
                    if let last = ids.last, [last, id] == best.key {
                        ids[ids.count - 1] = UInt32(256 + merges.count)
                    } else {
                        ids.append(id)
                    }
                }
                sequences[place].ids = ids
            }
            merges.append(best.key)
        }
        return merges
    }

    private func merges(_ tokenizer: BPETokenizer) throws -> [[UInt32]] {
        let naive = try NaiveBPE(json: tokenizer.tokenizerJSON())
        return naive.ranks.sorted { $0.value.rank < $1.value.rank }.map(\.key)
    }

    @Test(arguments: [1, 2, 3]) func equalsPlainTraining(seed: UInt64) throws {
        var generator = SeededGenerator(state: seed)
        var texts = [sampleText]
        // Runs of few letters make pairs that overlap themselves.
        for _ in 0..<40 {
            texts.append(String((0..<80).map { _ in "aaab c".randomElement(using: &generator) ?? "a" }))
            texts.append(randomText(&generator, length: 60, wild: 0.01))
        }
        for minimum in [1, 2, 7] {
            let trainer = try BPETrainer(vocabularySize: 457, minimumFrequency: minimum)
            for text in texts { try Array(text.utf8).withUnsafeBytes { try trainer.add(document: $0) } }
            let result = try trainer.train()
            let expected = try naiveMerges(texts, count: 200, minimum: minimum)
            #expect(try merges(result.tokenizer) == expected)
            #expect(result.tokenizer.vocabularySize == 257 + expected.count)
            #expect((result.shortfall == nil) == (expected.count == 200))
        }
    }

    @Test func isTheSameForAnyNumberOfWorkers() async throws {
        var generator = SeededGenerator(state: 5)
        let documents = (0..<300).map { _ in
            Array((randomText(&generator, length: 200, wild: 0.02) + sampleText.prefix(300)).utf8)
        }
        var files: Set<String> = []
        for workers in [1, 3, 7] {
            let trainer = try BPETrainer(vocabularySize: 700)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<workers {
                    group.addTask {
                        let counter = try trainer.makeCounter()
                        for index in stride(from: worker, to: documents.count, by: workers) {
                            try documents[index].withUnsafeBytes { try counter.add(document: $0) }
                        }
                        try trainer.add(counter)
                    }
                }
                try await group.waitForAll()
            }
            files.insert(try trainer.train().tokenizer.tokenizerJSON())
        }
        #expect(files.count == 1)
    }

    @Test func saysWhenTheTextGivesFewerMerges() throws {
        let trainer = try BPETrainer(vocabularySize: 1000)
        try Array("ab ab".utf8).withUnsafeBytes { try trainer.add(document: $0) }
        let result = try trainer.train()
        // "ab" and " ab": only the pair (a, b) comes twice.
        #expect(result.tokenizer.vocabularySize == 258)
        #expect(result.tokenizer.endOfText == 257)
        #expect(result.distinctWords == 2)
        #expect(
            result.shortfall == "the vocabulary has 258 ids, not 1000: in the text's 2 different words no further pair comes "
                + "at least 2 times; give more text or ask for fewer ids")
    }

    @Test func aVeryLongWordIsCut() throws {
        let trainer = try BPETrainer(vocabularySize: 300, minimumFrequency: 1)
        // 3-byte characters: the cut must not fall inside one.
        try Array(String(repeating: "中", count: 3000).utf8).withUnsafeBytes { try trainer.add(document: $0) }
        let result = try trainer.train()
        #expect(result.distinctWords == 2)  // pieces of 341 characters, and the last
        #expect(result.tokenizer.decode(try result.tokenizer.encode("中中")) == "中中")
    }

    @Test func progressCanStopTheTraining() throws {
        let trainer = try BPETrainer(vocabularySize: 400)
        try Array(sampleText.utf8).withUnsafeBytes { try trainer.add(document: $0) }
        let result = try trainer.train { $0 < 5 }
        #expect(result.tokenizer.mergeCount == 5)
    }

    @Test func errorsSayWhatIsValid() throws {
        #expect(
            throws: TokenizerError(
                .badRequest, "a vocabulary of 256 ids cannot be trained; valid are 257 (256 bytes and 1 special) to 16777216")
        ) { try BPETrainer(vocabularySize: 256) }
        #expect(throws: TokenizerError(.badRequest, #"the special tokens ["x", "x"] must be different and not empty"#)) {
            try BPETrainer(vocabularySize: 300, specialTokens: ["x", "x"])
        }
        let trainer = try BPETrainer(vocabularySize: 300, maximumWords: 2)
        #expect(
            throws: TokenizerError(
                .badRequest,
                "the text has more than 2 different words, which training would hold in memory; "
                    + "train on a part of it (1 GB of clean text is plenty)")
        ) { try Array("one two three".utf8).withUnsafeBytes { try trainer.add(document: $0) } }
    }
}
