// SPDX-License-Identifier: MIT
import Foundation
import RunLog

/// A model and a length that use a budget of hours.
public struct PlanCandidate: Sendable {
    /// Fits into the device's memory and has an expected loss.
    public var plan: RunPlan
    /// What to set, as options of `apus train`.
    public var options: String {
        let config = plan.config
        var text = "--n-layer \(config.nLayer) --n-head \(config.nHead) --n-embd \(config.nEmbd) --batch-size \(config.batchSize)"
        text += " --gradient-accumulation-steps \(config.gradientAccumulationSteps) --max-iters \(config.maxIters)"
        text += " --learning-rate \(Catalogue.english.number(config.learningRate, .rate))"
        text += " --eval-interval \(config.evalInterval) --eval-iters \(config.evalIters)"
        if config.recompute != "none" { text += " --recompute \(config.recompute)" }
        // What the request changed and the plan rests on; the vocabulary of GPT-2's tokens comes with the data.
        let usual = RunConfig()
        for key in ["block_size", "vocab_size", "bias", "dtype", "device"] {
            guard let field = RunConfig.fieldsByKey[key], field.get(config) != field.get(usual) else { continue }
            if key == "vocab_size", config.vocabSize == 50304 { continue }
            let value = field.get(config)
            if case .text(let word) = value { text += " \(field.option) \(word)" } else { text += " \(field.option) \(value)" }
        }
        return text
    }
}

extension RunPlanner {
    /// The models that reach the lowest expected loss within the request's hours, the best first.
    ///
    /// - Parameter request: its configuration gives the context, the vocabulary and the data; its sizes are not used.
    /// - Returns: none when the device's speed is unknown or no reference says what a model of that data reaches.
    public func search(_ request: PlanRequest) -> [PlanCandidate] {
        guard let hours = request.hours, hours > 0, let peak = device.peakFlops, peak > 0 else { return [] }
        var found: [PlanCandidate] = []
        for (layers, width) in Self.shapes {
            guard let candidate = candidate(request, layers: layers, width: width, flops: peak * device.efficiency * hours * 3600)
            else { continue }
            found.append(candidate)
        }
        return found.sorted { ($0.plan.expectation.band?.mid ?? 99) < ($1.plan.expectation.band?.mid ?? 99) }
    }

    /// Why `search` found nothing for the request's hours, with the nearest time that it finds something for.
    ///
    /// - Returns: a message of the catalogue's `plan.search.…`: too short, too long, or no model whatever the time.
    /// - Complexity: up to about 60 searches.
    public func whyNothingWasFound(_ request: PlanRequest) -> Message {
        let hours = request.hours ?? 0
        var arguments: [String: MessageArgument] = ["hours": .number(hours, .hours), "device": .text(device.name)]
        guard let peak = device.peakFlops, peak > 0 else { return Message("plan.search.no-speed", arguments) }
        func finds(_ hours: Double) -> Bool {
            var other = request
            other.hours = hours
            return !search(other).isEmpty
        }
        // From a second of the fastest card to longer than anyone trains.
        let shortest = 1e-4, longest = 1e6, factor = 1.5
        let start = max(shortest, min(longest, hours))
        var longer = start, shorter = start
        while longer <= longest || shorter >= shortest {
            if longer <= longest, finds(longer) {
                arguments["enough"] = .number(Self.written(longer, .up), .hours)
                return Message("plan.search.too-short", arguments)
            }
            if shorter >= shortest, finds(shorter) {
                arguments["enough"] = .number(Self.written(shorter, .down), .hours)
                return Message("plan.search.too-long", arguments)
            }
            longer *= factor
            shorter /= factor
        }
        return Message("plan.search.no-model", arguments)
    }

    /// Hours as they are written, so that who gives the written time again is on the right side.
    private static func written(_ hours: Double, _ rule: FloatingPointRoundingRule) -> Double {
        let unit = hours < 0.95 ? 60.0 : hours < 99.95 ? 10 : 1
        let rounded = (hours * unit).rounded(rule) / unit
        return rounded > 0 ? rounded : hours
    }

    /// Heads of 64; as many layers as heads, as in GPT-2's small models, and half as many more.
    static let shapes: [(layers: Int, width: Int)] = {
        var list: [(Int, Int)] = []
        for heads in [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24] {
            list.append((max(4, heads), heads * 64))
            if heads >= 6 { list.append((heads * 3 / 2, heads * 64)) }
        }
        return list
    }()

    private func candidate(_ request: PlanRequest, layers: Int, width: Int, flops: Double) -> PlanCandidate? {
        var config = request.config
        config.nLayer = layers
        config.nEmbd = width
        config.nHead = width / 64
        if config.vocabSize == 0 { config.vocabSize = 50304 }
        config.recompute = "none"
        // A few per cent go into evaluations.
        let tokens = flops * 0.97 / config.shape.flopsPerToken
        let context = Double(config.blockSize)
        guard tokens > 100 * context, tokens < 1e15 else { return nil }
        // The sequences of a step: a power of two near the batch of best final loss.
        let wanted = log2(max(1, GoodSettings.batch(tokens: tokens) / context)).rounded()
        let sequences = Int(pow(2, max(0, min(12, wanted))))
        let micro = min(sequences, max(1, 16384 / config.blockSize))
        config.batchSize = 1 << Int(log2(Double(micro)).rounded(.down))
        config.gradientAccumulationSteps = sequences / config.batchSize
        let body = Double(config.shape.parametersNonEmbedding)
        config.learningRate = HealthRule.rounded(GoodSettings.learningRate(nonEmbedding: body, tokens: tokens) * 0.7)
        config.minLr = -1
        config.warmupIters = -1
        config.lrDecayIters = 0
        config.maxIters = Int(tokens / (Double(sequences) * context))
        guard config.maxIters >= 100 else { return nil }
        // Evaluations of about half a million tokens, twenty of them.
        config.evalInterval = max(1, config.maxIters / 20)
        config.evalIters = max(1, 524_288 / (config.batchSize * config.blockSize))
        config.evalTokens = 0
        if let share = evaluationShare(config), share > 0.03 {
            config.evalIters = max(1, Int(Double(config.evalIters) * 0.03 / share))
        }
        var question = request
        question.config = config
        let plan = plan(question)
        return plan.fits && plan.expectation.band != nil ? PlanCandidate(plan: plan) : nil
    }

    /// Evaluation tokens, at a third of the work, as a share of training tokens.
    private func evaluationShare(_ config: RunConfig) -> Double? {
        let training = Double(config.maxIters) * Double(config.tokensPerStep)
        guard training > 0 else { return nil }
        return 21 * 2 * Double(config.evalIters) * Double(config.batchSize) * Double(config.blockSize) / 3 / training
    }
}
