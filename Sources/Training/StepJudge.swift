// SPDX-License-Identifier: MIT
import Checkpoints
import Foundation

/// What an update's numbers look like beside those of the updates before it.
package enum StepVerdict: Equatable {
    case good
    /// Loss or gradient norm is not a number or infinite; the weights were not touched.
    case nonFinite
    /// The loss lies far above the recent ones.
    case lossSpike(usual: Double, zscore: Double)
    /// The gradient norm lies far above the recent ones, while the loss does not. Clipping takes care of it, so it is no bad
    /// update; one that stays announces trouble.
    case normSpike(usual: Double, zscore: Double)

    package var isBad: Bool {
        switch self {
        case .good, .normSpike: false
        case .nonFinite, .lossSpike: true
        }
    }
}

/// Judges every update by robust statistics of the good ones before it. Part of a checkpoint, so that a resumed run decides
/// as the uninterrupted one would.
///
/// A value is judged first and enters the statistics only when it is finite and no spike: neither a NaN nor the spike itself
/// can hide the next one. Median and median absolute deviation (MAD) do not move when a few values are wild.
package struct StepJudge: Codable, Equatable {
    package init() {}

    /// Losses of the last good updates, oldest first, nats per token.
    package private(set) var losses: [Double] = []
    /// Natural logarithms of their gradient norms, which vary by factors.
    package private(set) var logNorms: [Double] = []
    /// Bad updates since the last one that was not.
    package private(set) var badInARow = 0
    /// Updates in a row whose norm alone was a spike.
    package private(set) var normSpikesInARow = 0

    /// Updates that the statistics remember: short enough to follow a falling loss, long enough for a steady deviation.
    package static let window = 128
    /// Below this many values nothing is a spike.
    package static let least = 32
    /// Normal values have a MAD of their standard deviation over 1.4826.
    static let madToDeviation = 1.4826
    /// A loss's deviation is taken as at least this share of the loss and this many nats: a run that is almost deterministic
    /// must not make a spike of every wobble.
    static let leastShare = 0.01, leastNats = 0.02
    /// The least deviation of the norm's logarithm: 15 %.
    static let leastLogNorm = 0.15

    /// - Parameters:
    ///   - isFinite: the device's own flag, which kept the weights from a bad update
    ///   - threshold: robust standard deviations that make a spike; 0: none is
    ///   - judgesNorm: false in the warm-up, when the norm moves by its nature
    package mutating func judge(
        loss: Double, gradNorm: Double, isFinite: Bool, threshold: Double, judgesNorm: Bool
    ) -> StepVerdict {
        guard isFinite, loss.isFinite, gradNorm.isFinite, gradNorm >= 0 else {
            badInARow += 1
            return .nonFinite
        }
        // A norm of exactly 0 is possible (a learned batch); its logarithm must stay finite.
        let logNorm = log(max(gradNorm, 1e-30))
        let lossScale = Self.scale(of: losses) { max($0, Self.leastShare * abs($1), Self.leastNats) }
        if threshold > 0, let scale = lossScale, (loss - scale.median) / scale.deviation > threshold {
            badInARow += 1
            // What stays for long is the new level (nothing took the run back): the statistics start again from it.
            if badInARow >= Self.window / 2 { losses = [] }
            return .lossSpike(usual: scale.median, zscore: (loss - scale.median) / scale.deviation)
        }
        badInARow = 0
        Self.remember(loss, in: &losses)
        let normScale = Self.scale(of: logNorms) { deviation, _ in max(deviation, Self.leastLogNorm) }
        if threshold > 0, judgesNorm, let scale = normScale, (logNorm - scale.median) / scale.deviation > threshold {
            normSpikesInARow += 1
            if normSpikesInARow >= Self.window / 2 { logNorms = [] }
            return .normSpike(usual: exp(scale.median), zscore: (logNorm - scale.median) / scale.deviation)
        }
        normSpikesInARow = 0
        Self.remember(logNorm, in: &logNorms)
        return .good
    }

    private static func remember(_ value: Double, in values: inout [Double]) {
        values.append(value)
        if values.count > window { values.removeFirst(values.count - window) }
    }

    /// Median and robust standard deviation, nil while there are too few values.
    ///
    /// - Parameter floor: gives the deviation to use from (deviation, median)
    private static func scale(
        of values: [Double], floor: (Double, Double) -> Double
    ) -> (median: Double, deviation: Double)? {
        guard values.count >= least else { return nil }
        let middle = median(values)
        return (middle, floor(madToDeviation * median(values.map { abs($0 - middle) }), middle))
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted(), half = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
    }

    /// How long a gradient norm may be far off before it is worth a sentence: healthy runs have two such updates in a row.
    package static let tolerableNormSpikes = 4
}

/// What a run has been through: the judge of its updates and what earlier rollbacks changed. Part of a checkpoint.
package struct RunHistory: Codable, Equatable {
    package var judge = StepJudge()
    /// How often the run went back to a checkpoint.
    package var rollbacks = 0
    /// Product of the factors that rollbacks put on the learning rate.
    package var rateFactor = 1.0
    /// Samples that were read and then undone by rollbacks: the data cursor is this far ahead of what the weights have seen.
    package var undoneSamples = 0
    /// A checkpoint was due while updates were bad; it comes after the next good one.
    package var owesCheckpoint = false

    /// The key in a checkpoint's `extra`.
    static let key = "history"

    /// One line of JSON; numbers are written so that they read back bit for bit.
    package var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// - Parameter text: nil or damaged in checkpoints that were written before there was a history: it starts empty.
    ///   The same where its counts are none that a run can come to: they are added to and multiplied.
    package init(text: String?) {
        let read = text.flatMap { try? JSONDecoder().decode(RunHistory.self, from: Data($0.utf8)) }
        self = read.flatMap { $0.isPossible ? $0 : nil } ?? RunHistory()
    }

    private var isPossible: Bool {
        let counts = [rollbacks, undoneSamples, judge.badInARow, judge.normSpikesInARow]
        return counts.allSatisfy { (0...CheckpointState.mostSamples).contains($0) } && rateFactor > 0 && rateFactor <= 1
    }

    package init() {}
}
