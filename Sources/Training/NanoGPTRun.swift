// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import RunLog
import Storage

/// A run that nanoGPT's train.py began: a folder that holds its `ckpt.pt`.
///
/// Apus goes on with it in the same folder: `adopt` adds a run.json and a first checkpoint made of `ckpt.pt`, which itself is only
/// read. From there on the run is resumed like any other.
public struct NanoGPTRun: Sendable {
    /// nanoGPT's out_dir, where `ckpt.pt` lies.
    public let folder: String
    /// What `ckpt.pt` holds; the file itself is only read.
    public let checkpoint: NanoGPTCheckpoint
    /// Stored settings that Apus does not know, with those that only concern nanoGPT's process left out.
    public let unknownSettings: [String]
    /// What nanoGPT stored: its settings, the constants of its optimizer, the sizes of its model.
    public let config: RunConfig
    /// Updates that the optimizer's averages have seen; 0 when the file has no averages.
    public let updates: Int

    private static let fileName = "ckpt.pt"
    /// Settings of nanoGPT's process and machine, which say nothing about the run.
    private static let foreign: Set<String> = [
        "out_dir", "init_from", "device", "backend", "compile", "eval_only", "always_save_checkpoint",
    ]

    /// Whether a folder holds a run of nanoGPT's that Apus has not gone on with yet.
    public static func isIn(_ folder: String) -> Bool {
        FileManager.default.fileExists(atPath: folder + "/" + fileName) && !RunFolder(folder).exists
    }

    /// - Throws: `FileError` when the checkpoint cannot be read, `TrainingError` when it cannot be gone on with.
    public init(folder: String) throws {
        self.folder = folder
        checkpoint = try NanoGPTCheckpoint(path: folder + "/" + Self.fileName)
        updates = try Self.updates(checkpoint)
        (config, unknownSettings) = try Self.settings(checkpoint, folder: folder)
    }

    /// Updates completed.
    public var step: Int { checkpoint.iterNum ?? 0 }

    /// Adam's own step count, which every parameter has and Apus keeps once.
    private static func updates(_ checkpoint: NanoGPTCheckpoint) throws -> Int {
        let states = checkpoint.optimizer
        guard let first = states.values.first else { return 0 }
        let names = checkpoint.facts.parameters.map(\.name)
        if let missing = names.first(where: { states[$0] == nil }) {
            throw TrainingError("'\(checkpoint.path)' has an optimizer state without '\(missing)'; it cannot be gone on with")
        }
        guard states.values.allSatisfy({ $0.step == first.step }) else {
            throw TrainingError(
                "'\(checkpoint.path)' has parameters that made different numbers of updates; start a new run from its weights "
                    + "instead: --init_from=\(checkpoint.path)")
        }
        if let epsilon = checkpoint.groups.compactMap(\.epsilon).first(where: { $0 != 1e-8 }) {
            throw TrainingError(
                "'\(checkpoint.path)' was trained with AdamW's eps \(epsilon), Apus uses 1e-8; start a new run from its weights "
                    + "instead: --init_from=\(checkpoint.path)")
        }
        return first.step
    }

    /// The stored settings over nanoGPT's defaults; then what the optimizer and the model were really made with.
    private static func settings(
        _ checkpoint: NanoGPTCheckpoint, folder: String
    ) throws -> (config: RunConfig, unknown: [String]) {
        var config = RunConfig.nanoGPT, unknown: [String] = []
        func set(_ key: String, _ value: ConfigValue) throws { try config.set(key, value, source: checkpoint.path) }
        if case .dictionary(let pairs) = checkpoint.config {
            for pair in pairs {
                guard let key = pair.key.string, !foreign.contains(key), !key.hasPrefix("wandb_") else { continue }
                guard RunConfig.fieldsByKey[key] != nil, var value = ConfigValue(pair.value) else {
                    unknown.append(key)
                    continue
                }
                if key == "dtype", value == .text("float16") { value = .text("bfloat16") }
                try set(key, value)
            }
        }
        // load_state_dict brings these back whatever the settings say.
        if let group = checkpoint.groups.first {
            for (key, value) in [
                ("beta1", group.beta1), ("beta2", group.beta2),
                ("weight_decay", checkpoint.groups.compactMap(\.weightDecay).max()),
            ] {
                if let value { try set(key, .number(value)) }
            }
        }
        if checkpoint.config["dropout"] == nil, let dropout = checkpoint.modelArgs["dropout"]?.number {
            try set("dropout", .number(dropout))
        }
        config.take(checkpoint.facts)
        config.initFrom = "resume"
        config.outDir = folder
        return (config, unknown)
    }

    /// Makes a run of Apus of the folder; nothing that it holds is changed.
    ///
    /// - Parameters:
    ///   - record: what run.json is to say
    ///   - calls: the system calls that write; tests give ones that fail
    /// - Throws: `TrainingError` when the folder holds something else under a name that a run needs, `FileError`.
    public func adopt(_ record: RunRecord, calls: FileCalls = .system) throws {
        let lock = try FolderLock(folder: folder)
        defer { withExtendedLifetime(lock) {} }
        let taken = ["run.json", "metrics.jsonl", "checkpoints", "latest", "best", "samples"].filter {
            FileManager.default.fileExists(atPath: folder + "/" + $0)
        }
        guard taken.isEmpty else {
            throw TrainingError(
                "'\(folder)' holds a nanoGPT checkpoint and also '\(taken[0])', which a run of Apus would need to write; move "
                    + "ckpt.pt into a folder of its own and name that", isUsage: true)
        }
        // run.json first: a process that dies before the checkpoint is written is gone on with by `importIfNeeded`.
        try RunFolder(folder).writeRecord(record, calls: calls)
        try writeCheckpoint(record.config, calls: calls)
    }

    /// Ends an adoption that was cut short: the run is nanoGPT's, and there is no checkpoint of Apus yet.
    ///
    /// - Throws: `FileError`, `TrainingError` as `adopt`.
    public static func importIfNeeded(_ folder: String, calls: FileCalls = .system) throws {
        let run = RunFolder(folder)
        guard run.exists, FileManager.default.fileExists(atPath: folder + "/" + fileName) else { return }
        let lock = try FolderLock(folder: folder)
        defer { withExtendedLifetime(lock) {} }
        let record = try run.readRecord()
        guard record.config.initFrom == "resume" else { return }
        let names = Folder.names(run.checkpoints).filter { $0.hasPrefix("step-") || $0.hasPrefix(".replaced-") }
        guard names.isEmpty else { return }
        try NanoGPTRun(folder: folder).writeCheckpoint(record.config, calls: calls)
    }

    private func writeCheckpoint(_ config: RunConfig, calls: FileCalls) throws {
        // The position in the data is where a run of Apus of as many updates would be; nanoGPT draws its batches and keeps none.
        let (samples, overflow) = step.multipliedReportingOverflow(by: config.batchSize * config.gradientAccumulationSteps)
        let (tokens, more) = samples.multipliedReportingOverflow(by: config.blockSize)
        guard step >= 0, !overflow, !more else {
            throw TrainingError("'\(checkpoint.path)' says that \(step) updates were made, which cannot be")
        }
        // nanoGPT's value before the first evaluation is 1e9.
        let best = checkpoint.bestValLoss.flatMap { $0.isFinite && $0 < 1e8 && step > 0 ? $0 : nil }
        let state = CheckpointState(
            step: step, tokensSeen: tokens, nextSample: samples, seed: UInt64(max(config.seed, 0)), bestValLoss: best,
            bestStep: best == nil ? nil : step, extra: ["updates": String(updates), "dtype": config.dtype, "source": "nanogpt"])
        var moments = try checkpoint.optimizerSources()
        if moments.isEmpty {
            moments = checkpoint.facts.parameters.flatMap { parameter in
                ["exp_avg", "exp_avg_sq"].map { .zeros("\(parameter.name).\($0)", shape: parameter.shape) }
            }
        }
        try CheckpointStore(runFolder: folder, calls: calls).commit(
            step: step, model: checkpoint.modelSources(), optimizer: moments, state: state, facts: checkpoint.facts,
            best: best != nil)
    }
}

extension RunConfig {
    /// Takes over the sizes of a model that exists.
    public mutating func take(_ facts: ModelFacts) {
        nLayer = facts.nLayer
        nHead = facts.nHead
        nEmbd = facts.nEmbd
        blockSize = facts.blockSize
        vocabSize = facts.vocabSize
        bias = facts.bias
        activation = facts.activation
    }
}

extension ConfigValue {
    /// A plain value of a checkpoint; nil for a container or a tensor of several numbers.
    init?(_ value: PyTorchValue) {
        switch value {
        case .bool(let flag): self = .boolean(flag)
        case .integer(let number): self = .integer(number)
        case .string(let text): self = .text(text)
        default:
            guard let number = value.number else { return nil }
            self = .number(number)
        }
    }
}

extension TensorSource {
    /// A float32 tensor of zeros.
    static func zeros(_ name: String, shape: [Int]) -> TensorSource {
        TensorSource(name: name, dtype: .float32, shape: shape) { piece, _ in piece.initializeMemory(as: UInt8.self, repeating: 0)
        }
    }
}
