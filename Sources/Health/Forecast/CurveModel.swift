// SPDX-License-Identifier: MIT
import Foundation

/// Predicts the loss of a run from a prefix of its curve and its learning-rate schedule.
///
/// loss(t) = floor + A S(t)^-b - C G(t)
///
/// S is the sum of rate / peak over steps, in tokens: only steps at a high rate move the model far. G is what lower rates give
/// back: when the rate falls by d at step k, a share d of the gain C arrives as the run goes on at the lower rate, d (1 - 1 /
/// (1 + c S_k(t) r^-g)), S_k in steps at full rate since k and r the rate then (shares of the peak). This is the form of the
/// multi-power law (arXiv 2503.12811) and of the annealing law (arXiv 2408.11029) with the constants c and g fixed for all
/// runs. The floor is free; A, b and C have priors from the public law, so that a short prefix is not over-read. The result's
/// width comes from the fit's covariance.
struct CurveModel: Sendable {
    /// What is known before the curve is seen.
    struct Prior: Sendable {
        /// ln of A, for S in 10^9 tokens.
        var logA: Double
        var logADeviation: Double
        var exponent: Double
        var exponentDeviation: Double
        /// Nats that decaying from the peak to nothing gives back.
        var gain: Double
        var gainDeviation: Double

        /// From the public law, for GPT-2 tokens on web text.
        static func reference(adamW: Bool) -> Prior {
            let law = ScalingLaw.fineweb
            return Prior(
                logA: log(law.b) - law.beta * log(1e9), logADeviation: 0.3, exponent: law.beta, exponentDeviation: 0.25,
                gain: adamW ? 0.15 : 0.138, gainDeviation: 0.25)
        }

        /// Where no reference applies: the same shape, held loosely.
        static let loose = Prior(
            logA: log(0.75), logADeviation: 1.5, exponent: 0.36, exponentDeviation: 0.4, gain: 0.1, gainDeviation: 0.6)
    }

    /// A point to fit: a step and a loss with its own noise.
    struct Point: Sendable {
        var step: Int
        var loss: Double
        var noise: Double
    }

    let tokensPerStep: Double
    private let schedule: Timeline
    /// floor, ln A, ln(b / prior b), ln C.
    private(set) var parameters: [Double]
    private var covariance: [[Double]]
    private let prior: Prior

    /// Fits the curve; nil when there are fewer than three points after the warm-up.
    init?(points: [Point], schedule: RateSchedule, tokensPerStep: Double, prior: Prior, horizon: Int) {
        let last = points.last?.step ?? 0
        let settled = max(2 * schedule.warmup, min(schedule.total, last * 2) / 25)
        var used = points.filter { $0.step >= settled && $0.loss.isFinite }
        if used.count < 3 { used = points.filter { $0.step > schedule.warmup / 2 && $0.step > 0 && $0.loss.isFinite } }
        guard used.count >= 3, let end = used.last?.step, end > 0, tokensPerStep > 0 else { return nil }
        used = Statistics.thinned(used, to: 200)
        self.tokensPerStep = tokensPerStep
        self.prior = prior
        let timeline = Timeline(schedule, horizon: max(horizon, end))
        self.schedule = timeline

        let gains = used.map { timeline.gain(at: $0.step) }
        let areas = used.map { timeline.area(at: $0.step) * tokensPerStep / 1e9 }
        // Early points obey the law less, and neighbours share their error: about eight points' worth of information in all.
        let crowd = max(1, Double(used.count) / 8).squareRoot()
        let errors = used.map { point in
            let share = Double(end) / Double(point.step)
            return (0.006 * 0.006 * share * share + point.noise * point.noise).squareRoot() * crowd
        }
        func residuals(_ p: [Double]) -> [Double] {
            var result: [Double] = []
            result.reserveCapacity(used.count + 3)
            for index in used.indices {
                result.append((Self.value(p, area: areas[index], gain: gains[index], prior) - used[index].loss) / errors[index])
            }
            result.append((p[1] - prior.logA) / prior.logADeviation)
            result.append(p[2] / prior.exponentDeviation)
            result.append((p[3] - log(prior.gain)) / prior.gainDeviation)
            return result
        }
        let start = [(used.last?.loss ?? 3) - 0.5, prior.logA, 0, log(prior.gain)]
        guard let fit = LeastSquares.fit(start: start, residuals: residuals) else { return nil }
        parameters = fit.parameters
        covariance = fit.covariance
    }

    private static func value(_ p: [Double], area: Double, gain: Double, _ prior: Prior) -> Double {
        p[0] + exp(min(p[1], 20)) * pow(max(area, 1e-9), -prior.exponent * exp(min(p[2], 3))) - exp(min(p[3], 5)) * gain
    }

    /// The loss at a step: the middle and one standard deviation.
    func predict(_ step: Int) -> (mid: Double, deviation: Double) { predict(step, on: schedule) }

    /// The loss at a step of another continuation of the same run.
    func predict(_ step: Int, on timeline: Timeline) -> (mid: Double, deviation: Double) {
        let area = timeline.area(at: step) * tokensPerStep / 1e9, gain = timeline.gain(at: step)
        let mid = Self.value(parameters, area: area, gain: gain, prior)
        var gradient: [Double] = []
        for index in parameters.indices {
            var moved = parameters
            moved[index] += 1e-4
            gradient.append((Self.value(moved, area: area, gain: gain, prior) - mid) / 1e-4)
        }
        var variance = 0.0
        for i in gradient.indices { for j in gradient.indices { variance += gradient[i] * covariance[i][j] * gradient[j] } }
        return (mid, max(variance, 0).squareRoot())
    }
}

/// The schedule summed up: rate area and annealing gain at any step.
struct Timeline: Sendable {
    /// Area at every step, in steps at the peak rate.
    private let areas: [Double]
    /// Falls of the rate, bundled: the step, the share of the peak that it fell by, and the rate after it.
    private let falls: [(step: Int, drop: Double, rate: Double)]
    /// Steps between entries of `areas`.
    private let stride: Int

    init(_ schedule: RateSchedule, horizon: Int) {
        let count = max(1, horizon)
        // A table of at most about 20,000 entries, however long the run.
        let stride = max(1, count / 20_000)
        self.stride = stride
        var areas: [Double] = [0]
        var drops: [(Int, Double, Double)] = []
        var sum = 0.0
        var previous = schedule.rate(0) / schedule.peak
        var step = 0
        while step < count {
            let rate = schedule.rate(step) / schedule.peak
            sum += rate * Double(min(stride, count - step))
            areas.append(sum)
            // The warm-up's rise gives nothing back; a later rise takes back.
            if step > schedule.warmup, rate != previous { drops.append((step, previous - rate, rate)) }
            previous = rate
            step += stride
        }
        self.areas = areas
        // Bundles of neighbouring falls keep the double sum short.
        let bundle = max(1, drops.count / 300)
        falls = Swift.stride(from: 0, to: drops.count, by: bundle).map { start in
            let part = drops[start..<min(start + bundle, drops.count)]
            let middle = part[part.startIndex + part.count / 2]
            return (middle.0, part.reduce(0) { $0 + $1.1 }, middle.2)
        }
    }

    func area(at step: Int) -> Double {
        let place = Double(max(0, step)) / Double(stride)
        let low = min(Int(place), areas.count - 1), high = min(low + 1, areas.count - 1)
        return areas[low] + (areas[high] - areas[low]) * min(1, place - Double(low))
    }

    /// Share of the annealing gain that has arrived.
    func gain(at step: Int) -> Double {
        let now = area(at: step)
        var total = 0.0
        for fall in falls where fall.step < step {
            let worked = 0.0105 * max(0, now - area(at: fall.step)) * pow(max(fall.rate, 1e-3), -1.2)
            total += fall.drop * (1 - 1 / (1 + worked))
        }
        return total
    }
}
