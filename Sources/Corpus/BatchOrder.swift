// SPDX-License-Identifier: MIT

/// Says where in a split the tokens of the i-th sample of a run lie.
///
/// The answer is a function of (order, seed, tokens, blockSize, sample index) alone: it does not depend on what was asked
/// before, on the batch size, or on how samples are dealt out to ranks. So an interrupted run goes on with
/// exactly the samples it would have had.
public struct BatchOrder: Sendable, Equatable {
    /// The configuration's `data_order`.
    public enum Kind: String, Sendable, CaseIterable {
        /// Every block of an epoch once, in pseudo-random order; the block edges move from epoch to epoch.
        case shuffle
        /// A uniformly drawn offset for every sample, with replacement: what nanoGPT does.
        case random
        /// Blocks one after the other, starting again at the end.
        case sequential
    }

    /// The configuration's `data_order`.
    public let kind: Kind
    /// Decides the shuffle and the random offsets; without effect on sequential order.
    public let seed: UInt64
    /// Tokens in the split.
    public let tokens: Int
    /// Inputs of one sample (T); it reads T + 1 tokens, since targets are shifted by one.
    public let blockSize: Int

    /// - Throws: `CorpusError` when the split has fewer than blockSize + 1 tokens, or blockSize is below 1.
    public init(kind: Kind, seed: UInt64, tokens: Int, blockSize: Int) throws {
        guard blockSize >= 1 else { throw CorpusError.usage("block_size is \(blockSize); it must be at least 1") }
        guard tokens > blockSize else {
            throw CorpusError(
                .data,
                "the split has \(tokens) tokens, but block_size \(blockSize) needs at least \(blockSize + 1): "
                    + "prepare more text, raise --val-fraction if it is the validation split, or lower block_size")
        }
        self.kind = kind
        self.seed = seed
        self.tokens = tokens
        self.blockSize = blockSize
    }

    /// Complete blocks of a fixed grid from the split's first token: those of `sequential` and of evaluation.
    public var blocks: Int { (tokens - 1) / blockSize }

    /// Samples after which `shuffle` and `sequential` have gone through the split once.
    ///
    /// `shuffle` keeps one block's room free for its moving edges, so an epoch leaves out below 2 T tokens of a split.
    public var samplesPerEpoch: Int {
        switch kind {
        case .shuffle: max(1, (tokens - blockSize) / blockSize)
        case .random, .sequential: blocks
        }
    }

    /// The position of the first input token of a sample, in 0...(tokens - blockSize - 1).
    ///
    /// - Parameter index: the global sample index, 0, 1, 2, ... over the whole run; a negative one is taken as 0.
    public func offset(ofSample index: Int) -> Int {
        let index = max(index, 0)
        switch kind {
        case .sequential:
            return index % blocks * blockSize
        case .random:
            return CounterHash.below(tokens - blockSize, seed, Self.randomStream, UInt64(index))
        case .shuffle:
            let perEpoch = samplesPerEpoch
            let (epoch, place) = index.quotientAndRemainder(dividingBy: perEpoch)
            let key = CounterHash.value(seed, Self.shuffleStream, UInt64(epoch))
            // Moving the grid gives every token every position in the context over the epochs.
            let room = min(blockSize, tokens - perEpoch * blockSize)
            let start = CounterHash.below(room, seed, Self.startStream, UInt64(epoch))
            return start + Permutation(count: perEpoch, key: key)[place] * blockSize
        }
    }

    // Names of the independent streams of random numbers that one seed gives.
    private static let randomStream: UInt64 = 0x7261_6E64, shuffleStream: UInt64 = 0x7368_7566, startStream: UInt64 = 0x7374_6172
}
