// SPDX-License-Identifier: MIT
import Storage

/// What must be known of a GPT besides its weights, under nanoGPT's names.
public struct ModelFacts: Sendable, Equatable {
    /// Transformer blocks, at most 10,000.
    public var nLayer: Int
    /// Attention heads; divides `nEmbd`.
    public var nHead: Int
    /// Width of the residual stream.
    public var nEmbd: Int
    /// Context length in tokens: rows of the position table.
    public var blockSize: Int
    /// Rows of the vocabulary matrix, padding included.
    public var vocabSize: Int
    /// Whether Linear and LayerNorm layers have biases.
    public var bias: Bool
    /// "gelu" (erf) or "gelu_tanh".
    public var activation: String

    /// Nothing is checked here; sources check the sizes when they are opened.
    public init(
        nLayer: Int, nHead: Int, nEmbd: Int, blockSize: Int, vocabSize: Int, bias: Bool, activation: String = "gelu"
    ) {
        self.nLayer = nLayer
        self.nHead = nHead
        self.nEmbd = nEmbd
        self.blockSize = blockSize
        self.vocabSize = vocabSize
        self.bias = bias
        self.activation = activation
    }

    /// The activations that Apus computes.
    public static let activations = ["gelu", "gelu_tanh"]
    /// No size in a model file may be larger: products of any two still fit an Int by far.
    static let largestSize = 1 << 28
    static let mostLayers = 10_000

    /// A parameter as nanoGPT stores it.
    public struct Parameter: Sendable, Equatable {
        /// Such as "transformer.h.0.attn.c_attn.weight".
        public let name: String
        /// Linear weights are [out, in].
        public let shape: [Int]
    }

    /// All parameters in the order of nanoGPT's `named_parameters()`; the tied head is `transformer.wte.weight`.
    public var parameters: [Parameter] {
        let c = nEmbd
        var list = [
            Parameter(name: "transformer.wte.weight", shape: [vocabSize, c]),
            Parameter(name: "transformer.wpe.weight", shape: [blockSize, c]),
        ]
        func add(_ name: String, _ shape: [Int]) {
            list.append(Parameter(name: name + ".weight", shape: shape))
            if bias { list.append(Parameter(name: name + ".bias", shape: [shape[0]])) }
        }
        for layer in 0..<max(0, nLayer) {
            let h = "transformer.h.\(layer)."
            add(h + "ln_1", [c])
            add(h + "attn.c_attn", [3 * c, c])
            add(h + "attn.c_proj", [c, c])
            add(h + "ln_2", [c])
            add(h + "mlp.c_fc", [4 * c, c])
            add(h + "mlp.c_proj", [c, 4 * c])
        }
        add("transformer.ln_f", [c])
        return list
    }

    /// The parameters in the order in which nanoGPT's optimizer numbers them: matrices and embeddings first, then vectors.
    public var optimizerOrder: [Parameter] {
        let all = parameters
        return all.filter { $0.shape.count >= 2 } + all.filter { $0.shape.count < 2 }
    }

    /// What a safetensors header says of the model, so that the file alone can be used.
    public var metadata: [String: String] {
        [
            "n_layer": "\(nLayer)", "n_head": "\(nHead)", "n_embd": "\(nEmbd)", "block_size": "\(blockSize)",
            "vocab_size": "\(vocabSize)", "bias": "\(bias)", "activation": activation,
        ]
    }

    /// Reads the facts from a safetensors header's metadata; nil when they are not all there.
    public init?(metadata: [String: String]) {
        func size(_ key: String) -> Int? { metadata[key].flatMap { Int($0) } }
        guard let nLayer = size("n_layer"), let nHead = size("n_head"), let nEmbd = size("n_embd"),
            let blockSize = size("block_size"),
            let vocabSize = size("vocab_size"), let bias = metadata["bias"].flatMap({ Bool($0) }),
            let activation = metadata["activation"]
        else { return nil }
        self.init(
            nLayer: nLayer, nHead: nHead, nEmbd: nEmbd, blockSize: blockSize, vocabSize: vocabSize, bias: bias,
            activation: activation)
    }

    /// - Throws: `FileError` naming the fact that is out of range.
    func check(path: String) throws {
        func refuse(_ reason: String) -> FileError { FileError(path: path, operation: "use the model", reason: reason) }
        for (name, value, limit) in [
            ("n_layer", nLayer, Self.mostLayers), ("n_head", nHead, Self.largestSize), ("n_embd", nEmbd, Self.largestSize),
            ("block_size", blockSize, Self.largestSize), ("vocab_size", vocabSize, Self.largestSize),
        ] where value < 1 || value > limit {
            throw refuse("\(name) is \(value); it must be from 1 to \(limit)")
        }
        guard nEmbd % nHead == 0 else { throw refuse("n_embd \(nEmbd) is not divisible by n_head \(nHead)") }
        guard Self.activations.contains(activation) else {
            throw refuse("its activation is '\(activation)'; Apus computes \(Self.activations.joined(separator: " and "))")
        }
    }

    /// What shapes alone tell: everything but the number of heads and the activation.
    ///
    /// - Returns: nil when the two embedding matrices are not there.
    static func infer(shapes: [String: [Int]], nHead: Int, activation: String) -> ModelFacts? {
        guard let wte = shapes["transformer.wte.weight"], wte.count == 2, let wpe = shapes["transformer.wpe.weight"],
            wpe.count == 2
        else { return nil }
        var layers = 0
        while shapes["transformer.h.\(layers).ln_1.weight"] != nil { layers += 1 }
        return ModelFacts(
            nLayer: layers, nHead: nHead, nEmbd: wte[1], blockSize: wpe[0], vocabSize: wte[0],
            bias: shapes["transformer.ln_f.bias"] != nil, activation: activation)
    }
}
