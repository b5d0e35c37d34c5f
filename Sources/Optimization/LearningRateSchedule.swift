// SPDX-License-Identifier: MIT
import Foundation

/// The learning rate of every update, counted from 0.
public struct LearningRateSchedule: Sendable, Equatable {
    /// What the rate does after the warm-up.
    public enum Shape: String, Sendable, CaseIterable {
        /// Half a cosine from the peak to the minimum.
        case cosine
        /// A straight line from the peak to the minimum.
        case linear
        /// The peak for ever: `minimum` and `decayIters` play no part.
        case constant
        /// Warm-up, stable, decay: the peak until the last fifth, then straight down (Hu et al., arXiv 2404.06395).
        case wsd
    }

    public let shape: Shape
    /// Reached at update `warmupIters`.
    public let peak: Double
    /// Reached at update `decayIters`; not used by `constant`.
    public let minimum: Double
    /// Updates of linear rise, the first at peak / (warmupIters + 1); 0: none.
    public let warmupIters: Int
    /// The update at which the decay ends; the rate stays at the minimum after it.
    public let decayIters: Int

    public init(shape: Shape, peak: Double, minimum: Double, warmupIters: Int, decayIters: Int) {
        self.shape = shape
        self.peak = peak
        self.minimum = minimum
        self.warmupIters = warmupIters
        self.decayIters = decayIters
    }

    /// The rate of update `it`, as nanoGPT's get_lr computes it for the cosine.
    public func rate(_ it: Int) -> Double {
        if it < warmupIters { return peak * Double(it + 1) / Double(warmupIters + 1) }
        if shape == .constant { return peak }
        if it > decayIters { return minimum }
        let length = decayIters - warmupIters
        let progress = length > 0 ? Double(it - warmupIters) / Double(length) : 1
        switch shape {
        case .cosine: return minimum + 0.5 * (1 + cos(Double.pi * progress)) * (peak - minimum)
        case .linear: return peak + (minimum - peak) * progress
        case .wsd: return progress < 0.8 ? peak : peak + (minimum - peak) * (progress - 0.8) / 0.2
        case .constant: return peak
        }
    }
}
