// SPDX-License-Identifier: MIT
import Foundation
import RunLog

/// What a run will take and reach, worked out before anything runs.
public struct RunPlan: Sendable {
    /// With the micro-batch that fits; every key stands for itself.
    public var config: RunConfig
    /// As `PlanDevice` names it.
    public var deviceName: String
    /// nanoGPT's count: everything but the position table, the vocabulary matrix once.
    public var parameters: Double
    /// All trained numbers.
    public var parametersTotal: Double
    /// The blocks and the final norm alone.
    public var parametersNonEmbedding: Double
    /// Forward and backward, as nanoGPT counts: 6 N + 12 L C T; recomputation is not in it.
    public var flopsPerToken: Double
    /// Of the whole run; nil when max_iters is not set.
    public var tokens: Double?
    /// The same for every micro-batch that was tried.
    public var tokensPerStep: Double { Double(config.tokensPerStep) }
    /// Bytes by part, for the micro-batch in `config`.
    public var memory: PlanMemory
    /// What a run may take on the device; nil when unknown.
    public var availableBytes: Double?
    /// Whether `memory` fits into the device; true when its memory is unknown.
    public var fits: Bool
    /// The micro-batch the configuration asked for, when it had to be changed.
    public var askedBatchSize: Int?
    /// Evaluations left out; nil when the device's peak is unknown.
    public var tokensPerSecond: Double?
    /// Training and evaluations; nil when the speed or the number of tokens is unknown.
    public var hours: Double?
    /// The card alone, at its board power; nil without `hours` and for a CPU, whose power is unknown.
    public var kilowattHours: Double?
    /// Share of the device's peak that training is taken to reach, of one.
    public var efficiency: Double
    /// Why that share, in a sentence.
    public var efficiencyBasis: Message
    /// Its band is nil without max_iters or a reference, or when a standard deviation exceeds 0.2 nats.
    public var expectation: Expectation
    /// The usual range of the peak learning rate.
    public var goodRate: ExpectedRange?
    /// Tokens a step of best final loss.
    public var goodTokensPerStep: Double?
    /// What is better mended before the run starts.
    public var warnings: [Message]
    /// What the plan takes on trust.
    public var notes: [Message]
    /// The best models for a budget of hours, the best first; empty when none was asked for.
    public var search: [PlanCandidate] = []

    /// nil when max_iters is not set; about 20 is compute-optimal.
    public var tokensPerParameter: Double? { tokens.map { $0 / max(parameters, 1) } }
}

/// A question to the planner.
public struct PlanRequest: Sendable {
    /// A vocabulary of 0 is filled in: 65 for characters, else 50304.
    public var config: RunConfig
    /// Different tokens there are to train on; nil when unknown.
    public var uniqueTokens: Double?
    /// The budget for the search.
    public var hours: Double?
    /// What the data set's folder says of its tokens: "gpt2", "char", "bpe".
    public var tokenizer: String?

    /// Without a count of the data's tokens, and without a search.
    public init(_ config: RunConfig) { self.config = config }
}

/// Plans runs on a device.
public struct RunPlanner: Sendable {
    /// Gives the memory, the speed and the power of every plan.
    public let device: PlanDevice
    /// Nats of standard deviation beyond which no loss is told.
    static let largestSigma = 0.2

    /// Touches no device: the plan is arithmetic on what is stated of it.
    public init(_ device: PlanDevice) { self.device = device }

    /// - Parameter request: its configuration's n_head must divide n_embd.
    public func plan(_ request: PlanRequest) -> RunPlan {
        var notes: [Message] = []
        var config = Self.withVocabulary(request.config, notes: &notes).resolved()
        let asked = config
        let fit = fit(config)
        config = fit.config
        var facts = Self.facts(config, request)
        if DatasetKind(facts.dataset.name?.value) == .unknown,
            facts.dataset.tokenizer == nil || facts.dataset.tokenizer?.value == "gpt2"
        {
            // What the law knows best; another text shifts it by tenths of a nat.
            if (50257...50432).contains(config.vocabSize) {
                facts.dataset.name = Fact("fineweb", .assumed)
                if config.maxIters > 0 { notes.append(Message("plan.note.dataset")) }
            }
        }
        if request.uniqueTokens == nil { notes.append(Message("plan.note.unique")) }
        let shape = config.shape
        let tokens = config.maxIters > 0 ? Double(config.maxIters) * Double(config.tokensPerStep) : nil
        var expectation = Expectation.of(facts, tokens: tokens)
        // The report's words for this name options that a plan does not have.
        if tokens == nil, expectation.basis.key == "expected.no-tokens" { expectation.basis = Message("plan.no-length") }
        // So far outside the law's range its figure says nothing.
        if expectation.band != nil, expectation.sigma > Self.largestSigma {
            expectation.band = nil
            expectation.bandWithGoodSettings = nil
            expectation.basis = Message(
                "plan.no-law", ["parameters": .number(Double(shape.parameters), .short), "tokens": .number(tokens ?? 0, .short)])
        }
        var plan = RunPlan(
            config: config, deviceName: device.name, parameters: Double(shape.parameters),
            parametersTotal: Double(shape.parametersTotal),
            parametersNonEmbedding: Double(shape.parametersNonEmbedding), flopsPerToken: shape.flopsPerToken, tokens: tokens,
            memory: fit.memory, availableBytes: device.memoryBytes, fits: fit.fits,
            askedBatchSize: fit.config.batchSize == asked.batchSize ? nil : asked.batchSize, efficiency: device.efficiency,
            efficiencyBasis: device.efficiencyBasis, expectation: expectation, warnings: [], notes: notes)
        addTime(to: &plan)
        if let tokens, tokens > 0 {
            let best = GoodSettings.learningRate(nonEmbedding: plan.parametersNonEmbedding, tokens: tokens)
            plan.goodRate = ExpectedRange(HealthRule.rounded(best / 2), HealthRule.rounded(best))
            plan.goodTokensPerStep = GoodSettings.batch(tokens: tokens)
        }
        plan.warnings = PlanWarnings.of(plan, facts: facts, request: request, asked: asked, device: device)
        return plan
    }

    // MARK: Facts

    /// Without data the vocabulary is GPT-2's, or 65 characters where the names say that the data are characters.
    private static func withVocabulary(_ config: RunConfig, notes: inout [Message]) -> RunConfig {
        guard config.vocabSize == 0 else { return config }
        var config = config
        let isCharacters = DatasetKind(config.data) == .characters || DatasetKind(config.dataset) == .characters
        config.vocabSize = isCharacters ? 65 : 50304
        notes.append(Message("plan.note.vocabulary", ["size": .integer(config.vocabSize)]))
        return config
    }

    static func facts(_ config: RunConfig, _ request: PlanRequest) -> RunFacts {
        var facts = RunFacts(source: .apus, name: "plan")
        var mapping = ConfigMapping()
        for (key, value) in config.values { mapping.add(key, value, .config) }
        mapping.add("optimizer", .text("AdamW"), .config)
        mapping.add("architecture", .text("gpt2"), .config)
        facts.config = mapping.facts()
        facts.config.tokensPerStep = Fact(Double(config.tokensPerStep), .config)
        facts.config.derive()
        let name = config.dataset.isEmpty ? config.data : config.dataset
        if !name.isEmpty { facts.dataset.name = Fact(name, .config) }
        if let tokenizer = request.tokenizer { facts.dataset.tokenizer = Fact(tokenizer, .config) }
        if let unique = request.uniqueTokens { facts.dataset.trainTokens = Fact(unique, .option) }
        return facts
    }

    // MARK: Memory

    /// The configuration with a micro-batch that fits; the tokens of a step stay exactly what they were.
    func fit(_ config: RunConfig) -> (config: RunConfig, memory: PlanMemory, fits: Bool) {
        let memory = device.memory(config)
        guard let available = device.memoryBytes, memory.total > available else { return (config, memory, true) }
        let sequences = config.batchSize * config.gradientAccumulationSteps
        var smallest = (config: config, memory: memory)
        // A smaller micro-batch costs nothing much; recomputing costs a third more time.
        for recompute in config.recompute == "block" ? ["block"] : [config.recompute, "block"] {
            for batch in Self.divisors(of: sequences, upTo: config.batchSize) {
                var candidate = config
                candidate.recompute = recompute
                candidate.batchSize = batch
                candidate.gradientAccumulationSteps = sequences / batch
                // As many tokens in an evaluation as were asked for.
                if config.evalTokens == 0 { candidate.evalIters = max(1, config.evalIters * config.batchSize / batch) }
                let memory = device.memory(candidate)
                if memory.total <= available { return (candidate, memory, true) }
                smallest = (candidate, memory)
            }
        }
        return (smallest.config, smallest.memory, false)
    }

    /// Divisors from the largest down.
    static func divisors(of number: Int, upTo limit: Int) -> [Int] {
        guard number > 0 else { return [] }
        return (1...max(1, min(number, limit))).reversed().filter { number % $0 == 0 }
    }

    // MARK: Time

    private func addTime(to plan: inout RunPlan) {
        guard let peak = device.peakFlops, peak > 0, device.efficiency > 0, plan.flopsPerToken > 0 else { return }
        let config = plan.config
        // A recomputed block runs forward twice: 4 passes' worth instead of 3. Attention's part of a block is about a quarter.
        let work = config.recompute == "block" ? 4.0 / 3 : config.recompute == "attention" ? 13.0 / 12 : 1
        let speed = peak * device.efficiency / (plan.flopsPerToken * work)
        plan.tokensPerSecond = speed
        guard let tokens = plan.tokens else { return }
        // Both splits are evaluated, forward only.
        let blocks = Double(config.evalIters) * Double(config.batchSize) * Double(config.blockSize)
        let perEval = 2 * (config.evalTokens > 0 ? Double(config.evalTokens) : blocks)
        let evals = config.evalInterval > 0 ? Double(config.maxIters / config.evalInterval + 1) : 1
        let evalSeconds = evals * perEval * plan.flopsPerToken / 3 / (peak * device.efficiency)
        let hours = (tokens / speed + evalSeconds) / 3600
        plan.hours = hours
        plan.kilowattHours = device.watts.map { $0 * hours / 1000 }
    }
}
