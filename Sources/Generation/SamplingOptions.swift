// SPDX-License-Identifier: MIT

/// How the next token is chosen from the model's probabilities.
public struct SamplingOptions: Sendable, Equatable {
    /// Logits are divided by this; 0 takes the likeliest token always.
    public var temperature: Double
    /// Only the k likeliest tokens; 0: all.
    public var topK: Int
    /// Only the likeliest tokens that together have this probability (nucleus sampling, Holtzman et al., arXiv 1904.09751); 1: all.
    public var topP: Double
    /// With the sample, the position and the logits it decides every choice.
    public var seed: UInt64

    /// The defaults are nanoGPT's, without top-p.
    public init(temperature: Double = 0.8, topK: Int = 200, topP: Double = 1, seed: UInt64 = 1337) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.seed = seed
    }

    /// What is wrong with these options, nil when nothing is.
    public var problem: String? {
        if !(temperature >= 0 && temperature.isFinite) { return "temperature is \(temperature); it must be 0 (greedy) or above" }
        if topK < 0 { return "top-k is \(topK); it must be 0 (all tokens) or above" }
        if !(topP > 0 && topP <= 1) { return "top-p is \(topP); it must be above 0 and at most 1" }
        return nil
    }
}
