// SPDX-License-Identifier: MIT
import Compute

/// What a GPT is made of; GPT-2's architecture with nanoGPT's choices as defaults.
public struct GPTConfig: Sendable, Equatable {
    public static let formatVersion = 1

    /// Transformer blocks, at least 1.
    public var nLayer: Int
    /// Attention heads of a block; divides `nEmbd`.
    public var nHead: Int
    /// C, the width of the residual stream; the MLP is 4 C wide.
    public var nEmbd: Int
    /// Most tokens of a sequence: rows of the position embedding.
    public var blockSize: Int
    /// Rows of the vocabulary matrix, padding included.
    public var vocabSize: Int
    /// Whether linear layers and norms have biases.
    public var bias: Bool
    /// Probability, from 0 to below 1.
    public var dropout: Double
    /// Of the MLP.
    public var activation: Activation

    /// Size of one head, `n_embd / n_head`.
    public var headSize: Int { nEmbd / nHead }

    /// - Throws: `ModelError` for sizes that do not fit together.
    public init(
        nLayer: Int, nHead: Int, nEmbd: Int, blockSize: Int, vocabSize: Int, bias: Bool = false, dropout: Double = 0,
        activation: Activation = .gelu
    ) throws {
        self.nLayer = nLayer
        self.nHead = nHead
        self.nEmbd = nEmbd
        self.blockSize = blockSize
        self.vocabSize = vocabSize
        self.bias = bias
        self.dropout = dropout
        self.activation = activation
        for (name, value) in [
            ("n_layer", nLayer), ("n_head", nHead), ("n_embd", nEmbd), ("block_size", blockSize), ("vocab_size", vocabSize),
        ] where value < 1 {
            throw ModelError("\(name) is \(value); it must be at least 1")
        }
        guard nEmbd % nHead == 0 else {
            let divisors = (1...nEmbd).filter { nEmbd % $0 == 0 }
            let near = divisors.min { abs($0 - nHead) < abs($1 - nHead) } ?? 1
            throw ModelError("n_embd \(nEmbd) is not divisible by n_head \(nHead); n_head = \(near) would fit")
        }
        guard dropout >= 0, dropout < 1 else { throw ModelError("dropout is \(dropout); it must be from 0 to below 1") }
    }
}

/// What a parameter is for; optimizers choose by it.
public enum ParameterRole: String, Sendable {
    /// Token and position matrices; linear weights of blocks; a head of its own; norms and biases.
    case embedding, hidden, head, vector
}

/// How a parameter starts.
public enum Initialization: Sendable, Equatable {
    /// Biases start at 0, the weights of norms at 1.
    case zeros, ones
    /// Normal with mean 0 and this standard deviation.
    case normal(Double)
}

/// A parameter's name, shape and treatment; everything that handles parameters goes by this list.
public struct ParameterDescription: Sendable, Equatable {
    /// nanoGPT's name, such as `transformer.h.0.attn.c_attn.weight`.
    public let name: String
    /// Linear weights are [out, in].
    public let shape: [Int]
    public let role: ParameterRole
    public let initialization: Initialization
    /// Whether weight decay applies: matrices and embeddings, not biases and norms.
    public let decays: Bool
    /// Multiplies the schedule's rate; 1 for all parameters of a GPT.
    public let learningRateMultiplier: Double
    /// The layer whose backward pass completes this gradient; -1 for the embeddings, which come last.
    public let layer: Int

    /// Elements: the product of `shape`.
    public var count: Int { shape.reduce(1, *) }
}

extension GPTConfig {
    /// All parameters in the order in which the backward pass completes their gradients.
    public var parameters: [ParameterDescription] {
        let c = nEmbd
        // nanoGPT: residual projections start smaller by 1 / sqrt(2 L) (GPT-2 paper, section 2.3).
        let residualStd = 0.02 / (2 * Double(nLayer)).squareRoot()
        var list: [ParameterDescription] = []
        func matrix(_ name: String, _ shape: [Int], _ role: ParameterRole, std: Double = 0.02, layer: Int) {
            list.append(
                ParameterDescription(
                    name: name, shape: shape, role: role, initialization: .normal(std), decays: true, learningRateMultiplier: 1,
                    layer: layer))
        }
        func vector(_ name: String, _ count: Int, _ start: Initialization, layer: Int) {
            list.append(
                ParameterDescription(
                    name: name, shape: [count], role: .vector, initialization: start, decays: false, learningRateMultiplier: 1,
                    layer: layer))
        }
        func norm(_ name: String, layer: Int) {
            vector(name + ".weight", c, .ones, layer: layer)
            if bias { vector(name + ".bias", c, .zeros, layer: layer) }
        }
        func linear(_ name: String, _ out: Int, _ in_: Int, std: Double = 0.02, layer: Int) {
            matrix(name + ".weight", [out, in_], .hidden, std: std, layer: layer)
            if bias { vector(name + ".bias", out, .zeros, layer: layer) }
        }
        norm("transformer.ln_f", layer: nLayer)
        for layer in (0..<nLayer).reversed() {
            let h = "transformer.h.\(layer)."
            linear(h + "mlp.c_proj", c, 4 * c, std: residualStd, layer: layer)
            linear(h + "mlp.c_fc", 4 * c, c, layer: layer)
            norm(h + "ln_2", layer: layer)
            linear(h + "attn.c_proj", c, c, std: residualStd, layer: layer)
            linear(h + "attn.c_attn", 3 * c, c, layer: layer)
            norm(h + "ln_1", layer: layer)
        }
        matrix("transformer.wte.weight", [vocabSize, c], .embedding, layer: -1)
        matrix("transformer.wpe.weight", [blockSize, c], .embedding, layer: -1)
        return list
    }
}
