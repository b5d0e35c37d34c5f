// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Synchronization

/// A run with everything that several checks need worked out once.
public struct RunContext: Sendable {
    /// The record, thinned to about 100,000 steps.
    public let facts: RunFacts
    /// Names and paths that advice puts into commands.
    public let options: HealthOptions
    /// Told from the data set's name; `unknown` without one.
    public let dataset: DatasetKind
    /// nil when neither the configuration nor the logged rates tell it.
    public let schedule: RateSchedule?
    /// Steps with a finite loss.
    public let losses: [StepPoint]
    /// Evaluations with a finite validation loss.
    public let evals: [EvalPoint]
    /// The larger of the last update's and the last evaluation's; 0 in an empty record.
    public let lastStep: Int
    /// nil when neither the configuration nor the schedule tells; a trainer's default does not count.
    public let plannedSteps: Int?
    /// Training tokens of one update over all processes; nil when unknown.
    public let tokensPerStep: Double?
    /// By the last step, as logged, else from `tokensPerStep`; nil when neither is known.
    public let tokensSeen: Double?
    /// The last of `evals`; nil when the run is more than twice as far by now, since it speaks of another model then.
    public let lastEval: EvalPoint?
    /// Nats per token: that of `lastEval`, else the mean of the last twentieth of the steps, 200 at most.
    public let finalTrain: Double?
    /// Nats per token, of `lastEval`.
    public let finalVal: Double?
    /// The last rate as a share of the peak that the schedule rises to; nil when unknown.
    public let finalRateShare: Double?
    /// nil when the record has neither speed, step times nor MFU.
    public let throughput: HealthReport.Throughput?
    /// nil when the record names no device or the table lacks it.
    public let gpu: GPU?
    /// For the end of the schedule when the run is under way, else for the tokens seen.
    public let expectation: Expectation
    /// The prediction for the end of the planned run, from the curve alone; nil where the curve is too short for one.
    public let predictedEnd: Band?
    let model: CurveModel?
    /// Findings that other rules ask for, so that each rule runs once.
    private let memo = CheckMemo()

    /// Fits the curve and works out the expectation at once.
    public init(_ record: RunFacts, options: HealthOptions = HealthOptions()) {
        var facts = RunContext.thinned(record)
        let schedule = RateSchedule.of(facts)
        if let schedule, schedule.isChanged { facts.adopt(changed: schedule) }
        self.facts = facts
        self.options = options
        dataset = DatasetKind(facts.dataset.name?.value)
        losses = facts.steps.filter { $0.loss?.isFinite ?? false }
        evals = facts.evals.filter { $0.valLoss?.isFinite ?? false }
        let last = max(facts.steps.last?.step ?? 0, facts.evals.last?.step ?? 0)
        lastStep = last
        let config = facts.config
        self.schedule = schedule
        plannedSteps = config.maxIters.flatMap { $0.origin == .assumed ? nil : $0.value } ?? schedule?.total
        tokensPerStep = config.tokensPerStep?.value
        tokensSeen =
            facts.evals.last { $0.step == last }?.tokens ?? facts.steps.last { $0.step == last }?.tokens
            ?? tokensPerStep.map { $0 * Double(last) }
        let tail = losses.suffix(max(1, min(losses.count / 20, 200))).compactMap(\.loss)
        let recent = evals.last.flatMap { $0.step >= last / 2 ? $0 : nil }
        lastEval = recent
        finalTrain = recent?.trainLoss ?? Statistics.mean(tail)
        finalVal = recent?.valLoss
        finalRateShare = RunContext.rateShare(facts, schedule, last)
        gpu = facts.device.name.flatMap { GPU.named($0.value) }
        throughput = ThroughputReading.read(facts, gpu: gpu)

        // The run's end counts when it is still to come; a run that stopped is judged by the tokens it saw.
        let progress = plannedSteps.map { Double(last) / Double(max($0, 1)) }
        let endStep = progress.map { $0 < 0.98 } ?? false ? plannedSteps ?? last : last
        expectation = Expectation.of(facts, tokens: Self.tokens(tokensSeen, tokensPerStep, more: endStep - last))
        model = CurveFit.fit(
            evals: evals, losses: losses, schedule: schedule, tokensPerStep: tokensPerStep, hasReference: expectation.band != nil,
            isAdamW: config.optimizer?.value.lowercased().contains("adam") ?? true, horizon: endStep)
        if let model, endStep > last {
            predictedEnd = CurveFit.telling(model.predict(endStep))
        } else {
            predictedEnd = nil
        }
    }

    /// Training tokens by a step to come: what was seen and the steps from there on; nil when the tokens of a step are unknown.
    func tokens(by step: Int) -> Double? { Self.tokens(tokensSeen, tokensPerStep, more: step - lastStep) }

    private static func tokens(_ seen: Double?, _ perStep: Double?, more steps: Int) -> Double? {
        steps == 0 ? seen : perStep.flatMap { perStep in seen.map { $0 + perStep * Double(steps) } }
    }

    /// What a rule finds in this run.
    public func finding(_ rule: HealthRule) -> Check {
        if let known = memo.checks.withLock({ $0[rule.id] }) { return known }
        let check = rule.evaluate(self, rule)
        memo.checks.withLock { $0[rule.id] = check }
        return check
    }

    /// The share of the planned steps that were made; nil when the plan is unknown.
    public var progress: Double? { plannedSteps.map { Double(lastStep) / Double(max($0, 1)) } }
    /// Less than 98% of the planned steps were made; false when the plan is unknown.
    public var isUnderWay: Bool { progress.map { $0 < 0.98 } ?? false }
    /// Hours that so many tokens take at the run's speed; `flopsRatio`: the cost of a token against this model's. nil when the
    /// speed or the tokens are unknown.
    func hours(_ tokens: Double, flopsRatio: Double = 1) -> Double? {
        guard let speed = throughput?.tokensPerSecond, speed > 0, tokens.isFinite else { return nil }
        return tokens * flopsRatio / speed / 3600
    }
    /// Hours that the rest of the planned run takes; nil when the plan, the speed or the tokens of a step are unknown.
    var hoursLeft: Double? {
        guard let plannedSteps, let tokensPerStep else { return nil }
        return hours(Double(plannedSteps - lastStep) * tokensPerStep)
    }
    /// Whether the learning rate has come down, so that the last loss is an end point.
    public var isDecayed: Bool? { finalRateShare.map { $0 <= 0.16 && !isWarmingUp } }
    /// Whether the record ends before the rate has risen to its peak, so that a small last rate is none that came down.
    var isWarmingUp: Bool { schedule.map { $0.isFormula && $0.warmup > 0 && lastStep <= $0.warmup } ?? false }
    /// The loss to judge: validation, or training where the log has no validation.
    public var finalLoss: Double? { finalVal ?? finalTrain }
    /// How often the training tokens were read; nil when either count is unknown.
    public var epochs: Double? {
        guard let unique = facts.dataset.trainTokens?.value, unique > 0, let seen = tokensSeen else { return nil }
        return seen / unique
    }
    /// How commands name the data.
    public var dataPath: String {
        if let path = options.dataPath ?? facts.dataset.path { return path }
        // nanoGPT keeps the data set NAME in data/NAME.
        if facts.source == .nanogpt, let name = facts.dataset.name, name.origin != .option, !name.value.contains("/") {
            return "data/" + name.value
        }
        return "DIR"
    }
    /// The rate of a step as logged, else by the schedule.
    public func rate(_ point: StepPoint) -> Double? { point.lr ?? schedule?.rate(point.step) }

    /// At most about 100,000 steps: more add nothing to medians and windows. What stands out is kept: values that are not
    /// finite, sudden rises.
    private static func thinned(_ record: RunFacts) -> RunFacts {
        let limit = 100_000
        guard record.steps.count > limit else { return record }
        let stride = record.steps.count / limit + 1
        var kept: [StepPoint] = []
        kept.reserveCapacity(limit + 1000)
        var level = Double.infinity
        for (index, point) in record.steps.enumerated() {
            let loss = point.loss ?? level
            if index % stride == 0 || index == record.steps.count - 1 {
                kept.append(point)
                if loss.isFinite { level = loss }
            } else if !loss.isFinite || loss > level + 1 || !(point.gradNorm?.isFinite ?? true) {
                kept.append(point)
            }
        }
        var facts = record
        facts.steps = kept
        return facts
    }

    private static func rateShare(_ facts: RunFacts, _ schedule: RateSchedule?, _ last: Int) -> Double? {
        let logged = facts.steps.compactMap { point in point.lr.map { (point.step, $0) } }
        // A schedule that is known tells the rate better than one logged well before the end.
        let slack = schedule.map(\.isFormula) ?? false ? min(max(50, last / 50), last / 10 + 1) : max(50, last / 50)
        if let end = logged.last, end.0 >= last - slack, let highest = RateSchedule.peak(of: logged.map(\.1)) {
            // A run that ended in its warm-up has not seen the peak.
            let peak = max(highest, schedule.map { $0.isFormula ? $0.peak : 0 } ?? 0)
            if peak > 0 { return end.1 / peak }
        }
        if let schedule { return schedule.rate(last) / schedule.peak }
        return nil
    }
}

/// Findings by rule, filled as they are asked for.
final class CheckMemo: Sendable {
    let checks = Mutex<[String: Check]>([:])
}

/// Fits the curve model to what a record offers.
enum CurveFit {
    static func fit(
        evals: [EvalPoint], losses: [StepPoint], schedule: RateSchedule?, tokensPerStep: Double?, hasReference: Bool,
        isAdamW: Bool,
        horizon: Int
    ) -> CurveModel? {
        guard let schedule else { return nil }
        let points = evals.filter { $0.step > schedule.warmup }.count >= 3 ? fromEvals(evals) : fromSteps(losses, evals)
        return CurveModel(
            points: points, schedule: schedule, tokensPerStep: tokensPerStep ?? 524_288,
            prior: hasReference ? .reference(adamW: isAdamW) : .loose, horizon: horizon)
    }

    private static func fromEvals(_ evals: [EvalPoint]) -> [CurveModel.Point] {
        // Evaluations on random batches scatter; the scatter itself tells how much.
        let tail = evals.suffix(max(6, evals.count / 2)).compactMap(\.valLoss)
        let second = zip(zip(tail, tail.dropFirst()), tail.dropFirst(2)).map { $0.0 - 2 * $0.1 + $1 }
        let scatter = min(0.05, (Statistics.robustDeviation(second) ?? 0) / 6.0.squareRoot())
        return evals.compactMap { eval in
            eval.valLoss.map { CurveModel.Point(step: eval.step, loss: $0, noise: eval.valStderr ?? scatter) }
        }
    }

    /// Training losses averaged over windows, moved by the gap to the evaluations when there are any.
    private static func fromSteps(_ losses: [StepPoint], _ evals: [EvalPoint]) -> [CurveModel.Point] {
        guard losses.count >= 8 else { return fromEvals(evals) }
        let windows = 40
        let size = max(1, losses.count / windows)
        var points: [CurveModel.Point] = []
        for start in Swift.stride(from: 0, to: losses.count, by: size) {
            let part = losses[start..<min(start + size, losses.count)]
            // A short last window would weigh as much as a full one.
            if part.count * 2 < size { break }
            let values = part.compactMap(\.loss)
            guard let mean = Statistics.mean(values), let middle = part.dropFirst(part.count / 2).first else { continue }
            let noise = (Statistics.noise(values) ?? 0.03) / Double(values.count).squareRoot()
            points.append(CurveModel.Point(step: middle.step, loss: mean, noise: noise))
        }
        return points
    }

    /// The interval that nine in ten runs end in.
    static func band(_ prediction: (mid: Double, deviation: Double)) -> Band {
        // The form itself is wrong by about a hundredth of a nat.
        let half = 1.645 * (prediction.deviation * prediction.deviation + 0.008 * 0.008).squareRoot()
        return Band(low: prediction.mid - half, mid: prediction.mid, high: prediction.mid + half)
    }

    /// The same, or nil where it tells nothing: an interval wider than a nat, or one that reaches down to a loss of zero, is a
    /// curve carried on far beyond what it is known to do.
    static func telling(_ prediction: (mid: Double, deviation: Double)) -> Band? {
        let band = band(prediction)
        return band.low > 0 && band.high - band.low <= 1 ? band : nil
    }
}
