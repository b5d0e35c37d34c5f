// SPDX-License-Identifier: MIT
import Corpus
import RunLog

extension Trainer {
    /// Micro-batches are sequences side by side, so `eval_iters` of them are this many blocks.
    static func evaluationBlocks(_ config: RunConfig) -> Int {
        config.evalTokens > 0 ? max(1, config.evalTokens / config.blockSize) : config.evalIters * config.batchSize
    }

    var isEvaluationDue: Bool { lastEvaluated != step && isEvaluated(after: step) }

    /// Whether an evaluation belongs to a step.
    func isEvaluated(after step: Int) -> Bool {
        step == config.maxIters || config.evalInterval > 0 && step % config.evalInterval == 0
    }

    /// - Returns: whether a checkpoint was begun.
    func evaluate(_ session: RunSession?, stop: () -> Bool, _ observe: (RunEvent) throws -> Void) throws -> Bool {
        begun = nil
        let start = clock.now
        let blocks = Self.evaluationBlocks(config)
        let train = try evaluator.evaluate(trainSamples, blocks: blocks, stop: stop)
        let val = try valSamples.flatMap { try evaluator.evaluate($0, blocks: blocks, stop: stop) }
        // A number from fewer blocks could not be compared with the others: an interrupted evaluation counts for nothing.
        if stop() { return false }
        lastEvaluated = step
        var event = RunEvent(.eval, step: step)
        event.tokens = tokensSeen
        event.trainLoss = train?.loss
        event.trainStderr = train?.standardError
        event.valLoss = val?.loss
        event.valStderr = val?.standardError
        event.evalTokens = val?.tokens ?? train?.tokens
        event.valBitsPerByte = valBytes.flatMap { val?.bitsPerByte(bytes: $0) }
        event.lr = schedule.rate(step) * history.rateFactor
        event.evalMs = (clock.now - start).seconds * 1e3
        try observe(event)
        guard let loss = val?.loss ?? train?.loss, loss.isFinite, loss < best?.loss ?? .infinity else { return false }
        best = (loss, step)
        // The untrained model is the best so far, but nobody wants to keep it.
        guard step > 0, let session else { return false }
        if session.lastSaved == step {
            session.markBest(step: step)
            return false
        }
        try session.save(self, best: true, wait: false)
        return true
    }
}
