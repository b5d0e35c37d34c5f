// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import Testing

struct OrderTests {
    @Test func thePermutationIsABijectionForEverySize() {
        for count in Array(1...70) + [127, 128, 129, 255, 256, 257, 1000, 1023, 1025, 4096, 4097, 65537] {
            for key: UInt64 in [0, 1, 0xDEAD_BEEF] {
                let permutation = Permutation(count: count, key: key)
                var seen = [Bool](repeating: false, count: count)
                for i in 0..<count { seen[permutation[i]] = true }
                #expect(seen.allSatisfy { $0 }, "\(count) \(key)")
            }
        }
    }

    @Test func thePermutationMixes() {
        // A random permutation of n moves neighbors apart by n / 3 on average, and keeps about one element in place.
        let count = 10_000
        let permutation = Permutation(count: count, key: 5)
        let steps = (1..<count).map { abs(permutation[$0] - permutation[$0 - 1]) }
        let mean = Double(steps.reduce(0, +)) / Double(steps.count)
        // The mean of 10^4 steps scatters by n * 0.236 / 100; ten times that is never exceeded by chance.
        #expect(abs(mean - Double(count) / 3) < Double(count) * 0.024)
        #expect((0..<count).filter { permutation[$0] == $0 }.count < 12)
    }

    @Test func shuffleTakesEveryBlockOnceAnEpoch() throws {
        for (tokens, T) in [(1000, 7), (101, 10), (100, 10), (12, 10), (11, 10), (20, 10), (21, 10), (64, 1), (2, 1)] {
            let order = try BatchOrder(kind: .shuffle, seed: 3, tokens: tokens, blockSize: T)
            var starts: Set<Int> = []
            for epoch in 0..<5 {
                let offsets = (0..<order.samplesPerEpoch).map { order.offset(ofSample: epoch * order.samplesPerEpoch + $0) }
                #expect(offsets.allSatisfy { $0 >= 0 && $0 + T + 1 <= tokens }, "\(tokens) \(T) \(offsets)")
                let start = offsets.min() ?? 0
                #expect(offsets.sorted() == (0..<order.samplesPerEpoch).map { start + $0 * T })
                #expect(start < T)
                starts.insert(start)
            }
            // The edges move where there is room for it.
            if tokens >= 3 * T && T > 4 { #expect(starts.count > 1) }
            #expect(tokens - order.samplesPerEpoch * T < 2 * T + 1)
        }
    }

    @Test func epochsAndSeedsDiffer() throws {
        let a = try BatchOrder(kind: .shuffle, seed: 1, tokens: 100_000, blockSize: 64)
        let b = try BatchOrder(kind: .shuffle, seed: 2, tokens: 100_000, blockSize: 64)
        let n = a.samplesPerEpoch
        let first = (0..<n).map { a.offset(ofSample: $0) / 64 }
        #expect(first != (0..<n).map { a.offset(ofSample: n + $0) / 64 })
        #expect(first != (0..<n).map { b.offset(ofSample: $0) / 64 })
    }

    @Test func anOffsetDependsOnItsIndexOnly() throws {
        for kind in BatchOrder.Kind.allCases {
            let order = try BatchOrder(kind: kind, seed: 9, tokens: 5000, blockSize: 16)
            let forward = (0..<900).map { order.offset(ofSample: $0) }
            let again = try BatchOrder(kind: kind, seed: 9, tokens: 5000, blockSize: 16)
            #expect((0..<900).reversed().map { again.offset(ofSample: $0) } == forward.reversed())
        }
    }

    @Test func orderIsTheSameOnEveryMachine() throws {
        // Values that this code gave when it was written: an interrupted run must go on with the same data.
        let shuffle = try BatchOrder(kind: .shuffle, seed: 42, tokens: 1_003_854, blockSize: 256)
        let random = try BatchOrder(kind: .random, seed: 42, tokens: 1_003_854, blockSize: 256)
        #expect([0, 1, 2, 5000, 1_000_000].map { shuffle.offset(ofSample: $0) } == Self.pinnedShuffle)
        #expect([0, 1, 2, 5000, 1_000_000].map { random.offset(ofSample: $0) } == Self.pinnedRandom)
    }

    private static let pinnedShuffle = [795_823, 698_031, 789_167, 238_746, 989_448]
    private static let pinnedRandom = [282_090, 865_304, 791_575, 635_485, 164_247]

    @Test func randomCoversTheRangeEvenly() throws {
        let order = try BatchOrder(kind: .random, seed: 11, tokens: 1010, blockSize: 10)
        var bins = [Int](repeating: 0, count: 10)
        for i in 0..<20_000 {
            let offset = order.offset(ofSample: i)
            #expect((0..<1000).contains(offset))
            bins[offset / 100] += 1
        }
        // 2000 a bin, standard deviation 42; six of them are never exceeded by chance.
        #expect(bins.allSatisfy { abs($0 - 2000) < 255 }, "\(bins)")
    }

    @Test func sequentialIsTheGoldenFilesBatching() throws {
        // Micro-batch i = tokens [i*B*T, i*B*T + B*T), targets shifted by one.
        let folder = try TemporaryFolder()
        let ids = (0..<1001).map { $0 * 7 % 500 }
        try folder.write("train.bin", tokenBytes(ids))
        let dataset = try TokenDataset.open(folder: folder.path)
        let B = 4, T = 12
        let samples = try TokenSamples(split: dataset.train, kind: .sequential, seed: 0, blockSize: T)
        for i in 0..<20 {
            var x: [Int32] = [], y: [Int32] = []
            for b in 0..<B {
                let (tokens, targets) = Self.sample(samples, i * B + b)
                x += tokens
                y += targets
            }
            #expect(x.map(Int.init) == Array(ids[i * B * T..<(i + 1) * B * T]))
            #expect(y.map(Int.init) == Array(ids[i * B * T + 1..<(i + 1) * B * T + 1]))
        }
        // At the end it starts again.
        #expect(Self.sample(samples, samples.order.samplesPerEpoch).tokens == Self.sample(samples, 0).tokens)
    }

    @Test func evaluationBlocksDoNotOverlap() throws {
        let folder = try TemporaryFolder()
        try folder.write("train.bin", tokenBytes(Array(0..<25)))
        let samples = try TokenSamples(split: TokenDataset.open(folder: folder.path).train, kind: .shuffle, seed: 1, blockSize: 8)
        #expect(samples.evaluationBlocks == 3)
        var tokens = [Int32](repeating: 0, count: 8), targets = tokens
        for block in 0..<3 {
            samples.fillEvaluation(block: block, tokens: &tokens, targets: &targets)
            #expect(tokens == (0..<8).map { Int32(block * 8 + $0) })
            #expect(targets == (1...8).map { Int32(block * 8 + $0) })
        }
        #expect(samples.evaluationTargets(blocks: 3) == 1..<25)
        #expect(samples.evaluationTargets(blocks: 2) == 1..<17)
        // 24 tokens have only two complete blocks: the last target would be missing.
        try folder.write("two/train.bin", tokenBytes(Array(0..<24)))
        #expect(try BatchOrder(kind: .sequential, seed: 0, tokens: 24, blockSize: 8).blocks == 2)
    }

    @Test func tooFewTokensAreExplained() throws {
        let folder = try TemporaryFolder()
        try folder.write("train.bin", tokenBytes([1, 2, 3, 4]))
        let split = try TokenDataset.open(folder: folder.path).train
        let text = message { try TokenSamples(split: split, kind: .random, seed: 0, blockSize: 4) }
        #expect(text.contains("train split") && text.contains("has 4 tokens, but block_size 4 needs at least 5"))
        #expect(message { try TokenSamples(split: split, kind: .random, seed: 0, blockSize: 0) }.contains("must be at least 1"))
        let samples = try TokenSamples(split: split, kind: .random, seed: 0, blockSize: 3)
        #expect(Self.sample(samples, 17).tokens == [1, 2, 3])
    }

    static func sample(_ samples: TokenSamples, _ index: Int) -> (tokens: [Int32], targets: [Int32]) {
        var tokens = [Int32](repeating: -1, count: samples.order.blockSize), targets = tokens
        samples.fill(sample: index, tokens: &tokens, targets: &targets)
        return (tokens, targets)
    }
}
