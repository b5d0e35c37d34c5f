// SPDX-License-Identifier: MIT

/// Everything a training run is made from; the keys on disk and on the command line are nanoGPT's, plus ours.
///
/// `RunConfig.fields` describes every key once: its spelling, default, unit and rule. The TOML reader, the command
/// line, `run.json` and the help text all come from that table.
public struct RunConfig: Sendable, Equatable {
    // Where
    public var outDir = ""
    public var data = ""
    public var dataset = ""
    public var initFrom = "scratch"
    // Model
    public var nLayer = 12
    public var nHead = 12
    public var nEmbd = 768
    public var blockSize = 1024
    /// 0: taken from the data set, rounded up to a multiple of 64 from 1024 ids on.
    public var vocabSize = 0
    public var bias = false
    public var dropout = 0.0
    public var activation = "gelu"
    public var norm = "layernorm"
    public var position = "learned"
    public var qkNorm = false
    public var tiedHead = true
    // Batch
    public var batchSize = 12
    public var gradientAccumulationSteps = 1
    // Optimizer
    public var learningRate = 6e-4
    /// Updates the run makes; 0 must be replaced before training.
    public var maxIters = 0
    public var weightDecay = 0.1
    public var beta1 = 0.9
    public var beta2 = 0.95
    public var gradClip = 1.0
    // Schedule
    public var decayLr = true
    public var lrSchedule = "cosine"
    /// -1: 2 % of max_iters, at most 2000.
    public var warmupIters = -1
    /// 0: max_iters.
    public var lrDecayIters = 0
    /// -1: a tenth of learning_rate.
    public var minLr = -1.0
    // Measuring and saving
    public var evalInterval = 250
    public var evalIters = 50
    /// 0: eval_iters x batch_size blocks; else about this many tokens of each split.
    public var evalTokens = 0
    public var logInterval = 1
    public var checkpointInterval = 0
    public var checkpointMinutes = 10.0
    public var keepCheckpoints = 3
    /// Write checkpoints on a thread of their own, from a copy in memory.
    public var checkpointBackground = true
    // Faults
    /// Robust standard deviations above the recent losses from which a loss is a spike; 0: none is.
    public var spikeZscore = 8.0
    /// Bad updates in a row after which the run goes back to the last good checkpoint; 0: it never does.
    public var rollbackAfter = 10
    public var maxRollbacks = 3
    public var rollbackLrFactor = 1.0
    // Engine
    public var device = "cpu"
    public var dtype = "bfloat16"
    public var threads = 0
    public var recompute = "none"
    public var seed = 1337
    public var dataOrder = "shuffle"

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
