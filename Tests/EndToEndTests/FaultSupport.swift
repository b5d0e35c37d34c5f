// SPDX-License-Identifier: MIT
import Compute
import ComputeCPU
import Foundation
import RunLog
import Storage
import TestKit
import Testing
import Training

/// Harms that a test does to a run, by the global index of the update's first sample: bad data stays bad when it comes again.
final class Harm {
    enum Kind {
        /// One gradient becomes NaN, as when a kernel overflows.
        case notANumber
        /// One gradient becomes infinite.
        case infinite
        /// Weights are overwritten, as by a failing memory chip: the loss jumps and stays up.
        case weights
    }

    let kinds: [Int: Kind]
    private var done: Set<Int> = []
    /// How often something was harmed.
    private(set) var count = 0

    init(_ kinds: [Int: Kind]) { self.kinds = kinds }

    /// Called before the gradients' norm is taken.
    func strike(_ trainer: Trainer, _ backend: any Backend) {
        guard let kind = kinds[trainer.nextSample] else { return }
        count += 1
        switch kind {
        case .notANumber: write([.nan], to: trainer.optimizer.gradients.view([1], start: 5), backend)
        case .infinite: write([.infinity], to: trainer.optimizer.gradients.view([1], start: 5), backend)
        case .weights:
            var generator = SeededGenerator(9)
            for tensor in trainer.weights.masters.tensors { write(generator.floats(tensor.count, -4...4), to: tensor, backend) }
            trainer.weights.refreshCopies()
        }
    }

    private func write(_ values: [Float], to tensor: Tensor, _ backend: any Backend) {
        values.withUnsafeBytes { backend.write($0, to: tensor) }
    }
}

extension Workbench {
    /// Runs, or goes on with, a configuration under harm.
    func run(
        _ config: RunConfig, harm: Harm, resume: Bool = false, stopAfter: Int? = nil, calls: FileCalls = .system
    ) throws -> Result {
        let base = try CPUBackend(threads: 1)
        let box = TrainerBox()
        let backend = TimedBackend(base) { name in
            if name == "global norm", let trainer = box.trainer { harm.strike(trainer, base) }
        }
        let session: RunSession
        let trainer: Trainer
        if resume {
            let resumption = try RunSession.resume(config.outDir, calls: calls)
            session = resumption.session
            trainer = try Trainer(try RunSetup(session.record.config), backend: backend)
            if let checkpoint = resumption.checkpoint {
                try trainer.restore(checkpoint, events: resumption.events)
            } else {
                trainer.initialize()
            }
            try session.log(RunEvent(.resume, step: trainer.step))
        } else {
            let setup = try RunSetup(config)
            session = try RunSession.create(config.outDir, record: Self.record(setup.config), calls: calls)
            trainer = try Trainer(setup, backend: backend)
            trainer.initialize()
        }
        box.trainer = trainer
        defer { box.trainer = nil }
        var events: [RunEvent] = []
        // Counted in updates made, not in steps: a rollback takes the step back.
        var updates = 0
        let outcome = try trainer.run(session: session, stop: { stopAfter.map { updates >= $0 } ?? false }) {
            if $0.event == .step || $0.event == .skip { updates += 1 }
            events.append(try session.log($0))
        }
        return Result(trainer: trainer, events: events, outcome: outcome)
    }
}

/// The backend is made before the trainer that it looks at.
private final class TrainerBox { weak var trainer: Trainer? }
