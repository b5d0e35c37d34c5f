// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import Modeling
import RunLog
import Storage

/// A run folder in use by this process: its lock, metrics and checkpoints.
public final class RunSession {
    /// Locked for this process as long as the session lives.
    public let folder: RunFolder
    /// What run.json says.
    public let record: RunRecord
    /// Step of the newest checkpoint that this process wrote or went on from.
    public private(set) var lastSaved: Int?

    /// Whether checkpoints are written beside the training, from a copy in memory, when nobody waits for them.
    public var savesInBackground: Bool
    /// Bytes of the newest checkpoint that was committed; nil before the first.
    private(set) var lastBytes: Int?

    private let lock: FolderLock
    private let metrics: MetricsWriter
    let store: CheckpointStore
    let saving = SaveQueue()
    /// Made at the first checkpoint that is written in the background, and kept.
    private var copy: HostCopy?
    /// Why checkpoints are written in the foreground although they were to be written in the background; told once.
    private var refusal: String?
    private let calls: FileCalls
    /// TensorBoard's event file; nil when the run has none.
    private var tensorBoard: TensorBoardLog?

    private init(_ folder: RunFolder, record: RunRecord, lock: FolderLock, calls: FileCalls) throws {
        self.folder = folder
        self.record = record
        self.lock = lock
        self.calls = calls
        savesInBackground = record.config.checkpointBackground
        metrics = try MetricsWriter(path: folder.metrics, calls: calls)
        store = CheckpointStore(runFolder: folder.path, calls: saving.pacer.paced(calls), pause: saving.pacer.rest)
        try store.prepareForWriting()
    }

    deinit { saving.wait() }

    /// Makes a new run folder.
    ///
    /// - Throws: `TrainingError` when the folder already holds something, `FileError` when it cannot be made.
    public static func create(_ path: String, record: RunRecord, calls: FileCalls = .system) throws -> RunSession {
        let folder = RunFolder(path)
        if !Folder.names(path).filter({ $0 != "lock" }).isEmpty {
            throw TrainingError(
                folder.exists
                    ? "'\(path)' already holds a run: add --resume to go on with it, or choose another --out"
                    : "'\(path)' exists and is not empty: choose another --out", isUsage: true)
        }
        try Folder.create(path)
        let lock = try FolderLock(folder: path)
        try folder.writeRecord(record, calls: calls)
        return try RunSession(folder, record: record, lock: lock, calls: calls)
    }

    /// What a resumed run starts from.
    public struct Resumption {
        /// Has the folder's lock already.
        public let session: RunSession
        /// nil when the run ended before its first checkpoint: it starts again from step 0.
        public let checkpoint: LoadedCheckpoint?
        /// Newer checkpoints that could not be used, and why.
        public let skipped: [SkippedCheckpoint]
        /// Lines of metrics.jsonl that stand.
        public let events: [RunEvent]
    }

    /// Takes up a run folder again.
    ///
    /// - Parameters:
    ///   - path: the run folder
    ///   - calls: the system's
    ///   - change: gives the record to go on with from the stored one; what it throws ends the attempt with the folder unchanged
    /// - Throws: `TrainingError` when there is no run, `FileError` when another process uses it or no checkpoint is valid.
    public static func resume(
        _ path: String, calls: FileCalls = .system, change: (RunRecord) throws -> RunRecord = { $0 }
    ) throws -> Resumption {
        let folder = RunFolder(path)
        guard folder.exists else {
            throw TrainingError(
                "there is no run to resume in '\(path)' (it has no run.json); leave --resume out to start one", isUsage: true)
        }
        let lock = try FolderLock(folder: path)
        let stored = try folder.readRecord()
        let record = try change(stored)
        let store = CheckpointStore(runFolder: path, calls: calls)
        let found = try store.latestValid()
        let checkpoint = try found.map { try store.open($0.info) }
        if let made = checkpoint?.info.step, record.config.maxIters < made {
            throw TrainingError(
                "--max-iters is \(record.config.maxIters), but the run has made \(made) updates; give it at least as many",
                isUsage: true)
        }
        if record != stored { try folder.writeRecord(record, calls: calls) }
        let events = (try? folder.readMetrics().events) ?? []
        let session = try RunSession(folder, record: record, lock: lock, calls: calls)
        session.lastSaved = checkpoint?.info.step
        session.lastBytes = checkpoint?.info.byteCount
        return Resumption(session: session, checkpoint: checkpoint, skipped: found?.skipped ?? [], events: events)
    }

    /// Stamps an event and appends it to metrics.jsonl, and to the event file when there is one.
    @discardableResult
    public func log(_ event: RunEvent) throws -> RunEvent {
        let stamped = try metrics.write(event)
        try tensorBoard?.write(stamped)
        return stamped
    }

    /// Writes TensorBoard event files from now on, when it is wanted or the run has some: a run's curves have no holes.
    ///
    /// - Throws: `FileError` when the file cannot be written.
    public func openEventFile(isWanted: Bool) throws {
        guard isWanted || !TensorBoardLog.files(in: folder.path).isEmpty else { return }
        let history = (try? folder.readMetrics().events) ?? []
        tensorBoard = try TensorBoardLog(folder: folder.path, record: record, history: history, calls: calls)
    }

    // MARK: Checkpoints

    /// Commits a checkpoint of the trainer as it stands between two updates, and removes old ones.
    ///
    /// In the background only the copy is taken before this returns, and one that is still being written is waited for first:
    /// there is one copy. What was committed and what went wrong is told by `collect`.
    /// - Parameters:
    ///   - best: whether its validation loss is the lowest so far
    ///   - wait: commit before this returns
    /// - Throws: what happened to the device.
    func save(_ trainer: Trainer, best: Bool = false, wait: Bool) throws {
        let clock = ContinuousClock(), start = clock.now
        saving.wait()
        let model = trainer.weights.masters, moments = trainer.optimizer.moments, backend = trainer.weights.backend
        let names = model.descriptions.map(\.name) + moments.map(\.name)
        let tensors = model.tensors + moments.map(\.tensor)
        let copy = savesInBackground && !wait ? room(for: tensors, backend) : nil
        copy?.begin(tensors)
        // On a device that works ahead the copy has only begun: the next change of the weights waits for it.
        trainer.snapshot = copy
        let sources = names.indices.map { index in
            guard let copy else { return TensorSource(name: names[index], tensor: tensors[index], backend: backend) }
            return TensorSource(name: names[index], dtype: tensors[index].dtype, shape: tensors[index].shape) { piece, offset in
                copy.read(index, offset: offset, into: piece)
            }
        }
        let state = try trainer.checkpointState(), facts = ModelFacts(trainer.setup.model), count = model.tensors.count
        let copied = (clock.now - start).seconds, store = store
        // In the middle of bad updates the older ones are what a rollback needs.
        let keep = trainer.history.judge.badInARow == 0 ? record.config.keepCheckpoints : 0
        let flushMetrics = metrics.flush
        saving.submit {
            try copy?.finish()
            // What led to a checkpoint outlives a power cut as the checkpoint does.
            try flushMetrics()
            let info = try store.commit(
                step: state.step, model: Array(sources.prefix(count)), optimizer: Array(sources.dropFirst(count)), state: state,
                facts: facts, best: best)
            let seconds = (clock.now - start).seconds
            if keep > 0 { try store.prune(keep: keep) }
            return SavedCheckpoint(
                step: info.step, name: info.name, bytes: info.byteCount, seconds: seconds, stall: copy == nil ? seconds : copied)
        }
        lastSaved = state.step
        if copy == nil { saving.wait() }
    }

    /// The room for copies, made at the first one and kept; nil when the system does not give it.
    private func room(for tensors: [Tensor], _ backend: any Backend) -> HostCopy? {
        if copy == nil {
            do {
                copy = try HostCopy(tensors, on: backend)
            } catch {
                savesInBackground = false
                refusal = "checkpoints are written in the foreground, training stands still meanwhile: \(error)"
            }
        }
        return copy
    }

    /// Why checkpoints are not written in the background any more; nil but for the first call after it happened.
    func takeRefusal() -> String? {
        defer { refusal = nil }
        return refusal
    }

    /// Names the checkpoint of a step as the best, once it is committed; the one that was the best before may go.
    func markBest(step: Int) {
        let store = store, keep = record.config.keepCheckpoints, flushMetrics = metrics.flush
        saving.submit {
            try flushMetrics()
            try store.markBest(step: step)
            if keep > 0 { try store.prune(keep: keep) }
            return nil
        }
    }

    /// Names the best checkpoint where a process ended after the evaluation that found it and before it was named.
    func confirmBest(step: Int) {
        guard let info = store.list().first(where: { $0.step == step }), !info.isBest else { return }
        markBest(step: step)
    }

    /// What was committed since the last call.
    ///
    /// - Parameter wait: until nothing is being written any more
    /// - Throws: `FileError` when something could not be written; older checkpoints stay as they were.
    func collect(wait: Bool) throws -> [SavedCheckpoint] {
        if wait { saving.wait() }
        let saved = try saving.take()
        if let last = saved.last { lastBytes = last.bytes }
        return saved
    }

    /// The newest checkpoint that was not written in the middle of trouble; nil when there is none.
    ///
    /// - Throws: `FileError` when a checkpoint is valid and cannot be opened all the same.
    func lastGood() throws -> LoadedCheckpoint? {
        saving.wait()
        saving.pacer.hurry(true)
        defer { saving.pacer.hurry(false) }
        for info in store.list() where (try? store.verify(info)) != nil {
            let loaded = try store.open(info)
            if RunHistory(text: loaded.state.extra[RunHistory.key]).judge.badInARow == 0 { return loaded }
        }
        return nil
    }

    /// Notes that the trainer went back to a checkpoint, which need not be written again.
    func wentBack(to step: Int?) { lastSaved = step }
}

extension Trainer {
    /// Gives every weight its starting value.
    public func initialize() { weights.initialize(seed: UInt64(setup.config.seed)) }

    /// Puts a checkpoint's weights, moments and position in place.
    ///
    /// - Throws: `FileError` when a tensor is missing or has another shape than this model's.
    public func restore(_ checkpoint: LoadedCheckpoint, events: [RunEvent] = []) throws {
        try loadTensors(of: checkpoint)
        let state = checkpoint.state
        let evaluations = events.filter { $0.event == .eval && $0.step <= state.step && $0.step > 0 }
        // An evaluation may have come after the checkpoint of its step was written.
        let last = evaluations.compactMap { event in event.valLoss.map { (loss: $0, step: event.step) } }.min {
            $0.loss < $1.loss
        }
        var best = state.best
        if let last, last.loss < best?.loss ?? .infinity { best = last }
        restore(state, best: best, evaluated: evaluations.contains { $0.step == state.step })
    }
}

extension Trainer {
    func loadTensors(of checkpoint: LoadedCheckpoint) throws {
        try weights.load(from: checkpoint.model)
        for (name, tensor) in optimizer.moments { try weights.backend.write(checkpoint.optimizer, name, to: tensor) }
    }
}

extension ModelFacts {
    /// What a checkpoint says of its model, so that its folder can be used away from its run.
    init(_ config: GPTConfig) {
        self.init(
            nLayer: config.nLayer, nHead: config.nHead, nEmbd: config.nEmbd, blockSize: config.blockSize,
            vocabSize: config.vocabSize,
            bias: config.bias, activation: config.activation.rawValue)
    }
}

extension GPTWeights {
    /// Reads every parameter from a file that has nanoGPT's names and float32 values.
    ///
    /// - Throws: `FileError` when one is missing or has another shape or dtype.
    public func load(from file: SafetensorsFile) throws {
        for (description, tensor) in zip(masters.descriptions, masters.tensors) {
            try backend.write(file, description.name, to: tensor)
        }
        refreshCopies()
    }
}

extension GPTWeights {
    /// Reads every parameter from a model of the same sizes, whatever kind of file it lies in.
    ///
    /// - Throws: `TrainingError` when the sizes differ, `FileError` when a tensor cannot be read.
    public func load(_ source: ModelSource) throws {
        let given = Dictionary(source.tensors.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        for (description, tensor) in zip(masters.descriptions, masters.tensors) {
            guard let stored = given[description.name], stored.shape == description.shape else {
                throw TrainingError(
                    "the model in '\(source.path)' has \(description.name) of shape \(given[description.name]?.shape ?? []), this one "
                        + "\(description.shape); use its settings: n_layer \(source.facts.nLayer), n_head \(source.facts.nHead), n_embd "
                        + "\(source.facts.nEmbd), block_size \(source.facts.blockSize), vocab_size \(source.facts.vocabSize), bias "
                        + "\(source.facts.bias)", isUsage: true)
            }
            try stored.floats().withUnsafeBytes { backend.write($0, to: tensor) }
        }
        refreshCopies()
    }
}

extension Backend {
    /// Copies a stored tensor to the device.
    func write(_ file: SafetensorsFile, _ name: String, to tensor: Tensor) throws {
        let entry = try file.entry(name)
        guard entry.shape == tensor.shape, entry.dtype == tensor.dtype else {
            throw FileError(
                path: file.path, operation: "load '\(name)' from",
                reason: "it is \(entry.dtype.rawValue) \(entry.shape), the model needs \(tensor.dtype.rawValue) \(tensor.shape); "
                    + "use the model settings that the checkpoint was made with")
        }
        write(file.bytes(entry), to: tensor)
    }
}
