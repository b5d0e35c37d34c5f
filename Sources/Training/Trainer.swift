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
    /// All of max_iters are made; or the caller asked to stop before that.
    case completed, interrupted
}

/// The training loop: data in, events out, checkpoints on the way. It prints nothing and knows no concrete backend.
public final class Trainer {
    public let setup: RunSetup
    /// float32 masters that the optimizer updates in place, and their bfloat16 copies if there are any.
    public let weights: GPTWeights
    /// For micro-batches of batch_size x block_size, with gradients.
    public let model: GPT
    /// Holds the float32 moments.
    public let optimizer: AdamW
    /// Updates completed.
    public internal(set) var step = 0
    /// Global index of the next sample.
    public internal(set) var nextSample = 0
    /// Best validation loss so far and its step.
    public internal(set) var best: (loss: Double, step: Int)?
    /// FLOP/s that the matrix product reaches on this machine; shares of it are reported.
    public var ceilingFlops: Double?
    /// Updates between calibrations of the machine's speed, which step events then carry; 0: none.
    public var calibrationInterval = 0
    /// FLOP/s of the device's datasheet, for `mfu`; nil where it is not known.
    public var peakFlops: Double?

    /// What the machine has left, where the device has memory of its own.
    public var availableHostBytes: () -> Int? = { nil }

    let backend: any Backend
    private let communicator: any Communicator
    private let loader: BatchLoader
    let evaluator: Evaluator
    let trainSamples: TokenSamples
    let valSamples: TokenSamples?
    let valBytes: Int?
    let schedule: LearningRateSchedule
    let clock = ContinuousClock()
    private var scalars = [Double](repeating: 0, count: StepState.count)
    private let scalarsCopy: any Readback
    /// Whether `scalars` has the number of updates that the device has.
    var updatesKnown = false
    /// The next update, whose first micro-batch is enqueued already; nil when nothing is.
    var begun: BegunUpdate?
    /// The copy for a checkpoint that may still be under way: the weights must not change before it is done.
    var snapshot: HostCopy?
    private var calibration: MatmulCalibration?
    /// What the run has been through; part of every checkpoint.
    package internal(set) var history = RunHistory()
    var watch = RunWatch()
    /// Step of the newest evaluation.
    var lastEvaluated: Int?

    var config: RunConfig { setup.config }
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
        scalarsCopy = try backend.makeReadback(byteCount: StepState.count * 8, besideWork: false)
        schedule = setup.schedule
        let blocks = Self.evaluationBlocks(config)
        valBytes = valSamples.flatMap { samples in
            countBytes.map { $0(samples.evaluationTargets(blocks: blocks), samples.split) }
        }
    }

    /// Runs to `max_iters`, or until `stop` says so. An update that it stops is as if it had never begun.
    ///
    /// - Parameters:
    ///   - session: where checkpoints go; nil keeps nothing
    ///   - stop: asked between the micro-batches of updates and evaluations
    ///   - observe: gets every event in order
    /// - Throws: `TrainingError` when the numbers stay broken, `FileError` when a checkpoint cannot be written, what happened to
    ///   the device when it failed; checkpoints written before stay valid.
    public func run(
        session: RunSession? = nil, stop: () -> Bool = { false }, observe: (RunEvent) throws -> Void
    ) throws -> TrainingOutcome {
        do {
            let outcome = try loop(session, stop, observe)
            try report(session, wait: true, observe)
            return outcome
        } catch {
            // What is still being written is finished and told; the error that ended the run matters more.
            try? report(session, wait: true, observe)
            throw error
        }
    }

    private func loop(_ session: RunSession?, _ stop: () -> Bool, _ observe: (RunEvent) throws -> Void) throws
        -> TrainingOutcome
    {
        var lastSave = clock.now
        begun = nil
        if let best { session?.confirmBest(step: best.step) }
        while true {
            try report(session, wait: false, observe)
            try lookAround(session, observe)
            // The last update's state is on its way to the disk before an evaluation starts.
            if isCheckpointDue(since: lastSave, session: session) {
                try save(session, wait: step == config.maxIters, observe)
                lastSave = clock.now
            }
            if isEvaluationDue, try evaluate(session, stop: stop, observe) { lastSave = clock.now }
            let isStopped = stop()
            if !isStopped, step >= config.maxIters { return .completed }
            guard !isStopped, let event = try update(saving: session?.saving.isBusy ?? false, stop: stop) else {
                try save(session, wait: true, observe)
                return .interrupted
            }
            try observe(event)
            try judge(event, session, observe)
        }
    }

    // MARK: One update

    /// Makes one update and tells what happened: a step, or a skip when loss or gradients were not finite.
    ///
    /// A device that works ahead gets the first micro-batch of the next update before this one's numbers are read, so that it
    /// computes while they are judged and told. That touches no weight: forward and backward only read them, and whatever the
    /// verdict is, it comes before the next update of the weights is enqueued.
    /// - Parameters:
    ///   - saving: whether a checkpoint is being written meanwhile
    ///   - stop: asked between micro-batches, of which an update may have many, each of many seconds
    /// - Returns: nil when it was stopped before it changed anything.
    func update(saving: Bool = false, stop: () -> Bool = { false }) throws -> RunEvent? {
        let rate = schedule.rate(step) * history.rateFactor
        // One that was begun counts from the numbers of the update before it, as the device did.
        let start = begun?.since ?? clock.now
        var waited = begun?.waited ?? .zero
        if begun == nil { waited += try beginUpdate() }
        begun = nil
        for micro in stride(from: communicator.rank, to: config.gradientAccumulationSteps, by: communicator.size).dropFirst() {
            // Of several processes all have to stop at the same place, which only the end of an update is.
            if communicator.size == 1, stop() { return nil }
            waited += try enqueue(micro)
        }
        if communicator.size > 1 {
            communicator.allReduceSum(optimizer.gradients)
            communicator.allReduceSum(model.state.view([1], start: StepState.loss.rawValue))
        }
        snapshot?.holdBack()
        snapshot = nil
        optimizer.update(learningRate: rate)
        scalarsCopy.begin([(model.state, 0)])
        step += 1
        nextSample += samplesPerStep
        let ahead = beginNextUpdate()
        try scalarsCopy.finish()
        scalars.withUnsafeMutableBytes { scalarsCopy.read(offset: 0, into: $0) }
        updatesKnown = true
        let end = clock.now
        begun = ahead.map { BegunUpdate(since: end, waited: $0) }
        var event = describe(seconds: (end - start).seconds, waited: waited.seconds, rate: rate)
        if saving { event.saving = true }
        if isCalibrated(after: step) { event.ceilingFlops = calibrate() }
        return event
    }

    /// Clears the gradients and enqueues the first micro-batch.
    ///
    /// - Returns: how long reading its tokens took.
    private func beginUpdate() throws -> Duration {
        optimizer.beginStep()
        return try enqueue(communicator.rank)
    }

    /// - Returns: how long reading the micro-batch's tokens took.
    private func enqueue(_ micro: Int) throws -> Duration {
        let first = nextSample + micro * config.batchSize
        let waited = try loader.load(first: first)
        model.trainMicroBatch(scale: 1 / Double(model.sizes.rows * config.gradientAccumulationSteps), sampleIndex: first)
        return waited
    }

    /// Begins the next update when the device works ahead and nothing else comes in between.
    ///
    /// - Returns: how long reading its first tokens took; nil when it was not begun. Tokens that are refused are refused again
    ///   when their own update loads them, after this one was told.
    private func beginNextUpdate() -> Duration? {
        let isInterrupted =
            step >= config.maxIters || isEvaluated(after: step) || isCalibrated(after: step)
            || config.checkpointInterval > 0 && step % config.checkpointInterval == 0
        guard backend.worksAhead, !isInterrupted else { return nil }
        return try? beginUpdate()
    }

    private func isCalibrated(after step: Int) -> Bool { calibrationInterval > 0 && step % calibrationInterval == 0 }

    /// The rate that matrix products reach just now, FLOP/s: what other programs leave of the machine.
    private func calibrate() -> Double? {
        if calibration == nil { calibration = MatmulCalibration(backend, dtype: setup.dtype, size: 768) }
        return calibration?.measure(seconds: 0.05).mean
    }

    private func describe(seconds: Double, waited: Double, rate: Double) -> RunEvent {
        let finite = scalars[StepState.finite.rawValue] == 1
        var event = RunEvent(finite ? .step : .skip, step: step)
        event.loss = scalars[StepState.loss.rawValue]
        event.gradNorm = scalars[StepState.gradNorm.rawValue]
        event.lr = rate
        event.tokens = tokensSeen
        event.stepMs = seconds * 1e3
        event.dataMs = waited * 1e3
        let tokensPerSecond = Double(config.tokensPerStep) / max(seconds, 1e-9)
        event.tokensPerSecond = tokensPerSecond
        event.flopsPerToken = config.shape.flopsPerToken
        event.mfu = peakFlops.map { tokensPerSecond * config.shape.flopsPerToken / $0 }
        event.ceilingFraction = ceilingFlops.map { tokensPerSecond * config.shape.flopsPerToken / $0 }
        event.memoryBytes = ProcessMemory.anonymous().map(Double.init)
        if !finite {
            event.code = "non-finite"
            event.message = "loss or gradients are not finite; the weights were not touched"
        }
        return event
    }

    // MARK: State

    /// Training tokens that the weights have seen; what a rollback undid does not count.
    var tokensSeen: Int { (nextSample - history.undoneSamples) * config.blockSize }

    /// Updates that AdamW has applied, skipped ones left out.
    ///
    /// - Throws: what happened to the device.
    func appliedUpdates() throws -> Int {
        if !updatesKnown {
            try scalars.withUnsafeMutableBytes { try backend.read(model.state, into: $0) }
            updatesKnown = true
        }
        return Int(scalars[StepState.updates.rawValue])
    }
}

/// An update whose first micro-batch was enqueued before the numbers of the one before it were read.
struct BegunUpdate {
    /// When those numbers came.
    let since: ContinuousClock.Instant
    /// How long reading its first tokens took.
    let waited: Duration
}
