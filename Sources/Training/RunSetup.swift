// SPDX-License-Identifier: MIT
import Compute
import Corpus
import Foundation
import Modeling
import Optimization
import RunLog

/// A configuration that has met its data: everything decided, nothing allocated.
public struct RunSetup: Sendable {
    /// Resolved: every value stands for itself.
    public private(set) var config: RunConfig
    /// Of the resolved `config`, the vocabulary's padding included.
    public let model: GPTConfig
    /// The folder `data`, or `data/` and the name in `dataset`.
    public let dataset: TokenDataset
    /// Of matrix products and activations, from `config.dtype`.
    public let dtype: DType
    /// From `config.recompute`; `BatchSizeChoice` may turn it on.
    public private(set) var recompute: Recompute

    /// From this many ids on, the vocabulary matrix is padded to a multiple of 64 rows, as nanoGPT pads 50257 to 50304:
    /// matrix kernels like round sizes, and below it the padding would be a large part.
    static let paddedFrom = 1024

    /// - Parameter config: `data` or `dataset` must be set.
    /// - Throws: `TrainingError`, `ModelError`, `CorpusError`, `FileError` for what does not fit together.
    public init(_ config: RunConfig) throws {
        guard config.maxIters > 0 else {
            throw TrainingError("max_iters is not set: say how many updates to make, such as --max-iters 2000", isUsage: true)
        }
        var config = config.resolved()
        dataset = try TokenDataset.open(folder: Self.dataFolder(config))
        let ids = try VocabularyCheck.ids(of: dataset, config)
        if config.vocabSize == 0 {
            config.vocabSize = ids >= Self.paddedFrom ? (ids + 63) / 64 * 64 : ids
        } else if config.vocabSize < ids {
            let cure =
                config.initFrom == "scratch"
                ? "leave vocab_size out or set it to at least \(ids)"
                : "prepare the data with the tokenizer of the model to start from"
            throw TrainingError(
                "vocab_size is \(config.vocabSize), but the data in '\(dataset.folder)' has ids up to \(ids - 1); \(cure)",
                isUsage: true)
        }
        self.config = config
        model = try Self.model(config)
        guard let dtype = DType(rawValue: config.dtype), let recompute = Recompute(rawValue: config.recompute) else {
            throw TrainingError("dtype '\(config.dtype)' or recompute '\(config.recompute)' is not known", isUsage: true)
        }
        self.dtype = dtype
        self.recompute = recompute
        for split in [dataset.train] + (dataset.val.map { [$0] } ?? []) {
            // Says when a split is too short for one block.
            _ = try TokenSamples(split: split, kind: .sequential, seed: 0, blockSize: config.blockSize)
        }
        guard config.lrSchedule == "constant" || config.minLr <= config.learningRate else {
            throw TrainingError(
                "min_lr \(config.minLr) is above learning_rate \(config.learningRate); the rate would rise at the end",
                isUsage: true)
        }
    }

    /// The same run in other pieces.
    func with(batchSize: Int, accumulation: Int, recompute: Recompute) -> RunSetup {
        var setup = self
        // An evaluation goes on reading the same blocks.
        if config.evalTokens == 0 { setup.config.evalTokens = config.evalIters * config.batchSize * config.blockSize }
        setup.config.batchSize = batchSize
        setup.config.gradientAccumulationSteps = accumulation
        setup.config.recompute = recompute.rawValue
        setup.recompute = recompute
        return setup
    }

    /// Refuses what no machine has the memory for, before bytes are summed up that would not fit an Int.
    ///
    /// Each key alone is within its bounds; all of them at their largest make 2^70 bytes. What is counted here is at least a
    /// tenth of what the memory plans count and at most ten times it.
    private static func checkSizes(_ config: RunConfig) throws {
        let layers = Double(config.nLayer), width = Double(config.nEmbd),
            rows = Double(config.batchSize) * Double(config.blockSize)
        let vocabulary = Double(config.vocabSize), table = (vocabulary + Double(config.blockSize)) * width
        let bytes = 20 * (layers * 12 * width * width + table) + rows * (layers * 64 * width + 8 * vocabulary)
        guard bytes < 1e16 else {
            throw ModelError(
                "n_layer \(config.nLayer), n_embd \(config.nEmbd), block_size \(config.blockSize), vocab_size \(config.vocabSize) and "
                    + "batch_size \(config.batchSize) together take more memory than any machine has; choose smaller ones")
        }
    }

    /// The model that a configuration describes.
    public static func model(_ config: RunConfig) throws -> GPTConfig {
        if config.qkNorm { throw ModelError("qk_norm = true is not available yet; set it to false") }
        if !config.tiedHead { throw ModelError("tied_head = false is not available yet; set it to true") }
        guard let activation = Activation(rawValue: config.activation) else {
            throw ModelError("activation '\(config.activation)' is not known; choose gelu or gelu_tanh")
        }
        try checkSizes(config)
        return try GPTConfig(
            nLayer: config.nLayer, nHead: config.nHead, nEmbd: config.nEmbd, blockSize: config.blockSize,
            vocabSize: config.vocabSize, bias: config.bias, dropout: config.dropout, activation: activation)
    }

    /// From lr_schedule, learning_rate, min_lr, warmup_iters and lr_decay_iters.
    public var schedule: LearningRateSchedule {
        LearningRateSchedule(
            shape: LearningRateSchedule.Shape(rawValue: config.lrSchedule) ?? .cosine, peak: config.learningRate,
            minimum: config.minLr, warmupIters: config.warmupIters, decayIters: config.lrDecayIters)
    }

    /// From beta1, beta2, weight_decay and grad_clip; epsilon is the default.
    public var optimizer: AdamWOptions {
        AdamWOptions(
            beta1: config.beta1, beta2: config.beta2, weightDecay: config.weightDecay, gradClip: config.gradClip)
    }

    private static func dataFolder(_ config: RunConfig) throws -> String {
        if !config.data.isEmpty { return config.data }
        if !config.dataset.isEmpty { return "data/" + config.dataset }
        throw TrainingError("no data given: add --data DIR, a folder that `apus prepare` made", isUsage: true)
    }
}

/// What a run will take in memory, by part, in bytes.
public struct RunMemory: Sendable, Equatable {
    /// Weights, gradients, activations and workspace.
    public var model: GPT.Memory
    /// AdamW's two float32 moments of every parameter.
    public var optimizer: Int
    /// The program itself, its stacks and the buffers of the loader and of checkpoints.
    public var overhead: Int
    /// The copy of weights and moments that checkpoints are written from, in the device's own memory; 0 when they are written in
    /// the foreground.
    public var copy: Int
    /// That copy for a device with memory of its own: page-locked memory of the machine, not part of `total`.
    public var hostCopy: Int
    /// There is room for the run and not for the copy, so that checkpoints hold up training.
    public var copyLeftOut: Bool

    /// What is compared with the memory that is available; bytes.
    public var total: Int { model.total + optimizer + copy + overhead }

    /// Whether checkpoints are written beside the training.
    public var savesInBackground: Bool { copy + hostCopy > 0 }

    /// What a run on this backend will take, before anything is allocated.
    ///
    /// - Parameter hostAvailable: bytes that the machine beside a graphics card has left; nil: not known, taken as enough.
    public static func plan(_ setup: RunSetup, backend: any Backend, hostAvailable: Int? = nil) -> RunMemory {
        let config = setup.config
        let sizes = BatchSizes(setup.model, batch: config.batchSize, length: config.blockSize, dtype: setup.dtype)
        let counts = setup.model.parameters.map(\.count)
        var memory = RunMemory(
            model: GPT.memory(sizes, recompute: setup.recompute, gradients: true, backend: backend),
            // The program and its copies are not in a graphics card's memory; what its driver took there is no longer available.
            optimizer: AdamW.byteCount(counts), overhead: config.device == "cpu" ? baseOverhead : 0,
            copy: 0, hostCopy: 0, copyLeftOut: false)
        let copy = config.checkpointBackground ? HostCopy.byteCount(counts + counts + counts) : 0
        guard config.device == "cpu" else {
            let fits = copy + leastHostMemory <= hostAvailable ?? Int.max
            memory.hostCopy = fits ? copy : 0
            memory.copyLeftOut = !fits && copy > 0
            return memory
        }
        memory.copy = copy
        if let available = backend.availableBytes, memory.copy > 0, memory.total > available {
            memory.copy = 0
            memory.copyLeftOut = memory.total <= available
        }
        return memory
    }

    /// What must stay free of the machine's memory beside a graphics card.
    static let leastHostMemory = 512_000_000

    /// Measured: resident anonymous memory of a run whose tensors are a few kilobytes.
    static let baseOverhead = 24_000_000

    /// - Throws: `MemoryError` when the device has less; nothing was allocated.
    public func check(_ backend: any Backend) throws {
        guard let available = backend.availableBytes, total > available else { return }
        throw MemoryError(
            wanted: total, available: available,
            advice: "use a smaller batch_size (and more gradient_accumulation_steps), recompute = \"block\", or a smaller model")
    }
}
