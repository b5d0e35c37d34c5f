// SPDX-License-Identifier: MIT
import Foundation

/// The learning rate of every step, past and to come.
public struct RateSchedule: Sendable, Equatable {
    /// `linear` where `table` gives the rates.
    public var kind: ScheduleKind
    /// The largest rate, which the warm-up leads to.
    public var peak: Double
    /// The rate at `decayEnd` and after it; the peak for `constant`.
    public var minimum: Double
    /// Updates of the linear rise; 0 for none.
    public var warmup: Int
    /// Step at which the decay ends.
    public var decayEnd: Int
    /// Steps of the final decay, for `wsd`.
    public var cooldown: Int
    /// Steps of the whole run.
    public var total: Int
    /// Rates by step where the input gives them; they win over the formula.
    public var table: [(step: Int, lr: Double)] = []
    /// Whether the logged rates had another peak than the configuration names, as after a resume with another rate.
    public var isChanged = false

    /// Whether the configuration tells the rates, and not the record alone.
    var isFormula: Bool { table.isEmpty }

    public static func == (a: RateSchedule, b: RateSchedule) -> Bool {
        a.kind == b.kind && a.peak == b.peak && a.minimum == b.minimum && a.warmup == b.warmup && a.decayEnd == b.decayEnd
            && a.cooldown == b.cooldown && a.total == b.total && a.isChanged == b.isChanged
            && a.table.elementsEqual(b.table, by: ==)
    }

    /// The rate of update `step`, counted from 0.
    public func rate(_ step: Int) -> Double {
        if !table.isEmpty { return interpolated(step) }
        if step < warmup { return peak * Double(step + 1) / Double(warmup + 1) }
        switch kind {
        case .constant: return peak
        case .cosine:
            guard step < decayEnd, decayEnd > warmup else { return step < decayEnd ? peak : minimum }
            let share = Double(step - warmup) / Double(decayEnd - warmup)
            return minimum + 0.5 * (1 + cos(.pi * share)) * (peak - minimum)
        case .linear:
            guard step < decayEnd, decayEnd > warmup else { return step < decayEnd ? peak : minimum }
            return peak + (minimum - peak) * Double(step - warmup) / Double(decayEnd - warmup)
        case .wsd:
            guard step < decayEnd, cooldown > 0 else { return step < decayEnd ? peak : minimum }
            let left = Double(decayEnd - step) / Double(cooldown)
            return left >= 1 ? peak : minimum + (peak - minimum) * left
        }
    }

    /// The same shape over `factor` times as many steps; the warm-up of a formula keeps its length.
    func stretched(_ factor: Int) -> RateSchedule {
        var longer = self
        longer.decayEnd = decayEnd * factor
        longer.cooldown = cooldown * factor
        longer.total = total * factor
        longer.table = table.map { ($0.step * factor, $0.lr) }
        return longer
    }

    private func interpolated(_ step: Int) -> Double {
        guard let first = table.first, let last = table.last else { return peak }
        if step <= first.step { return first.lr }
        if step >= last.step { return last.lr }
        var low = 0, high = table.count - 1
        while high - low > 1 {
            let middle = (low + high) / 2
            if table[middle].step <= step { low = middle } else { high = middle }
        }
        let span = Double(table[high].step - table[low].step)
        return span > 0 ? table[low].lr + (table[high].lr - table[low].lr) * Double(step - table[low].step) / span : table[low].lr
    }

    /// The schedule of a run that logged its rates and whose rate has come down: what was logged is all there is.
    private static func logged(_ facts: RunFacts, _ last: Int) -> RateSchedule? {
        let rates = Statistics.thinned(facts.steps.compactMap { point in point.lr.map { (step: point.step, lr: $0) } }, to: 5000)
        guard rates.count >= 20, let end = rates.last, end.step >= last - max(50, last / 50), let peak = rates.map(\.lr).max(),
            peak > 0,
            end.lr <= 0.16 * peak
        else { return nil }
        let warmup = rates.first { $0.lr >= peak * 0.999 }?.step ?? 0
        var schedule = RateSchedule(
            kind: .linear, peak: peak, minimum: end.lr, warmup: warmup, decayEnd: last, cooldown: 0, total: last)
        schedule.table = rates
        return schedule
    }

    /// The schedule of a run from its configuration, or from logged rates that reach to its end; nil when neither is known.
    public static func of(_ facts: RunFacts) -> RateSchedule? {
        let config = facts.config
        let last = max(facts.steps.last?.step ?? 0, facts.evals.last?.step ?? 0)
        if let future = facts.futureRates.last {
            var rates = facts.steps.compactMap { point in point.lr.map { (step: point.step, lr: $0) } }
            rates += facts.futureRates
            rates.sort { $0.step < $1.step }
            let peak = rates.map(\.lr).max() ?? 0
            guard peak > 0 else { return nil }
            let warmup = rates.first { $0.lr >= peak * 0.999 }?.step ?? 0
            var schedule = RateSchedule(
                kind: .linear, peak: peak, minimum: rates.last?.lr ?? 0, warmup: warmup, decayEnd: future.step, cooldown: 0,
                total: future.step)
            schedule.table = rates
            return schedule
        }
        guard let peak = config.learningRate?.value, peak > 0, let kind = config.schedule?.value else {
            return logged(facts, last)
        }
        // A planned length that is only the trainer's default says nothing.
        let planned = config.maxIters.flatMap { $0.origin == .assumed ? nil : $0.value }
        guard let decayEnd = kind == .constant ? planned ?? last : config.lrDecayIters?.value, decayEnd > 0 else {
            return logged(facts, last)
        }
        if config.lrDecayIters?.origin == .assumed, planned == nil, kind != .constant { return logged(facts, last) }
        if kind == .wsd, config.cooldownIters == nil { return logged(facts, last) }
        let schedule = RateSchedule(
            kind: kind, peak: peak, minimum: kind == .constant ? peak : config.minLr?.value ?? 0,
            warmup: config.warmupIters?.value ?? 0,
            decayEnd: decayEnd, cooldown: config.cooldownIters?.value ?? 0, total: planned ?? decayEnd)
        return schedule.changed(by: facts) ?? schedule
    }

    /// The largest of logged rates; one that hardly a twentieth of the updates had is no peak but a try that was given up.
    static func peak(of rates: [Double]) -> Double? {
        guard let highest = rates.max(), let usual = Statistics.quantile(rates, 0.95) else { return nil }
        return rates.count >= 20 && highest > 1.25 * usual ? usual : highest
    }

    /// The schedule that a run went through whose configuration names only the newest peak: the rates as logged, then the formula's.
    ///
    /// - Returns: nil when the logged rates have the configured peak, or too few of them can tell.
    private func changed(by facts: RunFacts) -> RateSchedule? {
        let all = facts.steps.compactMap { point in point.lr.map { (step: point.step, lr: $0) } }
        let logged = Statistics.thinned(all.filter { $0.lr.isFinite && $0.lr > 0 }, to: 5000)
        guard logged.count >= 20, let last = logged.last, let reached = Self.peak(of: logged.map(\.lr)) else { return nil }
        // A smaller rate says something only where the configured peak should have been seen.
        let isDue = logged.contains { $0.step > warmup && rate($0.step) > 0.98 * peak }
        guard reached > 1.1 * peak || isDue && reached < 0.9 * peak else { return nil }
        var schedule = self
        schedule.isChanged = true
        schedule.peak = reached
        schedule.table = logged
        let left = max(0, total - last.step)
        // A going back that lowers the rate lowers the rest as well.
        let now = rate(max(0, last.step - 1)), share = now > 0 ? min(1, last.lr / now) : 1
        for index in 1...200 where left / 200 * index + left % 200 * index / 200 > 0 {
            let step = last.step + left / 200 * index + left % 200 * index / 200
            if step > schedule.table.last?.step ?? 0 { schedule.table.append((step, rate(step) * share)) }
        }
        schedule.minimum = min(minimum * share, reached)
        return schedule
    }
}

extension RunFacts {
    /// The peak that the run had instead of the one that its configuration has by now, and a note that says so.
    mutating func adopt(changed schedule: RateSchedule) {
        let configured = config.learningRate?.value ?? 0
        notes.append(
            Message("note.rate-changed", ["configured": .number(configured, .rate), "logged": .number(schedule.peak, .rate)]))
        config.learningRate = Fact(schedule.peak, .log)
    }
}
