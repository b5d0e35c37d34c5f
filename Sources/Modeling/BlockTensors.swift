// SPDX-License-Identifier: MIT
import Compute

/// The parameters of one transformer block, or their gradients. C is the width.
package struct BlockTensors: Sendable {
    package let ln1: Tensor, ln1Bias: Tensor?  // [C]
    package let qkv: Tensor, qkvBias: Tensor?  // [3C, C]
    package let proj: Tensor, projBias: Tensor?  // [C, C]
    package let ln2: Tensor, ln2Bias: Tensor?  // [C]
    package let fc: Tensor, fcBias: Tensor?  // [4C, C]
    package let fcProj: Tensor, fcProjBias: Tensor?  // [C, 4C]

    /// - Parameters:
    ///   - matrices: where matrix products read or write
    ///   - vectors: norms and biases, float32
    package init(layer: Int, matrices: ParameterArena, vectors: ParameterArena) {
        let h = "transformer.h.\(layer)."
        ln1 = vectors.required(h + "ln_1.weight")
        ln1Bias = vectors[h + "ln_1.bias"]
        qkv = matrices.required(h + "attn.c_attn.weight")
        qkvBias = vectors[h + "attn.c_attn.bias"]
        proj = matrices.required(h + "attn.c_proj.weight")
        projBias = vectors[h + "attn.c_proj.bias"]
        ln2 = vectors.required(h + "ln_2.weight")
        ln2Bias = vectors[h + "ln_2.bias"]
        fc = matrices.required(h + "mlp.c_fc.weight")
        fcBias = vectors[h + "mlp.c_fc.bias"]
        fcProj = matrices.required(h + "mlp.c_proj.weight")
        fcProjBias = vectors[h + "mlp.c_proj.bias"]
    }
}

/// All parameters as the forward and backward passes use them, or all gradients.
package struct ModelTensors: Sendable {
    package let blocks: [BlockTensors]
    package let lnf: Tensor, lnfBias: Tensor?  // [C]
    /// The vocabulary matrix that the head multiplies with. [V, C]
    package let head: Tensor
    /// The vocabulary matrix that token ids look up, float32. [V, C]
    package let wte: Tensor
    package let wpe: Tensor  // [block size, C]

    package init(_ config: GPTConfig, matrices: ParameterArena, vectors: ParameterArena) {
        blocks = (0..<config.nLayer).map { BlockTensors(layer: $0, matrices: matrices, vectors: vectors) }
        lnf = vectors.required("transformer.ln_f.weight")
        lnfBias = vectors["transformer.ln_f.bias"]
        head = matrices.required("transformer.wte.weight")
        wte = vectors.required("transformer.wte.weight")
        wpe = vectors.required("transformer.wpe.weight")
    }

    package init(_ weights: GPTWeights) {
        self.init(weights.config, matrices: weights.copies ?? weights.masters, vectors: weights.masters)
    }

    package init(gradients: ParameterArena, _ config: GPTConfig) {
        self.init(config, matrices: gradients, vectors: gradients)
    }
}
