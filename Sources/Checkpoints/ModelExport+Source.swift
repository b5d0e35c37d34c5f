// SPDX-License-Identifier: MIT
import Compute
import Storage

extension ModelExport {
    /// Gathers what the source's files know: weights, optimizer state, and how far it was trained.
    ///
    /// - Parameters:
    ///   - source: its checkpoint, if it is one of Apus's own, is verified completely, optimizer state included
    ///   - name: what people call the model
    ///   - withOptimizer: whether optimizer state is wanted
    /// - Throws: `FileError` when a file is damaged.
    public init(_ source: ModelSource, name: String, withOptimizer: Bool) throws {
        self.init(name: name, facts: source.facts, tensors: source.tensors)
        training.step = source.step
        switch source.kind {
        case .run, .checkpoint:
            let info = try CheckpointStore.checkpoint(folder: source.path)
            if withOptimizer {
                try CheckpointStore(runFolder: source.path).verify(info)
                let checkpoint = try CheckpointStore.open(info)
                optimizer = try source.facts.parameters.flatMap { parameter in
                    try [".exp_avg", ".exp_avg_sq"].map { try checkpoint.optimizer.source(parameter.name + $0) }
                }
            }
            let state = try CheckpointState.read(path: info.path + "/" + CheckpointStore.stateFile)
            training.optimizerStep = state.extra["updates"].flatMap { Int($0) }
            training.tokensSeen = state.tokensSeen
            training.bestValLoss = state.bestValLoss
        case .nanoGPT:
            let checkpoint = try NanoGPTCheckpoint(path: source.path)
            if withOptimizer { optimizer = try checkpoint.optimizerSources() }
            training.optimizerStep = checkpoint.optimizer.values.map(\.step).max()
            // nanoGPT's value before the first evaluation.
            training.bestValLoss = checkpoint.bestValLoss.flatMap { $0 < 1e9 ? $0 : nil }
            training.program = "nanoGPT"
            if case .dictionary(let pairs) = checkpoint.config {
                training.settings = pairs.compactMap { pair in pair.key.string.map { (key: $0, value: pair.value) } }
            }
            if let group = checkpoint.groups.first { training.fill(group) }
        default: break
        }
    }
}

extension TrainingFacts {
    /// The optimizer's own constants, for what the configuration does not say.
    fileprivate mutating func fill(_ group: NanoGPTCheckpoint.Group) {
        for (key, value) in [
            ("learning_rate", group.learningRate), ("beta1", group.beta1), ("beta2", group.beta2),
            ("weight_decay", group.weightDecay),
        ] where setting(key) == nil {
            if let value { settings.append((key: key, value: .number(value))) }
        }
    }
}
