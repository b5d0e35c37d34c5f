// SPDX-License-Identifier: MIT
import Foundation
import RunLog

/// The loss that a run like this should end with: the law, the data set's and recipe's offsets, and what its own settings cost.
public struct Expectation: Sendable, Equatable {
    /// Validation loss at the end of a decayed schedule, nats per token; nil when no reference applies.
    public var band: Band?
    /// The same with the cost of the run's own settings (rate, batch, repeats) left out.
    public var bandWithGoodSettings: Band?
    /// The law with its inputs in a sentence, or why there is no band.
    public var basis: Message
    /// good up to 0.045 nats of `sigma`, fair up to 0.09; low above, outside the law's range and without a band.
    public var confidence: Confidence
    /// One standard deviation, nats.
    public var sigma: Double
    /// nanoGPT's count; nil when unknown or when the law does not speak of such a run.
    public var parameters: Double?
    /// By the end of the schedule; nil like `parameters`.
    public var tokens: Double?
    /// Nats that the run's settings cost by themselves.
    public var rateCost = 0.0
    /// At most 0.05 nats; 0 up to 1.74 times Step Law's batch.
    public var batchCost = 0.0
    /// What repeated tokens lose against as many fresh ones, nats.
    public var repeatCost = 0.0
    /// The share of runs that end inside a band of 1.5 sigma, as the report states it.
    public static let coverage = 0.8
    static let width = 1.5

    /// - Parameters:
    ///   - facts: what is known of the run
    ///   - tokens: training tokens by the end of the schedule.
    public static func of(_ facts: RunFacts, tokens: Double?) -> Expectation {
        let kind = DatasetKind(facts.dataset.name?.value)
        if let reason = notComparable(facts, kind) {
            return Expectation(band: nil, bandWithGoodSettings: nil, basis: reason, confidence: .low, sigma: 0.3)
        }
        guard let parameters = facts.config.parameters?.value, parameters > 0 else {
            return Expectation(
                band: nil, bandWithGoodSettings: nil, basis: Message("expected.no-parameters"), confidence: .low, sigma: 0.3)
        }
        guard let tokens, tokens > 0 else {
            return Expectation(
                band: nil, bandWithGoodSettings: nil, basis: Message("expected.no-tokens"), confidence: .low, sigma: 0.3)
        }
        guard kind == .fineweb || kind == .finewebEdu || kind == .openwebtext else {
            return Expectation(
                band: nil, bandWithGoodSettings: nil, basis: Message("expected.no-dataset"), confidence: .low, sigma: 0.3,
                parameters: parameters, tokens: tokens)
        }
        return referenced(facts, kind, parameters: parameters, tokens: tokens)
    }

    /// Why the reference law, which speaks of GPT-2 tokens of web text, says nothing here.
    private static func notComparable(_ facts: RunFacts, _ kind: DatasetKind) -> Message? {
        if let start = facts.config.initFrom, start.origin != .assumed, !["scratch", "resume"].contains(start.value) {
            return Message("expected.fine-tuned", ["start": .text(start.value)])
        }
        let vocabulary = facts.config.vocabSize
        if let tokenizer = facts.dataset.tokenizer?.value.lowercased(), tokenizer != "gpt2", tokenizer != "gpt-2" {
            return tokenizer == "char"
                ? Message("expected.characters") : Message("expected.other-tokenizer", ["name": .text(tokenizer)])
        }
        if kind == .characters { return Message("expected.characters") }
        if let vocabulary, vocabulary.origin != .assumed, facts.dataset.tokenizer == nil,
            !(50257...50432).contains(vocabulary.value)
        {
            return vocabulary.value < 1000
                ? Message("expected.characters") : Message("expected.other-vocabulary", ["size": .integer(vocabulary.value)])
        }
        return nil
    }

    private static func referenced(_ facts: RunFacts, _ kind: DatasetKind, parameters: Double, tokens: Double) -> Expectation {
        let law = ScalingLaw.fineweb
        // OpenWebText is one known size; of the others only the record can tell.
        let unique = facts.dataset.trainTokens?.value ?? (kind == .openwebtext ? 9.04e9 : nil)
        let effective = ScalingLaw.effectiveTokens(tokens, unique: unique)
        let fresh = law.loss(parameters: parameters, tokens: tokens)
        let base = law.loss(parameters: parameters, tokens: effective)
        var (sigma, extrapolated) = ScalingLaw.sigma(parameters: parameters, tokens: effective)
        var variance = sigma * sigma
        var offset = 0.0
        let recipe = Recipe.of(facts, tokens: tokens)
        switch kind {
        case .finewebEdu:
            offset = -0.27 + recipe.offset
            variance += 0.04 * 0.04
        case .openwebtext:
            // This offset holds the plain recipe already.
            offset = -0.20 + recipe.offset - Recipe.plainOffset
            variance += 0.02 * 0.02
        default: offset = recipe.offset
        }
        variance += recipe.sigma * recipe.sigma
        var expectation = Expectation(
            band: nil, bandWithGoodSettings: nil, basis: Message(""), confidence: .good, sigma: 0, parameters: parameters,
            tokens: tokens)
        expectation.repeatCost = base - fresh
        // A corpus of unknown size may be repeated; a tenth of it at most shows in the loss.
        let unknownRepeats = unique == nil && tokens > 0.7e9 ? 0.01 : 0
        if recipe.isAdamW {
            let body = facts.config.shape.map { Double($0.parametersNonEmbedding) } ?? parameters * 0.7
            if let rate = facts.config.learningRate, rate.origin != .assumed {
                expectation.rateCost = GoodSettings.rateCost(
                    rate.value, best: GoodSettings.learningRate(nonEmbedding: body, tokens: tokens))
            }
            if let batch = facts.config.tokensPerStep {
                expectation.batchCost = GoodSettings.batchCost(batch.value, tokens: tokens)
            }
            // How much a low rate costs is known within a factor of two.
            variance += pow(0.4 * expectation.rateCost, 2)
        }
        sigma = variance.squareRoot()
        expectation.sigma = sigma
        let costs = expectation.rateCost + expectation.batchCost
        let middle = base + offset + costs + unknownRepeats
        expectation.band = Band(low: middle - width * sigma, mid: middle, high: middle + width * sigma)
        let good = fresh + offset
        expectation.bandWithGoodSettings = Band(low: good - width * sigma, mid: good, high: good + width * sigma)
        expectation.confidence = extrapolated || sigma > 0.09 ? .low : sigma > 0.045 ? .fair : .good
        // A wide band still settles a large gap; confidence in the judgement is stated by the check.
        expectation.basis = Message(
            extrapolated ? "expected.extrapolated" : "expected.law",
            [
                "parameters": .number(parameters, .short), "tokens": .number(tokens, .short), "dataset": .text(kind.rawValue),
                "recipe": .message(Message(recipe.key)), "sigma": .number(sigma, .fixed(2)),
                "costs": .number(costs + base - fresh, .signed(2)),
                "coverage": .number(coverage, .percent(0)),
            ])
        return expectation
    }
}

/// How a way of training moves the law, nats.
struct Recipe: Sendable {
    var offset: Double
    /// Its own uncertainty, one standard deviation.
    var sigma: Double
    var isAdamW: Bool
    /// Its name in the catalogue.
    var key: String

    /// GPT-2's AdamW recipe: learning rate 6e-4 and 0.5M tokens a step at 124M (llm.c's reproduction).
    static let plainOffset = 0.034

    /// - Note: Source: differences to the law of the public end points in `ReferenceRun.table`; newer optimizers gain less with
    /// more tokens
    ///   (-0.14 to -0.24 at 2B, -0.085 at 10B, about 0 at 50B tokens).
    static func of(_ facts: RunFacts, tokens: Double) -> Recipe {
        let optimizer = facts.config.optimizer?.value.lowercased() ?? "adamw"
        let architecture = facts.config.architecture?.value ?? "gpt2"
        let fading = pow(2.7e9 / max(tokens, 3e8), 0.5)
        if ["muon", "soap", "shampoo"].contains(where: optimizer.contains) {
            return architecture == "modern"
                ? Recipe(offset: -0.16 * fading, sigma: 0.06, isAdamW: false, key: "recipe.muon-modern")
                : Recipe(offset: -0.113 * fading, sigma: 0.05, isAdamW: false, key: "recipe.muon")
        }
        if !optimizer.contains("adam") { return Recipe(offset: 0, sigma: 0.08, isAdamW: false, key: "recipe.unknown") }
        if architecture == "modern" {
            return Recipe(offset: -0.1 * fading, sigma: 0.05, isAdamW: true, key: "recipe.adamw-modern")
        }
        guard let rate = facts.config.learningRate, rate.origin != .assumed else {
            return Recipe(offset: plainOffset, sigma: 0.03, isAdamW: true, key: "recipe.plain")
        }
        // Between the plain recipe's rate (0.4 of the best) and the best rate the loss falls from +0.034 to -0.018.
        let body = facts.config.shape.map { Double($0.parametersNonEmbedding) } ?? (facts.config.parameters?.value ?? 124e6) * 0.7
        let best = GoodSettings.learningRate(nonEmbedding: body, tokens: tokens)
        let share = max(0, min(1, log(rate.value / best / 0.4) / log(1 / 0.4)))
        let offset = plainOffset + (-0.018 - plainOffset) * share
        return Recipe(offset: offset, sigma: 0.01, isAdamW: true, key: share > 0.5 ? "recipe.tuned" : "recipe.plain")
    }
}
