// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Corpus
import Foundation
import Modeling
import Optimization
import RunLog

/// How a run ended.
public enum TrainingOutcome: String, Sendable {
    case completed, interrupted
}

/// The training loop: data in, events out, checkpoints on the way. It prints nothing and knows no concrete backend.
public final class Trainer {
    public let setup: RunSetup
    public let weights: GPTWeights
    public let model: GPT
    public let optimizer: AdamW
    /// Updates completed.
    public private(set) var step = 0
    /// Global index of the next sample.
    public private(set) var nextSample = 0
    /// Best validation loss so far and its step.
    public private(set) var best: (loss: Double, step: Int)?
    /// FLOP/s that the matrix product reaches on this machine; shares of it are reported.
    public var ceilingFlops: Double?

    private let backend: any Backend
    private let communicator: any Communicator
    private let loader: BatchLoader
    private let evaluator: Evaluator
    private let trainSamples: TokenSamples
    private let valSamples: TokenSamples?
    private let valBytes: Int?
    private let schedule: LearningRateSchedule
    private let clock = ContinuousClock()
    private var scalars = [Double](repeating: 0, count: StepState.count)
    private var consecutiveSkips = 0

    /// After this many updates in a row without a finite loss and gradient the run stops.
    static let toleratedSkips = 10

    private var config: RunConfig { setup.config }
    private var samplesPerStep: Int { config.batchSize * config.gradientAccumulationSteps }

    /// - Parameters:
    ///   - setup: model, data and settings
    ///   - backend: where the run's memory is and its operations go
    ///   - communicator: the processes that share the run; one by default
    ///   - countBytes: gives the UTF-8 bytes behind a range of a split's tokens; nil without a tokenizer, then there are no bits per byte
    /// - Throws: `MemoryError`, `CorpusError`.
    public init(
        _ setup: RunSetup, backend: any Backend, communicator: any Communicator = SingleRank(),
        countBytes: ((Range<Int>, TokenSplit) -> Int)? = nil
    ) throws {
        self.setup = setup
        self.backend = backend
        self.communicator = communicator
        let config = setup.config
        guard config.gradientAccumulationSteps % communicator.size == 0 else {
            throw TrainingError(
                "gradient_accumulation_steps \(config.gradientAccumulationSteps) is not divisible by the \(communicator.size) "
                    + "processes; choose a multiple", isUsage: true)
        }
        let order = BatchOrder.Kind(rawValue: config.dataOrder) ?? .shuffle
        let seed = UInt64(config.seed)
        trainSamples = try TokenSamples(split: setup.dataset.train, kind: order, seed: seed, blockSize: config.blockSize)
        valSamples = try setup.dataset.val.map {
            try TokenSamples(split: $0, kind: .sequential, seed: seed, blockSize: config.blockSize)
        }
        weights = try GPTWeights(setup.model, dtype: setup.dtype, on: backend)
        model = try GPT(
            weights: weights, batch: config.batchSize, length: config.blockSize, training: true, recompute: setup.recompute,
            seed: seed)
        optimizer = try AdamW(model, options: setup.optimizer)
        loader = BatchLoader(trainSamples, model: model)
        evaluator = Evaluator(model)
        schedule = setup.schedule
        let blocks = Self.evaluationBlocks(config)
        valBytes = valSamples.flatMap { samples in
            countBytes.map { $0(samples.evaluationTargets(blocks: blocks), samples.split) }
        }
    }

    /// Runs to `max_iters`, or until `stop` says so between two updates.
    ///
    /// - Parameters:
    ///   - session: where checkpoints go; nil keeps nothing
    ///   - stop: asked between updates and between micro-batches of an evaluation
    ///   - observe: gets every event in order
    /// - Throws: `TrainingError` when the numbers stay broken, `FileError` when a checkpoint cannot be written, what happened to
    ///   the device when it failed; checkpoints written before stay valid.
    public func run(
        session: RunSession? = nil, stop: () -> Bool = { false }, observe: (RunEvent) throws -> Void
    ) throws -> TrainingOutcome {
        var lastSave = clock.now
        while true {
            // The last update's state is on disk before an evaluation starts.
            if isCheckpointDue(since: lastSave, session: session) {
                try save(session, observe)
                lastSave = clock.now
            }
            if isEvaluationDue, try evaluate(session, stop: stop, observe) { lastSave = clock.now }
            if stop() {
                try save(session, observe)
                return .interrupted
            }
            if step >= config.maxIters { break }
            try observe(update())
            if consecutiveSkips >= Self.toleratedSkips {
                throw TrainingError(
                    "loss or gradients were not finite in \(consecutiveSkips) updates in a row, the last at step \(step); the weights "
                        + "are those before the first. Lower learning_rate or lengthen warmup_iters, then --resume")
            }
        }
        return .completed
    }

    // MARK: One update

    /// Makes one update and tells what happened: a step, or a skip when loss or gradients were not finite.
    func update() throws -> RunEvent {
        let start = clock.now
        var waited = Duration.zero
        let scale = 1 / Double(model.sizes.rows * config.gradientAccumulationSteps)
        let rate = schedule.rate(step)
        optimizer.beginStep()
        for micro in stride(from: communicator.rank, to: config.gradientAccumulationSteps, by: communicator.size) {
            let first = nextSample + micro * config.batchSize
            let before = clock.now
            try loader.load(first: first)
            waited += clock.now - before
            model.trainMicroBatch(scale: scale, sampleIndex: first)
        }
        if communicator.size > 1 {
            communicator.allReduceSum(optimizer.gradients)
            communicator.allReduceSum(model.state.view([1], start: StepState.loss.rawValue))
        }
        optimizer.update(learningRate: rate)
        try scalars.withUnsafeMutableBytes { try backend.read(model.state, into: $0) }
        let seconds = (clock.now - start).seconds
        step += 1
        nextSample += samplesPerStep
        return describe(seconds: seconds, waited: waited.seconds, rate: rate)
    }

    private func describe(seconds: Double, waited: Double, rate: Double) -> RunEvent {
        let finite = scalars[StepState.finite.rawValue] == 1
        consecutiveSkips = finite ? 0 : consecutiveSkips + 1
        var event = RunEvent(finite ? .step : .skip, step: step)
        event.loss = scalars[StepState.loss.rawValue]
        event.gradNorm = scalars[StepState.gradNorm.rawValue]
        event.lr = rate
        event.tokens = nextSample * config.blockSize
        event.stepMs = seconds * 1e3
        event.dataMs = waited * 1e3
        let tokensPerSecond = Double(config.tokensPerStep) / max(seconds, 1e-9)
        event.tokensPerSecond = tokensPerSecond
        event.flopsPerToken = config.shape.flopsPerToken
        event.ceilingFraction = ceilingFlops.map { tokensPerSecond * config.shape.flopsPerToken / $0 }
        event.memoryBytes = ProcessMemory.anonymous().map(Double.init)
        if !finite {
            event.code = "non-finite"
            event.message = "loss or gradients are not finite; the weights were not touched"
        }
        return event
    }

    // MARK: Evaluation

    /// Micro-batches are sequences side by side, so `eval_iters` of them are this many blocks.
    static func evaluationBlocks(_ config: RunConfig) -> Int {
        config.evalTokens > 0 ? max(1, config.evalTokens / config.blockSize) : config.evalIters * config.batchSize
    }

    private var lastEvaluated: Int?

    private var isEvaluationDue: Bool {
        guard lastEvaluated != step else { return false }
        if step == config.maxIters { return true }
        return config.evalInterval > 0 && step % config.evalInterval == 0
    }

    /// - Returns: whether a checkpoint was written.
    private func evaluate(_ session: RunSession?, stop: () -> Bool, _ observe: (RunEvent) throws -> Void) throws -> Bool {
        let start = clock.now
        let blocks = Self.evaluationBlocks(config)
        let train = try evaluator.evaluate(trainSamples, blocks: blocks, stop: stop)
        let val = try valSamples.flatMap { try evaluator.evaluate($0, blocks: blocks, stop: stop) }
        // A number from fewer blocks could not be compared with the others: an interrupted evaluation counts for nothing.
        if stop() { return false }
        lastEvaluated = step
        var event = RunEvent(.eval, step: step)
        event.tokens = nextSample * config.blockSize
        event.trainLoss = train?.loss
        event.trainStderr = train?.standardError
        event.valLoss = val?.loss
        event.valStderr = val?.standardError
        event.evalTokens = val?.tokens ?? train?.tokens
        event.valBitsPerByte = valBytes.flatMap { val?.bitsPerByte(bytes: $0) }
        event.lr = schedule.rate(step)
        event.evalMs = (clock.now - start).seconds * 1e3
        try observe(event)
        guard let loss = val?.loss ?? train?.loss, loss.isFinite, loss < best?.loss ?? .infinity else { return false }
        best = (loss, step)
        // The untrained model is the best so far, but nobody wants to keep it.
        guard step > 0, let session else { return false }
        let wrote = session.lastSaved != step
        if wrote { try save(session, observe) }
        try session.markBest(step: step)
        return wrote
    }

    // MARK: Checkpoints

    private func isCheckpointDue(since last: ContinuousClock.Instant, session: RunSession?) -> Bool {
        guard let session, step > 0, session.lastSaved != step else { return false }
        if step == config.maxIters { return true }
        if config.checkpointInterval > 0, step % config.checkpointInterval == 0 { return true }
        return config.checkpointMinutes > 0 && (clock.now - last).seconds >= config.checkpointMinutes * 60
    }

    private func save(_ session: RunSession?, _ observe: (RunEvent) throws -> Void) throws {
        guard let session, session.lastSaved != step else { return }
        let start = clock.now
        let committed = try session.save(self)
        var event = RunEvent(.checkpoint, step: step)
        event.path = committed.name
        event.bytes = committed.bytes
        event.checkpointMs = (clock.now - start).seconds * 1e3
        try observe(event)
    }

    // MARK: State on disk

    /// All that the next update depends on, besides the weights and moments.
    ///
    /// - Throws: what happened to the device.
    func position() throws -> (step: Int, nextSample: Int, updates: Int, best: (loss: Double, step: Int)?) {
        try scalars.withUnsafeMutableBytes { try backend.read(model.state, into: $0) }
        return (step, nextSample, Int(scalars[StepState.updates.rawValue]), best)
    }

    /// Goes on from a stored position; weights and moments are written by the caller.
    ///
    /// - Parameter evaluated: whether the evaluation at this step was already recorded.
    func restore(step: Int, nextSample: Int, updates: Int, best: (loss: Double, step: Int)?, evaluated: Bool) {
        self.step = step
        self.nextSample = nextSample
        self.best = best
        lastEvaluated = evaluated ? step : nil
        backend.writeScalar(Double(updates), to: model.state, .updates)
    }
}
