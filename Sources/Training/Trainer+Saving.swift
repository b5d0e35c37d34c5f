// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import RunLog

extension Trainer {
    /// Whether a checkpoint is due by updates or by minutes.
    ///
    /// None is made in the middle of bad updates: a rollback looks for the last one before them, and older ones are removed as
    /// newer ones come. It is made up for after the next good update.
    func isCheckpointDue(since last: ContinuousClock.Instant, session: RunSession?) -> Bool {
        guard let session, step > 0, session.lastSaved != step else { return false }
        if step == config.maxIters { return true }
        if config.checkpointInterval > 0, step % config.checkpointInterval == 0 { history.owesCheckpoint = true }
        if config.checkpointMinutes > 0, (clock.now - last).seconds >= config.checkpointMinutes * 60 {
            history.owesCheckpoint = true
        }
        return history.owesCheckpoint && history.judge.badInARow == 0
    }

    /// - Parameter wait: until it is committed; otherwise it is told by a later `report`.
    func save(_ session: RunSession?, wait: Bool, _ observe: (RunEvent) throws -> Void) throws {
        guard let session, session.lastSaved != step else { return }
        // What is written by reading the device waits for it, and would count as part of the next update.
        if wait || !session.savesInBackground { begun = nil }
        if history.judge.badInARow == 0 { history.owesCheckpoint = false }
        try session.save(self, wait: wait)
        if wait { try report(session, wait: true, observe) }
    }

    /// Tells what was committed since the last time.
    ///
    /// - Throws: `FileError` when a checkpoint could not be written.
    func report(_ session: RunSession?, wait: Bool, _ observe: (RunEvent) throws -> Void) throws {
        guard let session else { return }
        if let refusal = session.takeRefusal() {
            var event = RunEvent(.warning, step: step)
            event.code = "checkpoint-foreground"
            event.message = refusal
            try observe(event)
        }
        var saved = try session.collect(wait: wait)
        while !saved.isEmpty {
            for checkpoint in saved {
                var event = RunEvent(.checkpoint, step: checkpoint.step)
                event.path = checkpoint.name
                event.bytes = checkpoint.bytes
                event.checkpointMs = checkpoint.seconds * 1e3
                event.stallMs = checkpoint.stall * 1e3
                try observe(event)
            }
            saved = try session.collect(wait: false)
        }
    }

    // MARK: State on disk

    /// All that the next update depends on, besides the weights and moments.
    ///
    /// - Throws: what happened to the device.
    func checkpointState() throws -> CheckpointState {
        CheckpointState(
            step: step, tokensSeen: tokensSeen, nextSample: nextSample, seed: UInt64(config.seed), bestValLoss: best?.loss,
            bestStep: best?.step,
            extra: ["updates": String(try appliedUpdates()), "dtype": config.dtype, RunHistory.key: history.text])
    }

    /// Goes on from a stored position; weights and moments are written by the caller.
    ///
    /// - Parameter evaluated: whether the evaluation at this step was already recorded.
    func restore(_ state: CheckpointState, best: (loss: Double, step: Int)?, evaluated: Bool) {
        begun = nil
        updatesKnown = false
        step = state.step
        nextSample = state.nextSample
        history = RunHistory(text: state.extra[RunHistory.key])
        self.best = best
        lastEvaluated = evaluated ? step : nil
        // A number that no run reaches is a damaged file's.
        let stored = state.extra["updates"].flatMap { Int($0) }.flatMap {
            (0...CheckpointState.mostSamples).contains($0) ? $0 : nil
        }
        let updates = stored ?? state.step
        backend.writeScalar(Double(updates), to: model.state, .updates)
    }
}
