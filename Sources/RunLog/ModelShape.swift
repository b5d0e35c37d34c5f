// SPDX-License-Identifier: MIT

/// The numbers that fix a GPT's size, and what follows from them by arithmetic alone.
public struct ModelShape: Codable, Sendable, Equatable {
    /// Transformer blocks.
    public var nLayer: Int
    /// Attention heads; divides `nEmbd`.
    public var nHead: Int
    /// Width of the residual stream.
    public var nEmbd: Int
    /// Context length in tokens: rows of the position table.
    public var blockSize: Int
    /// Rows of the vocabulary matrix, padding included.
    public var vocabSize: Int
    /// Whether Linear and LayerNorm layers have biases; they count in the parameters.
    public var bias: Bool

    public init(nLayer: Int, nHead: Int, nEmbd: Int, blockSize: Int, vocabSize: Int, bias: Bool) {
        self.nLayer = nLayer
        self.nHead = nHead
        self.nEmbd = nEmbd
        self.blockSize = blockSize
        self.vocabSize = vocabSize
        self.bias = bias
    }

    /// All trained numbers; the vocabulary matrix counts once, since the head is tied to it.
    public var parametersTotal: Int { parameters + blockSize * nEmbd }

    /// nanoGPT's "number of parameters": everything but the position table.
    public var parameters: Int { parametersNonEmbedding + vocabSize * nEmbd }

    /// The blocks and the final norm: what Kaplan et al. (arXiv 2001.08361) call N.
    public var parametersNonEmbedding: Int {
        let c = nEmbd, vectors = bias ? 13 * c : 2 * c  // biases: 3C + C + 4C + C; norms: 2C weights and 2C biases
        return nLayer * (12 * c * c + vectors) + (bias ? 2 * c : c)
    }

    /// Floating-point operations a token for forward and backward, as nanoGPT and PaLM (appendix B) count: 6 N + 12 L C T.
    public var flopsPerToken: Double {
        6 * Double(parameters) + 12 * Double(nLayer) * Double(nEmbd) * Double(blockSize)
    }

    /// "40.6M" or "1.56B", the way people name models.
    public static func short(_ count: Int) -> String {
        let value = Double(count)
        func digits(_ x: Double, _ unit: String) -> String {
            let tenths = (x * (x < 10 ? 100 : x < 100 ? 10 : 1)).rounded() / (x < 10 ? 100 : x < 100 ? 10 : 1)
            let text = tenths == tenths.rounded() ? String(Int(tenths)) : String(tenths)
            return text + unit
        }
        if value >= 1e9 { return digits(value / 1e9, "B") }
        if value >= 1e6 { return digits(value / 1e6, "M") }
        if value >= 1e3 { return digits(value / 1e3, "k") }
        return String(count)
    }

    enum CodingKeys: String, CodingKey {
        case nLayer = "n_layer"
        case nHead = "n_head"
        case nEmbd = "n_embd"
        case blockSize = "block_size"
        case vocabSize = "vocab_size"
        case bias
    }
}
