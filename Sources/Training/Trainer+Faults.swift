// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import RunLog
import Storage

extension Trainer {
    /// The run stops after this many updates in a row that are not finite when it may not go back.
    static let toleratedSkips = 10

    /// Judges an update; says what is wrong with it once, and goes back to the last good checkpoint when it stays wrong.
    ///
    /// - Throws: `TrainingError` when it stays wrong and the run may not go back any more.
    func judge(_ event: RunEvent, _ session: RunSession?, _ observe: (RunEvent) throws -> Void) throws {
        for finding in watch.step(seconds: (event.stepMs ?? 0) / 1e3, waited: (event.dataMs ?? 0) / 1e3) {
            try observe(finding.event(step: step))
        }
        let verdict = history.judge.judge(
            loss: event.loss ?? .nan, gradNorm: event.gradNorm ?? .nan, isFinite: event.event == .step,
            threshold: config.spikeZscore, judgesNorm: step > config.warmupIters)
        if let warning = warning(verdict, event) { try observe(warning) }
        guard verdict.isBad else { return }
        let bad = history.judge.badInARow
        // Read in order, the data itself may change for good: another language, other sources. That is no fault.
        let mayGoBack = config.rollbackAfter > 0 && (verdict == .nonFinite || config.dataOrder != "sequential")
        if mayGoBack, bad >= config.rollbackAfter {
            try rollBack(verdict, event, session, observe)
        } else if verdict == .nonFinite, config.rollbackAfter == 0, bad >= Self.toleratedSkips {
            throw stopping(verdict, event, "rollback_after is 0, so the run does not go back")
        }
    }

    /// A sentence for the first update of a series of odd ones.
    private func warning(_ verdict: StepVerdict, _ event: RunEvent) -> RunEvent? {
        var warning = RunEvent(.warning, step: step)
        switch verdict {
        case .lossSpike(let usual, let zscore) where history.judge.badInARow == 1:
            warning.code = "loss-spike"
            warning.zscore = zscore
            warning.message =
                "loss \(Self.text(event.loss)) where \(Self.text(usual)) is usual (\(Self.text(zscore, digits: 0)) robust deviations); "
                + "most spikes pass by themselves"
        case .normSpike(let usual, let zscore) where history.judge.normSpikesInARow == StepJudge.tolerableNormSpikes:
            warning.code = "grad-norm-spike"
            warning.zscore = zscore
            warning.message =
                "gradient norm \(Self.text(event.gradNorm)) where \(Self.text(usual)) is usual, for "
                + "\(StepJudge.tolerableNormSpikes) updates; if the loss follows, lower learning_rate"
        default: return nil
        }
        return warning
    }

    // MARK: Going back

    /// Goes back to the last good checkpoint, or to the start, and on with the data after the bad updates.
    private func rollBack(
        _ verdict: StepVerdict, _ bad: RunEvent, _ session: RunSession?, _ observe: (RunEvent) throws -> Void
    ) throws {
        guard history.rollbacks < config.maxRollbacks else {
            throw stopping(verdict, bad, "the run went back \(history.rollbacks) times already (max_rollbacks)")
        }
        guard let session else { throw stopping(verdict, bad, "nothing is saved, so the run cannot go back") }
        // Those that are still being written are told first, so that the record is in order.
        try report(session, wait: true, observe)
        let good = try session.lastGood()
        guard good != nil || config.initFrom == "scratch" else {
            throw stopping(verdict, bad, "there is no checkpoint from before to go back to")
        }
        let from = step, cursor = nextSample, rollbacks = history.rollbacks + 1
        let rateFactor = history.rateFactor * config.rollbackLrFactor
        if let good {
            try loadTensors(of: good)
            // A checkpoint is made before the evaluation of its step: the best so far may be better than the one it knows.
            let known = good.state.best, soFar = best.flatMap { $0.step <= good.state.step ? $0 : nil }
            let better = [known, soFar].compactMap { $0 }.min { $0.loss < $1.loss }
            restore(good.state, best: better, evaluated: true)
        } else {
            startAgain()
        }
        history.undoneSamples = cursor - (nextSample - history.undoneSamples)
        history.rollbacks = rollbacks
        history.rateFactor = rateFactor
        nextSample = cursor
        history.owesCheckpoint = false
        session.wentBack(to: good?.info.step)
        var event = RunEvent(.rollback, step: step)
        event.path = good?.info.name
        event.code = verdict == .nonFinite ? "non-finite" : "loss-spike"
        event.message =
            "\(reason(verdict, bad)) in \(config.rollbackAfter) updates in a row, the last at step \(from); going on from "
            + "\(good.map { "checkpoint " + $0.info.name } ?? "the start") with the data after it"
            + (rateFactor < 1 ? " at \(Self.text(rateFactor, digits: 3)) times the learning rate" : "")
            + " (\(rollbacks) of at most \(config.maxRollbacks))"
        try observe(event)
    }

    /// Everything as it was before the first update.
    private func startAgain() {
        initialize()
        for (_, tensor) in optimizer.moments { backend.fillZero(tensor) }
        restore(CheckpointState(step: 0, tokensSeen: 0, nextSample: 0, seed: UInt64(config.seed)), best: nil, evaluated: true)
    }

    /// The error that ends a run whose numbers stay broken.
    private func stopping(_ verdict: StepVerdict, _ event: RunEvent, _ why: String) -> TrainingError {
        TrainingError(
            "\(reason(verdict, event)) in \(history.judge.badInARow) updates in a row, the last at step \(step), and \(why). "
                + (verdict == .nonFinite ? "The weights are those before the first. " : "")
                + "Every checkpoint is kept. Lower learning_rate or lengthen warmup_iters, then --resume")
    }

    private func reason(_ verdict: StepVerdict, _ event: RunEvent) -> String {
        if case .lossSpike(let usual, _) = verdict {
            return "the loss was \(Self.text(event.loss)) and the like, where \(Self.text(usual)) was usual,"
        }
        return "loss or gradients were not finite"
    }

    // MARK: Looking around

    /// Looks at memory, disk and temperature from time to time.
    func lookAround(_ session: RunSession?, _ observe: (RunEvent) throws -> Void) throws {
        guard watch.isLookDue(clock.now) else { return }
        let tensors = optimizer.moments.reduce(weights.masters.flat.byteCount) { $0 + $1.tensor.byteCount }
        let surroundings = RunWatch.Surroundings(
            // A card's memory is taken as planned and does not change; the machine's may run out.
            availableMemory: backend.worksAhead ? availableHostBytes() : backend.availableBytes,
            freeDisk: session.flatMap { Folder.freeBytes($0.folder.path) }, checkpointBytes: session?.lastBytes ?? tensors,
            throttlings: ThermalThrottling.count(), folder: session?.folder.path ?? "")
        for finding in watch.look(surroundings, at: clock.now) { try observe(finding.event(step: step)) }
    }

    private static func text(_ value: Double?, digits: Int = 2) -> String {
        String(format: "%.\(digits)f", value ?? .nan)
    }
}
