// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import ComputeCPU
import Corpus
import Foundation
import Modeling
import RunLog
import Storage
import TestKit
import Testing
import Training

/// A small dataset and run settings for tests of the whole path.
struct Workbench {
    let folder: TemporaryFolder

    /// - Parameter tokens: of the training split, whose end is the validation split as well
    init(tokens count: Int = 20_000) throws {
        folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder("data"), withIntermediateDirectories: true)
        // A language of 40 words, each mostly followed by the same few others: learnable in a few steps.
        var generator = SeededGenerator(1)
        var word: UInt16 = 0
        let tokens = (0..<count).map { _ -> UInt16 in
            word = Bool.random(using: &generator) ? (word &* 7 &+ 3) % 40 : UInt16.random(in: 0..<40, using: &generator)
            return word
        }
        try folder.write("data/train.bin", tokens.withUnsafeBytes { Data($0) })
        try folder.write("data/val.bin", Array(tokens.suffix(3000)).withUnsafeBytes { Data($0) })
    }

    func config(_ change: (inout RunConfig) -> Void = { _ in }) -> RunConfig {
        var config = RunConfig()
        config.data = folder("data")
        config.outDir = folder("run")
        config.nLayer = 2
        config.nHead = 2
        config.nEmbd = 32
        config.blockSize = 24
        config.vocabSize = 40
        config.batchSize = 4
        config.gradientAccumulationSteps = 2
        config.maxIters = 12
        config.warmupIters = 2
        config.learningRate = 5e-3
        config.evalInterval = 4
        config.evalIters = 2
        config.checkpointMinutes = 0
        config.dtype = "float32"
        change(&config)
        return config
    }

    struct Result {
        let trainer: Trainer
        let events: [RunEvent]
        let outcome: TrainingOutcome
        /// Losses by step.
        var losses: [Int: Double] {
            Dictionary(
                events.filter { $0.event == .step }.compactMap { e in e.loss.map { (e.step, $0) } }, uniquingKeysWith: { $1 })
        }
        func weights() throws -> [Float] {
            let flat = trainer.weights.masters.flat
            var values = [Float](repeating: 0, count: flat.count)
            try values.withUnsafeMutableBytes { try trainer.weights.backend.read(flat, into: $0) }
            return values
        }
    }

    static func record(_ config: RunConfig) -> RunRecord {
        RunRecord(version: "test", created: "2026-01-01T00:00:00.000Z", command: ["test"], config: config, data: nil)
    }

    /// Runs from the start, stopping after `stopAfter` updates when given, or where the trainer asked for the `stopAtQuestion`th time.
    func start(
        _ config: RunConfig, threads: Int = 2, stopAfter: Int? = nil, stopAtQuestion: Int? = nil, calls: FileCalls = .system
    ) throws -> Result {
        let setup = try RunSetup(config)
        let trainer = try Trainer(setup, backend: try CPUBackend(threads: threads))
        trainer.initialize()
        let session = try RunSession.create(config.outDir, record: Self.record(setup.config), calls: calls)
        return try drive(trainer, session, stopAfter: stopAfter, stopAtQuestion: stopAtQuestion)
    }

    func resume(
        _ path: String, threads: Int = 2, stopAfter: Int? = nil, calls: FileCalls = .system,
        change: (inout RunConfig) -> Void = { _ in }
    ) throws -> Result {
        let resumption = try RunSession.resume(path, calls: calls)
        var config = resumption.session.record.config
        change(&config)
        let trainer = try Trainer(try RunSetup(config), backend: try CPUBackend(threads: threads))
        if let checkpoint = resumption.checkpoint {
            try trainer.restore(checkpoint, events: resumption.events)
        } else {
            trainer.initialize()
        }
        try resumption.session.log(RunEvent(.resume, step: trainer.step))
        return try drive(trainer, resumption.session, stopAfter: stopAfter)
    }

    private func drive(_ trainer: Trainer, _ session: RunSession, stopAfter: Int?, stopAtQuestion: Int? = nil) throws -> Result {
        var events: [RunEvent] = [], questions = 0
        func stop() -> Bool {
            questions += 1
            return stopAfter.map { trainer.step >= $0 } ?? stopAtQuestion.map { questions >= $0 } ?? false
        }
        let outcome = try trainer.run(session: session, stop: stop) { events.append(try session.log($0)) }
        return Result(trainer: trainer, events: events, outcome: outcome)
    }
}
