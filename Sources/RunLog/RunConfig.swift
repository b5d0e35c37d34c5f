// SPDX-License-Identifier: MIT

/// Everything a training run is made from; the keys on disk and on the command line are nanoGPT's, plus ours.
///
/// `RunConfig.fields` describes every key once: its spelling, default, unit and rule. The TOML reader, the command
/// line, `run.json` and the help text all come from that table.
public struct RunConfig: Sendable, Equatable {
    // Where
    /// Run folder; must not exist yet unless a run is resumed.
    public var outDir = ""
    /// Dataset folder with train.bin and val.bin.
    public var data = ""
    /// nanoGPT's way to name the data: the folder data/NAME.
    public var dataset = ""
    /// "scratch", "resume", "gpt2" and its sizes, or the path of a model.
    public var initFrom = "scratch"
    // Model
    /// Transformer blocks, 1...1000.
    public var nLayer = 12
    /// Attention heads, 1...1000; divides `nEmbd`.
    public var nHead = 12
    /// Width, 1...65,536.
    public var nEmbd = 768
    /// Context length in tokens, 1...1,048,576.
    public var blockSize = 1024
    /// 0: taken from the data set, rounded up to a multiple of 64 from 1024 ids on.
    public var vocabSize = 0
    /// Whether Linear and LayerNorm layers have biases.
    public var bias = false
    /// Probability of dropping an activation, 0 or more and below 1.
    public var dropout = 0.0
    /// "gelu" (erf) or "gelu_tanh".
    public var activation = "gelu"
    /// Only "layernorm".
    public var norm = "layernorm"
    /// Only "learned": a table of positions.
    public var position = "learned"
    /// Normalise queries and keys; true is refused, as it is not available yet.
    public var qkNorm = false
    /// The vocabulary matrix serves input and output; false is refused, as it is not available yet.
    public var tiedHead = true
    // Batch
    /// Sequences in a micro-batch, 1...65,536.
    public var batchSize = 12
    /// Micro-batches in an update.
    public var gradientAccumulationSteps = 1
    // Optimizer
    /// The peak, reached after the warm-up.
    public var learningRate = 6e-4
    /// Updates the run makes; 0 must be replaced before training.
    public var maxIters = 0
    /// AdamW's, of matrices and embeddings.
    public var weightDecay = 0.1
    /// AdamW's decay of the gradient's mean, 0 or more and below 1.
    public var beta1 = 0.9
    /// AdamW's decay of the gradient's square, 0 or more and below 1.
    public var beta2 = 0.95
    /// Largest global gradient norm; 0: no clipping.
    public var gradClip = 1.0
    // Schedule
    /// false: the rate is constant, without a warm-up.
    public var decayLr = true
    /// Shape after the warm-up: "cosine", "linear", "constant" or "wsd".
    public var lrSchedule = "cosine"
    /// -1: 2 % of max_iters, at most 2000.
    public var warmupIters = -1
    /// 0: max_iters.
    public var lrDecayIters = 0
    /// -1: a tenth of learning_rate.
    public var minLr = -1.0
    // Measuring and saving
    /// Updates between evaluations; 0: only at the end.
    public var evalInterval = 250
    /// Micro-batches that an evaluation reads of each split.
    public var evalIters = 50
    /// 0: eval_iters x batch_size blocks; else about this many tokens of each split.
    public var evalTokens = 0
    /// Updates between lines of progress.
    public var logInterval = 1
    /// Updates between checkpoints; 0: eval_interval.
    public var checkpointInterval = 0
    /// Minutes between checkpoints; 0: only by updates.
    public var checkpointMinutes = 10.0
    /// Newest checkpoints to keep, besides the best; 0: all.
    public var keepCheckpoints = 3
    /// Write checkpoints on a thread of their own, from a copy in memory.
    public var checkpointBackground = true
    // Faults
    /// Robust standard deviations above the recent losses from which a loss is a spike; 0: none is.
    public var spikeZscore = 8.0
    /// Bad updates in a row after which the run goes back to the last good checkpoint; 0: it never does.
    public var rollbackAfter = 10
    /// Times that a run goes back before it stops.
    public var maxRollbacks = 3
    /// Multiplies the learning rate at each going back; above 0, at most 1.
    public var rollbackLrFactor = 1.0
    // Engine
    /// "cpu" or "cuda".
    public var device = "cpu"
    /// "float32" or "bfloat16": of activations and matrix products.
    public var dtype = "bfloat16"
    /// CPU threads; 0: one a core.
    public var threads = 0
    /// Activations that the backward pass computes again: "none", "attention" or "block".
    public var recompute = "none"
    /// Of initialisation, data order and dropout; 0 or more.
    public var seed = 1337
    /// "shuffle", "sequential" or "random", as `BatchOrder.Kind` explains them.
    public var dataOrder = "shuffle"

    /// The defaults; `maxIters` is left to be set.
    public init() {}

    /// The model's size once `vocabSize` is known.
    public var shape: ModelShape {
        ModelShape(nLayer: nLayer, nHead: nHead, nEmbd: nEmbd, blockSize: blockSize, vocabSize: vocabSize, bias: bias)
    }

    /// Tokens that one update sees.
    public var tokensPerStep: Int { batchSize * gradientAccumulationSteps * blockSize }

    /// Replaces the values that mean "follow from the others" by what follows.
    public func resolved() -> RunConfig {
        var config = self
        if config.lrDecayIters == 0 { config.lrDecayIters = max(1, maxIters) }
        if config.warmupIters < 0 { config.warmupIters = min(2000, maxIters / 50) }
        if config.minLr < 0 { config.minLr = learningRate / 10 }
        if config.checkpointInterval == 0 { config.checkpointInterval = evalInterval }
        if !config.decayLr {
            // nanoGPT computes no schedule at all then, so no warm-up either.
            config.lrSchedule = "constant"
            config.warmupIters = 0
        }
        return config
    }

    /// What nanoGPT's train.py assumes for keys that its configuration files leave out, where it differs from ours.
    ///
    /// Its GPT-2 run of 300B tokens on OpenWebText; the order of the data stays ours, and so does what only concerns the machine.
    public static var nanoGPT: RunConfig {
        var config = RunConfig()
        config.dataset = "openwebtext"
        config.gradientAccumulationSteps = 40
        config.maxIters = 600_000
        config.lrDecayIters = 600_000
        config.warmupIters = 2000
        config.minLr = 6e-5
        config.evalInterval = 2000
        config.evalIters = 200
        return config
    }
}
