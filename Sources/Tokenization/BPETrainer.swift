// SPDX-License-Identifier: MIT
import CTokenization
import Foundation

/// Learns a byte-level BPE vocabulary from documents.
///
/// Give every worker its own `WordCounter`, `add` the counters when the documents are counted, then `train`. Counts
/// are sums, so the result does not depend on the number of workers or the order of documents. Of equally frequent
/// pairs the one with the lower left id is merged first, of these the one with the lower right id.
///
/// Ids 0...255 are the bytes in GPT-2's order, then come the merges, last the special tokens; `<|endoftext|>` is
/// the last of all unless other special tokens are asked for. Texts are split by GPT-2's pattern.
///
/// Memory is proportional to the number of different words (about 60 bytes a word while counting, as much for every
/// worker, and 150 while training), not to the length of the text; `maximumWords` bounds it.
public final class BPETrainer: Sendable {
    /// Ids asked for: 256 bytes, merges and special tokens.
    public let vocabularySize: Int
    /// Get the last ids, in this order; all different.
    public let specialTokens: [String]
    /// Pairs that come less often are not merged; at least 1.
    public let minimumFrequency: Int
    /// Different words that may be counted, in all and by each worker.
    public let maximumWords: Int
    private let total: WordCounter
    private let lock = NSLock()

    /// - Parameters:
    ///   - vocabularySize: ids of the finished vocabulary, bytes and special tokens included.
    ///   - specialTokens: get the last ids; they are never merged from pieces.
    ///   - minimumFrequency: pairs that come less often are not merged.
    ///   - maximumWords: different words that may be counted.
    /// - Throws: `TokenizerError` when the size has no room for the bytes and special tokens.
    public init(
        vocabularySize: Int, specialTokens: [String] = ["<|endoftext|>"], minimumFrequency: Int = 2,
        maximumWords: Int = 32_000_000
    ) throws {
        let least = 256 + specialTokens.count, most = Int(APUS_MAX_TOKENS)
        guard (least...most).contains(vocabularySize) else {
            throw TokenizerError(
                .badRequest,
                "a vocabulary of \(vocabularySize) ids cannot be trained; valid are \(least) "
                    + "(256 bytes and \(specialTokens.count) special) to \(most)")
        }
        guard Set(specialTokens).count == specialTokens.count, !specialTokens.contains("") else {
            throw TokenizerError(.badRequest, "the special tokens \(specialTokens) must be different and not empty")
        }
        self.vocabularySize = vocabularySize
        self.specialTokens = specialTokens
        self.minimumFrequency = max(1, minimumFrequency)
        self.maximumWords = maximumWords
        total = try WordCounter(maximumWords: maximumWords)
    }

    /// A counter for one worker.
    public func makeCounter() throws -> WordCounter { try WordCounter(maximumWords: maximumWords) }

    /// Adds what a worker counted; any thread may call it.
    public func add(_ counter: WordCounter) throws {
        lock.lock()
        defer { lock.unlock() }
        try total.add(counter)
    }

    /// Counts one document; any thread may call it, one at a time gets on.
    public func add(document: UnsafeRawBufferPointer) throws {
        lock.lock()
        defer { lock.unlock() }
        try total.add(document: document)
    }

    /// What training gave.
    public struct Result: Sendable {
        /// Has fewer ids than asked for when `shortfall` says so.
        public let tokenizer: BPETokenizer
        /// As the trainer was made with.
        public let requestedVocabularySize: Int
        /// Different words in the text.
        public let distinctWords: Int
        /// Says that the vocabulary is smaller than asked for, and why; nil when it is not.
        public let shortfall: String?
    }

    /// Learns the merges from all that was added.
    ///
    /// - Parameter progress: called after each merge with the number done; returning false stops with what is learned.
    /// - Throws: `TokenizerError` when memory runs out.
    public func train(progress: ((_ mergesDone: Int) -> Bool)? = nil) throws -> Result {
        lock.lock()
        defer { lock.unlock() }
        let wanted = vocabularySize - 256 - specialTokens.count
        let pairs = try learn(wanted, progress: progress)
        var model = BPEModel()
        for byte in ByteAlphabet.order { try model.append([byte]) }
        for (place, pair) in pairs.enumerated() {
            let bytes = Array(model.token(Int(pair.left))) + model.token(Int(pair.right))
            try model.append(bytes)
            model.merges.append(.init(left: pair.left, right: pair.right, result: UInt32(256 + place)))
        }
        model.added = specialTokens.enumerated().map { AddedToken(content: $1, id: UInt32(256 + pairs.count + $0)) }
        let tokenizer = try BPETokenizer(model: model)
        let words = total.distinctWords
        let shortfall =
            pairs.count == wanted
            ? nil
            : "the vocabulary has \(tokenizer.vocabularySize) ids, not \(vocabularySize): in the text's \(words) different words "
                + "no further pair comes at least \(minimumFrequency) times; give more text or ask for fewer ids"
        return Result(
            tokenizer: tokenizer, requestedVocabularySize: vocabularySize, distinctWords: words, shortfall: shortfall)
    }

    private func learn(_ merges: Int, progress: ((Int) -> Bool)?) throws -> [(left: UInt32, right: UInt32)] {
        var byteIds = [UInt32](repeating: 0, count: 256)
        for (id, byte) in ByteAlphabet.order.enumerated() { byteIds[Int(byte)] = UInt32(id) }
        var pairs = [UInt32](repeating: 0, count: 2 * merges + 2)
        let report = progress ?? { _ in true }
        let learned = withoutActuallyEscaping(report) { report in
            withUnsafePointer(to: report) { context in
                apus_bpe_train(
                    total.handle, byteIds, merges, UInt64(minimumFrequency), &pairs,
                    { context, done in
                        context?.assumingMemoryBound(to: ((Int) -> Bool).self).pointee(done) ?? true
                    }, UnsafeMutableRawPointer(mutating: context))
            }
        }
        if learned < 0 { throw TokenizerError.outOfMemory }
        return (0..<learned).map { (pairs[2 * $0], pairs[2 * $0 + 1]) }
    }
}

/// Counts the different words of documents on one thread.
public final class WordCounter: @unchecked Sendable {
    // Sendable so that a worker can hand it over when it is done; two threads never use one at once.
    fileprivate let handle: OpaquePointer
    private let maximumWords: Int

    init(maximumWords: Int) throws {
        guard let handle = apus_counter_create(APUS_SPLIT_GPT2, max(0, maximumWords)) else { throw TokenizerError.outOfMemory }
        self.handle = handle
        self.maximumWords = maximumWords
    }

    deinit { apus_counter_destroy(handle) }

    /// Counted so far; all are held in memory.
    public var distinctWords: Int { apus_counter_words(handle) }

    /// Counts a document's words; ill-formed UTF-8 counts as U+FFFD.
    ///
    /// Words of more than 1024 bytes, which are hardly ever words, are cut into pieces of at most that.
    /// - Throws: `TokenizerError` when there are more different words than allowed, or memory runs out.
    public func add(document: UnsafeRawBufferPointer) throws {
        guard let base = document.baseAddress else { return }
        try check(apus_counter_add_text(handle, base, document.count))
    }

    fileprivate func add(_ other: WordCounter) throws { try check(apus_counter_add_counter(handle, other.handle)) }

    private func check(_ status: Int32) throws {
        if status == -1 { throw TokenizerError.outOfMemory }
        if status == -2 {
            throw TokenizerError(
                .badRequest,
                "the text has more than \(maximumWords) different words, which training would hold in memory; "
                    + "train on a part of it (1 GB of clean text is plenty)")
        }
    }
}
