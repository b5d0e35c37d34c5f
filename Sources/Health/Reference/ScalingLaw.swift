// SPDX-License-Identifier: MIT
import Foundation

/// Loss of a fully trained GPT-2-class model from its size and its training tokens.
///
/// L(N, D) = E + A / N^a + B / D^b in nats per GPT-2 token, fitted to public runs whose learning rate had decayed:
/// llm.c's 124M and 350M and tuned AdamW runs of 124M parameters, all on FineWeb; 15.6M to 902M parameters and 0.3B to 20B tokens
/// in the checks. N is nanoGPT's "number of parameters" (without the position table, vocabulary matrix once); D the tokens by
/// the end of a schedule that decays to a tenth of the peak or less.
public struct ScalingLaw: Sendable {
    /// E in nats; A and its exponent for parameters, B and its exponent for tokens.
    public let e, a, alpha, b, beta: Double

    /// The fit that every expectation starts from; `sigma` says how far it holds.
    public static let fineweb = ScalingLaw(e: 2.123, a: 137.0, alpha: 0.27802, b: 1345.8, beta: 0.36145)
    /// For reports: what the fit rests on.
    public static let source =
        "law fitted to public decayed runs on FineWeb (llm.c, modded-nanogpt, nanogpt-speedrun); form: Hoffmann, arXiv 2203.15556"

    /// - Parameters:
    ///   - parameters: N.
    ///   - tokens: D, after the discount for repeats.
    public func loss(parameters: Double, tokens: Double) -> Double {
        e + a / pow(max(parameters, 1), alpha) + b / pow(max(tokens, 1), beta)
    }

    /// The tokens that loss `value` needs at a size; nil when no number of tokens suffices.
    public func tokens(forLoss value: Double, parameters: Double) -> Double? {
        let rest = value - e - a / pow(max(parameters, 1), alpha)
        return rest > 0 ? pow(b / rest, 1 / beta) : nil
    }

    /// What repeated tokens are worth as fresh ones (Muennighoff 2023, arXiv 2305.16264): U (1 + R* (1 - e^(-R / R*))), R =
    /// epochs - 1.
    public static func effectiveTokens(_ tokens: Double, unique: Double?) -> Double {
        guard let unique, unique > 0, tokens > unique else { return tokens }
        let repeats = tokens / unique - 1
        return unique * (1 + repeatScale * (1 - exp(-repeats / repeatScale)))
    }

    static let repeatScale = 15.387756

    /// What repeated tokens lose against as many fresh ones by the law of FineWeb, nats.
    static func repeatCost(_ tokens: Double, _ unique: Double, parameters: Double) -> Double {
        fineweb.loss(parameters: parameters, tokens: effectiveTokens(tokens, unique: unique))
            - fineweb.loss(parameters: parameters, tokens: tokens)
    }

    /// One standard deviation of the law at a size and token count, nats; the second value says whether it is extrapolated.
    public static func sigma(parameters n: Double, tokens d: Double) -> (value: Double, extrapolated: Bool) {
        var sigma: Double
        if n >= 120e6, n <= 360e6, d >= 1e9, d <= 32e9 {
            sigma = 0.02
        } else if n >= 30e6 {
            sigma = 0.05
        } else {
            sigma = 0.08
        }
        // Outside the fitted range the error grows with the distance in logarithms.
        let distance = max(0, log(20e6 / n), log(n / 900e6), log(0.3e9 / d), log(d / 30e9), log(d / n / 250), log(4 * n / d))
        sigma += 0.05 * distance
        return (sigma, distance > 0)
    }
}

/// Rules of thumb for the optimizer's settings, with their sources.
public enum GoodSettings {
    /// The peak learning rate that AdamW is known to do well with.
    ///
    /// 1.5e-3 at 124M parameters and 5B tokens (nanogpt-speedrun and modded-nanogpt's AdamW baselines), carried to other sizes
    /// with the square root of the blocks' parameters and a weak rise with tokens; the exponents are milder than Step Law's
    /// (-0.713, 0.307; arXiv 2503.04715), which overshoots below 100M. Half of it up to itself is the usual range.
    public static func learningRate(nonEmbedding: Double, tokens: Double) -> Double {
        1.5e-3 * pow(max(nonEmbedding, 1e5) / 85e6, -0.5) * pow(max(tokens, 1e6) / 5e9, 0.1)
    }

    /// Loss that a rate below the best costs against GPT-2's plain recipe, nats: 0.025 ln(best / rate)^2, less what the plain
    /// recipe loses itself, less 0.012, since llm.c's 350M reference shows no cost at a third of the best rate.
    public static func rateCost(_ rate: Double, best: Double) -> Double {
        guard rate > 0, best > rate else { return 0 }
        let plain = log(2.5)
        let distance = log(best / rate)
        return max(0, 0.025 * (distance * distance - plain * plain) - 0.012)
    }

    /// Step Law's batch of best final loss, tokens (arXiv 2503.04715): 0.58 D^0.571.
    public static func batch(tokens: Double) -> Double { 0.58 * pow(max(tokens, 1), 0.571) }

    /// Kaplan's critical batch, tokens (arXiv 2001.08361): 2e8 / L^4.76.
    public static func criticalBatch(loss: Double) -> Double { 2.0e8 / pow(max(loss, 0.1), 4.76) }

    /// Loss that a batch above Step Law's costs, nats; llm.c's 124M reference itself sits at 1.74 times.
    public static func batchCost(_ batch: Double, tokens: Double) -> Double {
        let ratio = batch / self.batch(tokens: tokens) / 1.74
        return ratio > 1 ? min(0.05, 0.02 * log2(ratio)) : 0
    }
}
