// SPDX-License-Identifier: MIT

/// Which form of GELU: the exact one, or the tanh approximation of OpenAI's GPT-2.
public enum Activation: String, Sendable, CaseIterable {
    /// x/2 (1 + erf(x / sqrt 2))
    case gelu
    /// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    case geluTanh = "gelu_tanh"
}

/// One of q, k, v or their gradients, `[B, T, NH, HS]`, inside a larger tensor.
///
/// Element (b, t, h, i) is at `start + b * batchStride + t * tokenStride + h * headStride + i`, all in elements.
public struct HeadView: Sendable {
    /// What holds the heads, for example q, k and v side by side.
    public let tensor: Tensor
    /// Element of (0, 0, 0, 0), counted from the tensor's first.
    public let start: Int
    /// Elements from one sequence to the next.
    public let batchStride: Int
    /// Elements from one token to the next.
    public let tokenStride: Int
    /// Elements from one head to the next; `headSize` when they lie side by side.
    public let headStride: Int

    public init(_ tensor: Tensor, start: Int, batchStride: Int, tokenStride: Int, headStride: Int) {
        self.tensor = tensor
        self.start = start
        self.batchStride = batchStride
        self.tokenStride = tokenStride
        self.headStride = headStride
    }
}

/// The sizes of a causal attention: `queryLength` new tokens at the end of `keyLength` tokens.
///
/// Query t sees keys 0 ... keyLength - queryLength + t. In training both lengths are T.
public struct AttentionShape: Sendable, Equatable {
    /// B
    public let batch: Int
    /// New tokens of each sequence, at most `keyLength`.
    public let queryLength: Int
    /// Tokens that can be attended to, those in a cache included.
    public let keyLength: Int
    /// NH
    public let heads: Int
    /// HS, elements of one head's query, key or value.
    public let headSize: Int

    public init(batch: Int, queryLength: Int, keyLength: Int, heads: Int, headSize: Int) {
        self.batch = batch
        self.queryLength = queryLength
        self.keyLength = keyLength
        self.heads = heads
        self.headSize = headSize
    }

    /// Scores are multiplied by this before the softmax.
    public var scale: Float { 1 / Float(headSize).squareRoot() }
}

/// Dropout at one place of the model.
///
/// Element e of sample s is dropped when Philox4x32-10 with key `seed` and counter (e / 4, site, s low, s high) gives
/// in word e % 4 a number below `probability` x 2^32; the others are multiplied by 1 / (1 - probability). The sample s is
/// `StepState.sampleIndex` plus the row's sample within the micro-batch, so a mask depends on nothing but
/// (seed, site, sample, element): not on threads, micro-batch size, device or resumption.
public struct Dropout: Sendable {
    /// Share of elements dropped, from 0 to below 1.
    public let probability: Double
    /// Philox's key, the same for all sites of a run.
    public let seed: UInt64
    /// Numbers the places of a model: 0 embedding, then 1 + 3 * layer + (0 attention, 1 its projection, 2 MLP).
    public let site: UInt32
    /// The step state, `[StepState.count]` float64.
    public let state: Tensor

    public init(probability: Double, seed: UInt64, site: UInt32, state: Tensor) {
        self.probability = probability
        self.seed = seed
        self.site = site
        self.state = state
    }
}

/// What a matrix product does to its result before it is stored.
public enum Epilogue: Sendable {
    /// Stores the product, bias added.
    case none
    /// Stores the product (bias added) in `preactivation`, and its activation in the output.
    case activation(Activation, preactivation: Tensor)
    /// Adds a float32 tensor of the output's shape; the output may be that tensor itself.
    case residual(Tensor)
}

/// AdamW's constants for one group of parameters.
public struct AdamWGroup: Sendable, Equatable {
    /// What the mean of gradients keeps at each update, from 0 to below 1.
    public let beta1: Double
    /// What the mean of squared gradients keeps at each update, from 0 to below 1.
    public let beta2: Double
    /// Added to the square root that the step is divided by.
    public let epsilon: Double
    /// Multiplies the learning rate in p -= lr * decay * p; 0 for parameters that do not decay.
    public let weightDecay: Double
    /// Multiplies `StepState.learningRate`.
    public let learningRateMultiplier: Double

    public init(beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double, learningRateMultiplier: Double = 1) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.learningRateMultiplier = learningRateMultiplier
    }
}
