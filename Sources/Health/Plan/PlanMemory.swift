// SPDX-License-Identifier: MIT
import RunLog

/// What a training run takes in memory, by part, in bytes.
public struct PlanMemory: Sendable, Equatable {
    /// float32 masters, and the copy in bfloat16 where there is one.
    public var weights: Double
    /// float32: four bytes a parameter.
    public var gradients: Double
    /// AdamW's two moments.
    public var optimizer: Double
    /// What the backward pass needs of one micro-batch; less with recomputation.
    public var activations: Double
    /// The chunk of logits that exists at a time.
    public var classifier: Double
    /// Workspaces of libraries and operations, and the program itself.
    public var workspace: Double

    /// Every part in bytes; `gpu(_:)` works them out for a card.
    public init(weights: Double, gradients: Double, optimizer: Double, activations: Double, classifier: Double, workspace: Double)
    {
        self.weights = weights
        self.gradients = gradients
        self.optimizer = optimizer
        self.activations = activations
        self.classifier = classifier
        self.workspace = workspace
    }

    /// Bytes; to be compared with the device's memory.
    public var total: Double { weights + gradients + optimizer + activations + classifier + workspace }

    /// The parts with their names in the catalogue and the JSON.
    var parts: [(name: String, bytes: Double)] {
        [
            ("weights", weights), ("gradients", gradients), ("optimizer", optimizer), ("activations", activations),
            ("classifier", classifier), ("workspace", workspace),
        ]
    }

    /// A GPU's memory by formulas; docs/plan.md derives them.
    ///
    /// Float32 masters, gradients and moments, a bfloat16 copy when that is the dtype, the activations of the model's own
    /// forward pass, and logits of at most 2048 rows at a time.
    public static func gpu(_ config: RunConfig) -> PlanMemory {
        let shape = config.shape
        let count = Double(shape.parametersTotal), isHalf = config.dtype != "float32"
        let act: Double = isHalf ? 2 : 4
        let rows = Double(config.batchSize) * Double(config.blockSize)
        return PlanMemory(
            weights: count * (isHalf ? 6 : 4), gradients: count * 4, optimizer: count * 8,
            activations: activations(config, rows: rows, act: act),
            classifier: min(rows, 2048) * Double(config.vocabSize) * 4, workspace: gpuWorkspace)
    }

    /// The CUDA context with its modules, cuBLASLt's workspace and what the allocator loses to rounding: about 0.7 GiB.
    static let gpuWorkspace = 0.7 * 1_073_741_824

    /// - Parameters:
    ///   - rows: tokens of a micro-batch, R = B T
    ///   - act: bytes of an activation
    private static func activations(_ config: RunConfig, rows: Double, act: Double) -> Double {
        let width = Double(config.nEmbd), layers = Double(config.nLayer), rc = rows * width
        // Per block: ln1 C, qkv 3C, attention C with its log-sum-exp; then the residual C in float32, ln2 C, fc 4C, gelu 4C.
        let attention = 5 * act * rc + 8 * rows + 4 * rows * Double(config.nHead)
        let rest = 4 * rc + 9 * act * rc + 8 * rows
        let blocks: Double
        switch config.recompute {
        case "block": blocks = attention + rest
        case "attention": blocks = attention + layers * rest
        default: blocks = layers * (attention + rest)
        }
        // The residual streams, tokens and targets, the last norm, gradients on their way down.
        let stream = (layers + 1) * 4 * rc
        let ends = 12 * rows + 2 * act * rc + 12 * rows
        let backward = 4 * rc + 8 * act * rc
        return blocks + stream + ends + backward
    }
}
