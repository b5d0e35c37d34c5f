// SPDX-License-Identifier: MIT

/// How many documents nearly repeat an earlier one, found by MinHash over their token ids.
///
/// A document is the set of its runs of five tokens. One hash of a run puts it into one of 32 bins, and the least
/// hash of a bin stands for it; two documents agree in a bin with the probability of their Jaccard similarity. Eight bands
/// of four bins find candidates (at similarity 0.8 with probability 0.98); of these, one that agrees in three quarters of the bins counts.
/// - Note: Source: Li, Owen, Zhang, "One permutation hashing", NIPS 2012; Shrivastava, Li, "Densifying one permutation hashing
///   via rotation", ICML 2014.
struct NearDuplicates {
    /// Documents looked at, and of them those that nearly repeat an earlier one.
    private(set) var documents = 0, found = 0
    /// One in so many documents is looked at.
    let every: Int

    static let shortest = 20, mostDocuments = 1_000_000
    private static let run = 5, bins = 32, rows = 4, agreeing = 24

    private var signatures: [UInt16] = []
    /// By the hash of a band and its number: the first document with it.
    private var bands: [UInt64: Int32] = [:]

    /// - Parameter documents: how many there are about; beyond a million a sample is looked at.
    init(documents: Int) {
        var every = 1
        while documents / every > Self.mostDocuments { every *= 2 }
        self.every = every
    }

    /// Looks at a document's ids; short ones, where a run or two decide, are passed over.
    mutating func add(_ ids: [Int32]) {
        guard ids.count >= Self.shortest else { return }
        var least = [UInt64](repeating: .max, count: Self.bins), smallest = UInt64.max
        for start in 0...(ids.count - Self.run) {
            var hash: UInt64 = 0
            for k in 0..<Self.run { hash = CounterHash.mix(hash ^ UInt64(UInt32(bitPattern: ids[start + k]))) }
            smallest = min(smallest, hash)
            let bin = Int(hash >> 59)
            least[bin] = min(least[bin], hash)
        }
        // Near copies mostly share their smallest hash, so a sample by it keeps pairs together, as one by position would not.
        guard CounterHash.mix(smallest) % UInt64(every) == 0, documents < 2 * Self.mostDocuments else { return }
        let signature = Self.densified(least)
        var isNear = false
        for band in 0..<Self.bins / Self.rows {
            var key = CounterHash.mix(UInt64(band))
            for row in 0..<Self.rows { key = CounterHash.mix(key ^ signature[band * Self.rows + row]) }
            guard let other = bands[key] else {
                bands[key] = Int32(documents)
                continue
            }
            if !isNear, Int(other) != documents { isNear = agrees(signature, with: Int(other)) }
        }
        signatures += signature.map { UInt16(truncatingIfNeeded: $0 >> 20) }
        documents += 1
        if isNear { found += 1 }
    }

    private func agrees(_ signature: [UInt64], with other: Int) -> Bool {
        var equal = 0
        for bin in 0..<Self.bins where signatures[other * Self.bins + bin] == UInt16(truncatingIfNeeded: signature[bin] >> 20) {
            equal += 1
        }
        return equal >= Self.agreeing
    }

    /// Fills each empty bin from the next one that is not, marked by how far away that is.
    private static func densified(_ least: [UInt64]) -> [UInt64] {
        least.indices.map { bin in
            var distance = 0
            while distance < bins, least[(bin + distance) % bins] == .max { distance += 1 }
            return CounterHash.mix(least[(bin + distance) % bins] ^ UInt64(distance))
        }
    }
}

/// Finds out whether what the tokens are about returns with a period, as when shards of several sources alternate.
///
/// The sequence is cut into equal stretches, each with a histogram of its ids in 64 classes. The mean squared Hellinger
/// distance of stretches `lag` apart is about the same at all lags when the order is random, grows with the lag when the data drift,
/// and falls back at the period when they alternate. Only the last is reported.
struct PeriodicOrder {
    static let stretches = 240
    /// Below this a stretch is a few documents, and its histogram is chance.
    static let leastTokens = 20_000
    private static let classes = 64
    private let length: Int
    private var histograms: [[Double]] = []
    private var current = [Double](repeating: 0, count: classes)
    private var filled = 0

    /// - Parameter tokens: tokens of the whole sequence.
    init(tokens: Int) { length = max(Self.leastTokens, (tokens + Self.stretches - 1) / Self.stretches) }

    mutating func add(_ piece: UnsafeBufferPointer<Int32>) {
        for id in piece {
            current[Int(CounterHash.mix(UInt64(UInt32(bitPattern: id))) >> 58)] += 1
            filled += 1
            if filled == length {
                // Square roots of shares: their products sum to the Bhattacharyya coefficient.
                histograms.append(current.map { ($0 / Double(length)).squareRoot() })
                current = [Double](repeating: 0, count: Self.classes)
                filled = 0
            }
        }
    }

    /// The period in tokens; nil when there is none to be seen.
    var period: Int? {
        guard histograms.count >= 12 else { return nil }
        let most = histograms.count / 3
        let distances = (0...(2 * most)).map { lag -> Double in
            let pairs = zip(histograms, histograms.dropFirst(lag))
            let sum = pairs.reduce(0.0) { $0 + 1 - zip($1.0, $1.1).reduce(0.0) { $0 + $1.0 * $1.1 } }
            return sum / Double(histograms.count - lag)
        }
        for lag in 2...most {
            let highest = distances[1..<lag].max() ?? 0
            // What scatter of random samples makes is about classes / 4 n; a period must stand out from it.
            guard highest > 4 * Double(Self.classes) / (4 * Double(length)) else { continue }
            guard distances[lag] < 0.5 * highest else { continue }
            // The bottom of the dip is the period.
            var bottom = lag
            while bottom < most, distances[bottom + 1] < distances[bottom] { bottom += 1 }
            return distances[2 * bottom] < 0.6 * highest ? bottom * length : nil
        }
        return nil
    }
}
