// SPDX-License-Identifier: MIT
import Compute
import Foundation
import RunLog
import Training

/// What a person sees of a run while it goes: an opening, lines of progress, evaluations, an end. All on standard error.
final class TrainingDisplay {
    private let setup: RunSetup
    private let backend: any Backend
    private let quiet: Bool
    private let json: Bool
    private let clock = ContinuousClock()
    private var firstStep: Int?
    /// Times of the last steps, for the rate and the time left.
    private var recent: [Double] = []
    private var lastShown: ContinuousClock.Instant?
    private var evaluationSeconds = 0.0
    private var evaluations = 0
    private let encoder = RunEvent.makeEncoder()

    init(_ setup: RunSetup, backend: any Backend, quiet: Bool, json: Bool) {
        self.setup = setup
        self.backend = backend
        self.quiet = quiet
        self.json = json
    }

    /// Model, data, batch and memory, before anything is allocated.
    func opening(_ memory: RunMemory) {
        if !quiet { describe(memory) }
        if memory.copyLeftOut {
            Console.warning("there is no memory for a copy to write checkpoints from: training stands still while one is written")
        }
        if setup.dataset.val == nil {
            Console.warning("there is no validation split: over-fitting cannot be seen; prepare with --val-fraction")
        }
    }

    private func describe(_ memory: RunMemory) {
        let config = setup.config, shape = config.shape, data = setup.dataset
        let size = ModelShape.short(shape.parameters)
        line(
            "model",
            "\(size) parameters: \(Format.counted(config.nLayer, "layer")), \(Format.counted(config.nHead, "head")), "
                + "\(config.nEmbd) wide, context \(config.blockSize), vocabulary \(config.vocabSize)"
        )
        let val = data.val.map { "\(Format.count(Double($0.count))) validation" } ?? "no validation"
        line("data", "\(data.folder): \(Format.count(Double(data.train.count))) training tokens, \(val)")
        let seen = Double(config.tokensPerStep) * Double(config.maxIters)
        let epochs = seen / Double(max(data.train.count, 1))
        line(
            "run",
            "\(config.maxIters) updates x \(Format.count(Double(config.tokensPerStep))) tokens = \(Format.count(seen)) "
                + "(\(Format.decimals(epochs, epochs < 10 ? 1 : 0)) epochs, \(Format.decimals(seen / Double(shape.parameters), 1)) a parameter)"
        )
        line("device", "\(backend.deviceName), \(backend.kernelName), \(config.dtype)")
        let m = memory.model
        let parts = [
            ("weights", m.weights), ("gradients", m.gradients), ("optimizer", memory.optimizer), ("activations", m.activations),
            ("workspace", m.workspace), ("copy for checkpoints", memory.copy), ("program", memory.overhead),
        ].filter { $0.1 > 0 }.map { "\($0.0) \(MemoryError.text($0.1))" }.joined(separator: ", ")
        let available = backend.availableBytes.map { " of \(MemoryError.text($0)) available" } ?? ""
        line("memory", "\(MemoryError.text(memory.total))\(available): \(parts)")
        if memory.hostCopy > 0 {
            line("", "\(MemoryError.text(memory.hostCopy)) of this machine's own memory: copy for checkpoints")
        }
    }

    private func line(_ name: String, _ text: String) {
        Console.note(name.padding(toLength: 8, withPad: " ", startingAt: 0) + text)
    }

    /// Shows an event.
    func show(_ event: RunEvent) {
        if json, let data = try? encoder.encode(event) { Console.stream(String(decoding: data, as: UTF8.self) + "\n") }
        switch event.event {
        case .step: if !quiet { step(event) }
        case .eval: if !quiet { evaluation(event) }
        case .resume:
            if quiet { break }
            Console.note(
                "resume  step \(event.step)" + (event.path.map { " from \($0)" } ?? "") + (event.message.map { ": " + $0 } ?? ""))
        // Not progress: what is wrong is said to those, too, who asked for quiet.
        case .skip, .warning: message("step \(event.step): \(event.message ?? event.code ?? "")")
        case .rollback: message("rolled back to step \(event.step): \(event.message ?? "")")
        case .start, .checkpoint, .end: break
        }
    }

    private func message(_ text: String) {
        Console.clearProgress()
        Console.warning(text)
    }

    private func step(_ event: RunEvent) {
        if firstStep == nil { firstStep = event.step }
        recent.append((event.stepMs ?? 0) / 1e3)
        if recent.count > 50 { recent.removeFirst() }
        let isDue = event.step % setup.config.logInterval == 0 || event.step == setup.config.maxIters
        let now = clock.now
        if Console.isTerminal {
            // Ten times a second is enough for an eye.
            if let last = lastShown, now - last < .milliseconds(100), event.step != setup.config.maxIters { return }
            lastShown = now
            Console.progress(describe(event))
        } else if isDue {
            // A log file of every update is too long: a line every few seconds is enough, unless an interval was asked for.
            let isAsked = setup.config.logInterval > 1
            if !isAsked, let last = lastShown, now - last < .seconds(5), event.step != setup.config.maxIters { return }
            lastShown = now
            Console.note(describe(event))
        }
    }

    private func describe(_ event: RunEvent) -> String {
        let total = setup.config.maxIters, mean = recent.reduce(0, +) / Double(max(recent.count, 1))
        var left = Double(total - event.step) * mean
        if setup.config.evalInterval > 0, evaluations > 0 {
            left += Double((total - event.step) / setup.config.evalInterval) * evaluationSeconds / Double(evaluations)
        }
        let rate = Double(setup.config.tokensPerStep) / max(mean, 1e-9)
        var text = "step \(event.step)/\(total)  loss \(Format.decimals(event.loss ?? .nan, 4))"
        text += "  lr \(Format.scientific(event.lr ?? 0))  norm \(Format.decimals(event.gradNorm ?? .nan, 2))"
        text += "  \(Format.count(rate)) tok/s"
        if let share = event.ceilingFraction { text += "  \(Int((share * 100).rounded())) % of matmul peak" }
        return text + "  \(Format.duration(left)) left"
    }

    private func evaluation(_ event: RunEvent) {
        evaluations += 1
        evaluationSeconds += (event.evalMs ?? 0) / 1e3
        Console.clearProgress()
        var text = "eval    step \(event.step)"
        if let train = event.trainLoss { text += "  train \(Format.decimals(train, 4))" }
        if let val = event.valLoss {
            text += "  val \(Format.decimals(val, 4))" + (event.valStderr.map { " ± \(Format.decimals($0, 4))" } ?? "")
        }
        if let bits = event.valBitsPerByte { text += "  \(Format.decimals(bits, 3)) bits/byte" }
        Console.note(text)
    }

    /// Ends the progress line.
    func finish() { Console.clearProgress() }

    func closing(_ outcome: TrainingOutcome, folder: String) {
        finish()
        guard !quiet else { return }
        switch outcome {
        case .completed:
            let path = Console.quoted(folder)
            Console.note("done    \(folder)   next: apus report \(path)   apus sample \(path)")
        case .interrupted:
            Console.note("stopped, state saved   go on with: apus train --resume --out \(Console.quoted(folder))")
        }
    }
}
