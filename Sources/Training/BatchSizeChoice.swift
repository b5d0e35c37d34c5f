// SPDX-License-Identifier: MIT
import Compute
import Modeling

/// `--batch-size auto`: the micro-batch with which a device trains fastest, among those that fit its memory.
///
/// batch_size x gradient_accumulation_steps stays what the configuration says, so an update sees the same tokens and the run is
/// the same but for rounding. Recomputation is turned on only when nothing fits without.
public struct BatchSizeChoice: Sendable {
    /// What can be run, with the memory it takes.
    public struct Candidate: Sendable {
        /// The given one with other batch_size and gradient_accumulation_steps, and perhaps recomputation.
        public let setup: RunSetup
        /// Its plan, which fitted what was available.
        public let memory: RunMemory
    }

    /// What was found: the setup to run, and tokens a second of every size that was measured.
    public struct Result: Sendable {
        /// The fastest measured; the only candidate when there was just one.
        public let setup: RunSetup
        /// In the order measured, smallest first; empty when there was just one candidate.
        public let measured: [(batchSize: Int, tokensPerSecond: Double)]
    }

    /// Larger micro-batches than this many rows fill no device better.
    private static let mostRows = 1 << 17

    /// Every micro-batch that divides the update's sequences and fits, smallest first; of sizes close together only one.
    ///
    /// - Throws: `MemoryError` when not even one sequence fits with the most recomputation allowed.
    public static func candidates(_ setup: RunSetup, backend: any Backend, available: Int?) throws -> [Candidate] {
        let samples = setup.config.batchSize * setup.config.gradientAccumulationSteps
        let modes = setup.recompute == .none ? Recompute.allCases : [setup.recompute]
        var smallest: RunMemory?
        for mode in modes {
            var found: [Candidate] = []
            for size in divisors(samples) where size == 1 || size * setup.config.blockSize <= mostRows {
                let changed = setup.with(batchSize: size, accumulation: samples / size, recompute: mode)
                let memory = RunMemory.plan(changed, backend: backend)
                if size == 1 { smallest = memory }
                guard memory.total <= available ?? Int.max else { break }
                found.append(Candidate(setup: changed, memory: memory))
            }
            if !found.isEmpty { return spread(found) }
        }
        throw MemoryError(
            wanted: smallest?.total ?? 0, available: available,
            advice: "not even one sequence fits with recompute = \"block\": take a smaller model or block_size")
    }

    static func divisors(_ number: Int) -> [Int] {
        var small: [Int] = [], large: [Int] = []
        var d = 1
        while d * d <= number {
            if number % d == 0 {
                small.append(d)
                if d * d != number { large.append(number / d) }
            }
            d += 1
        }
        return small + large.reversed()
    }

    /// Keeps the largest, and below it those that are smaller by a third or more each.
    private static func spread(_ candidates: [Candidate]) -> [Candidate] {
        var kept: [Candidate] = []
        for candidate in candidates.reversed() {
            guard let last = kept.last?.setup.config.batchSize else {
                kept.append(candidate)
                continue
            }
            if candidate.setup.config.batchSize * 3 <= last * 2 { kept.append(candidate) }
        }
        return kept.reversed()
    }

    /// Measures candidates from the smallest on, and takes the fastest.
    ///
    /// It ends when larger ones bring nothing, or when `seconds` are spent. A larger one must be faster by 1 % to be preferred.
    /// - Throws: `MemoryError`, or what happened to the device.
    public static func fastest(_ setup: RunSetup, backend: any Backend, seconds: Double = 10) throws -> Result {
        let candidates = try candidates(setup, backend: backend, available: backend.availableBytes)
        guard candidates.count > 1, let first = candidates.first else {
            return Result(setup: candidates.first?.setup ?? setup, measured: [])
        }
        let weights = try GPTWeights(setup.model, dtype: setup.dtype, on: backend)
        weights.initialize(seed: 1)
        var best = (setup: first.setup, rate: 0.0), measured: [(batchSize: Int, tokensPerSecond: Double)] = []
        var spent = 0.0, slower = 0
        for candidate in candidates where slower < 2 && spent < seconds {
            let rate: Double, taken: Double
            do {
                (rate, taken) = try measure(candidate.setup, weights, backend)
            } catch is MemoryError where best.rate > 0 {
                break  // what others took meanwhile is no reason not to start with less
            }
            spent += taken
            measured.append((candidate.setup.config.batchSize, rate))
            if rate > best.rate * 1.01 {
                best = (candidate.setup, rate)
                slower = 0
            } else {
                slower += 1
            }
        }
        return Result(setup: best.setup, measured: measured)
    }

    /// Tokens a second of the faster of two micro-steps after the first two, and the seconds that all took.
    private static func measure(
        _ setup: RunSetup, _ weights: GPTWeights, _ backend: any Backend
    ) throws -> (rate: Double, seconds: Double) {
        let model = try GPT(
            weights: weights, batch: setup.config.batchSize, length: setup.config.blockSize, training: true,
            recompute: setup.recompute)
        let ids = (0..<model.sizes.rows).map { Int32(($0 * 7919) % setup.model.vocabSize) }
        ids.withUnsafeBufferPointer { model.load(tokens: $0, targets: $0) }
        var losses = [Float](repeating: 0, count: model.sizes.rows)
        let clock = ContinuousClock(), start = clock.now
        var fastest = Double.infinity
        // A device compiles in the first and may record in the second.
        for index in 0..<4 {
            let time = try clock.measure {
                model.trainMicroBatch(scale: 1 / Double(model.sizes.rows), sampleIndex: 0)
                try losses.withUnsafeMutableBytes { try backend.read(model.losses, into: $0) }
            }
            if index >= 2 { fastest = min(fastest, time.seconds) }
        }
        return (Double(model.sizes.rows) / max(fastest, 1e-9), (clock.now - start).seconds)
    }
}
