// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog

/// A small counter-free generator (SplitMix64), so that every run of the tests sees the same noise.
struct TestRandom {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func uniform() -> Double {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Double((z ^ (z >> 31)) >> 11) / 9_007_199_254_740_992
    }

    /// Normal by Box and Muller.
    mutating func normal() -> Double { (-2 * log(max(uniform(), 1e-300))).squareRoot() * cos(2 * .pi * uniform()) }
}

/// A made-up training run of GPT-2's 124M model: the loss follows the public law with the cost of a high rate on top, and noise.
///
/// It is deliberately not the forecast's own formula: here the high rate costs 0.11 times its share of the peak at once, and
/// progress is half by tokens, half by tokens weighted with the rate.
struct SyntheticRun {
    var steps = 4000
    var tokensPerStep = 524_288.0
    var peak = 8e-4
    var minRate = 8e-5
    var warmup = 300
    var decayEnd: Int?
    var evalEvery = 200
    var stepNoise = 0.04
    var evalNoise = 0.003
    var seed: UInt64 = 1
    /// Nats above the law.
    var excess = 0.0

    static let parameters = 123_600_000.0

    func rate(_ step: Int) -> Double {
        let end = decayEnd ?? steps
        if step < warmup { return peak * Double(step + 1) / Double(warmup + 1) }
        guard step < end else { return minRate }
        return minRate + 0.5 * (1 + cos(.pi * Double(step - warmup) / Double(max(end - warmup, 1)))) * (peak - minRate)
    }

    /// Half the steps, half the area under the rate.
    private func progress(_ step: Int) -> Double {
        let end = decayEnd ?? steps, decayed = Double(max(end - warmup, 1))
        let x = min(max(Double(step - warmup) / decayed, 0), 1)
        let low = minRate / peak
        // The integral of the cosine schedule; the warm-up is a triangle.
        let warm = Double(min(step, warmup)) / Double(max(warmup, 1))
        let area = 0.5 * Double(warmup) * warm * warm + decayed * (x * (1 + low) / 2 + (1 - low) / (2 * .pi) * sin(.pi * x))
        return 0.5 * Double(step) + 0.5 * (area + low * Double(max(0, step - end)))
    }

    /// The loss without noise.
    func level(_ step: Int) -> Double {
        let law = ScalingLaw.fineweb
        let tokens = progress(step) / progress(steps) * Double(steps) * tokensPerStep
        let floor = law.e + law.a / pow(Self.parameters, law.alpha) + 0.03
        // The offset makes the loss start at ln V.
        let start = pow(law.b / (10.95 - floor), 1 / law.beta)
        return floor + law.b / pow(tokens + start, law.beta) + 0.11 * rate(step) / peak + excess * (1 - exp(-Double(step) / 150))
    }

    /// The run as facts; every number that a check may ask for is there.
    func facts() -> RunFacts {
        var random = TestRandom(seed)
        var facts = RunFacts(source: .nanogpt, name: "synthetic")
        var config = ConfigFacts()
        config.nLayer = Fact(12, .log)
        config.nHead = Fact(12, .log)
        config.nEmbd = Fact(768, .log)
        config.blockSize = Fact(1024, .log)
        config.vocabSize = Fact(50304, .log)
        config.bias = Fact(false, .log)
        config.parameters = Fact(Self.parameters, .log)
        config.tokensPerStep = Fact(tokensPerStep, .log)
        config.learningRate = Fact(peak, .log)
        config.minLr = Fact(minRate, .log)
        config.warmupIters = Fact(warmup, .log)
        config.lrDecayIters = Fact(decayEnd ?? steps, .log)
        config.maxIters = Fact(steps, .log)
        config.schedule = Fact(.cosine, .log)
        config.gradClip = Fact(1, .log)
        config.optimizer = Fact("AdamW", .log)
        config.architecture = Fact("gpt2", .log)
        config.initFrom = Fact("scratch", .log)
        config.evalTokens = Fact(4e6, .log)
        facts.config = config
        facts.dataset.name = Fact("fineweb", .log)
        facts.dataset.trainTokens = Fact(10e9, .log)
        facts.dataset.valTokens = Fact(20e6, .log)
        for step in 0..<steps {
            var point = StepPoint(step: step)
            point.tokens = Double(step) * tokensPerStep
            point.loss = level(step) + stepNoise * random.normal()
            point.lr = rate(step)
            point.gradNorm = max(0.05, (0.3 + 3 * exp(-Double(step) / 100)) * (1 + 0.1 * random.normal()))
            point.stepMs = 1000 * (1 + 0.01 * abs(random.normal()))
            point.dataMs = 2
            point.mfuPrinted = 0.4
            facts.steps.append(point)
        }
        for step in Swift.stride(from: 0, through: steps, by: evalEvery) {
            var eval = EvalPoint(step: step)
            eval.tokens = Double(step) * tokensPerStep
            eval.trainLoss = level(step) + evalNoise * random.normal()
            eval.valLoss = level(step) + 0.01 + evalNoise * random.normal()
            facts.evals.append(eval)
        }
        return facts
    }
}

extension RunFacts {
    /// Changes every loss behind a step, in steps and evaluations alike.
    mutating func changeLosses(_ change: (_ step: Int, _ loss: Double) -> Double) {
        for index in steps.indices { steps[index].loss = steps[index].loss.map { change(steps[index].step, $0) } }
        for index in evals.indices {
            evals[index].trainLoss = evals[index].trainLoss.map { change(evals[index].step, $0) }
            evals[index].valLoss = evals[index].valLoss.map { change(evals[index].step, $0) }
        }
    }

    /// The record as it was when a share of the planned steps was made.
    func prefix(_ share: Double) -> RunFacts {
        var facts = self
        let last = Int(share * Double(config.maxIters?.value ?? Swift.max(steps.last?.step ?? 0, evals.last?.step ?? 0)))
        facts.steps.removeAll { $0.step > last }
        facts.evals.removeAll { $0.step > last }
        return facts
    }
}

extension HealthReport {
    func status(_ id: String) -> CheckStatus? { checks.first { $0.id == id }?.status }
    /// Checks that warn or fail.
    var alarms: [String] { checks.filter { $0.status == .warn || $0.status == .fail }.map(\.id) }
}
