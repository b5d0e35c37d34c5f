// SPDX-License-Identifier: MIT
import RunLog

/// What is better mended before a run starts.
enum PlanWarnings {
    static func of(_ plan: RunPlan, facts: RunFacts, request: PlanRequest, asked: RunConfig, device: PlanDevice) -> [Message] {
        shape(plan, facts) + memory(plan, asked, device) + length(plan, request) + settings(plan)
    }

    private static func shape(_ plan: RunPlan, _ facts: RunFacts) -> [Message] {
        let config = plan.config
        var result: [Message] = []
        let head = config.nEmbd / max(config.nHead, 1)
        if config.nEmbd % max(config.nHead, 1) != 0 {
            let heads =
                RunPlanner.divisors(of: config.nEmbd, upTo: config.nEmbd).min { abs($0 - config.nHead) < abs($1 - config.nHead) }
                ?? 1
            result.append(
                Message(
                    "plan.warn.heads",
                    ["width": .integer(config.nEmbd), "heads": .integer(config.nHead), "line": .command("n_head = \(heads)")]))
        } else if head % 8 != 0 {
            let heads = RunPlanner.divisors(of: config.nEmbd, upTo: config.nEmbd)
                .filter { config.nEmbd / $0 % 8 == 0 }.min { abs(config.nEmbd / $0 - 64) < abs(config.nEmbd / $1 - 64) }
            var arguments: [String: MessageArgument] = ["head": .integer(head)]
            if let heads { arguments["line"] = .command("n_head = \(heads)") }
            result.append(Message(heads == nil ? "plan.warn.head-size-width" : "plan.warn.head-size", arguments))
        }
        if config.vocabSize >= 1024, config.vocabSize % 64 != 0 {
            let padded = (config.vocabSize + 63) / 64 * 64
            result.append(
                Message("plan.warn.vocabulary", ["size": .integer(config.vocabSize), "line": .command("vocab_size = \(padded)")]))
        }
        if let intended = IntendedModel.of(facts) {
            result.append(
                Message(
                    "plan.warn.size",
                    [
                        "size": .number(plan.parameters, .short), "intended": .text(intended.name),
                        "width": .integer(config.nEmbd),
                        "line": .command("n_embd = \(intended.width)"), "keep": .command("n_head = \(max(1, config.nEmbd / 64))"),
                    ]))
        }
        return result
    }

    private static func memory(_ plan: RunPlan, _ asked: RunConfig, _ device: PlanDevice) -> [Message] {
        let config = plan.config
        var result: [Message] = []
        if let available = plan.availableBytes {
            let arguments: [String: MessageArgument] = [
                "need": .number(plan.memory.total, .bytes), "have": .number(available, .bytes),
                "batch": .integer(config.batchSize), "steps": .integer(config.gradientAccumulationSteps),
                "asked": .integer(asked.batchSize),
                "was": .number(device.memory(asked).total, .bytes),
                "line": .command("recompute = \"block\""),
            ]
            if !plan.fits {
                result.append(Message("plan.warn.too-large", arguments))
            } else if asked.recompute != config.recompute {
                result.append(Message("plan.warn.recompute", arguments))
            } else if asked.batchSize != config.batchSize {
                result.append(Message("plan.warn.batch-lowered", arguments))
                let sequences = asked.batchSize * asked.gradientAccumulationSteps
                // A prime number of sequences leaves nothing between all of them and one.
                if config.batchSize * 3 < asked.batchSize, plan.memory.total < available * 0.5 {
                    result.append(
                        Message(
                            "plan.warn.batch-divisible",
                            ["sequences": .integer(sequences), "near": .integer((sequences + 31) / 32 * 32)]))
                }
            }
        }
        if device.isGPU, config.dtype == "bfloat16", let gpu = GPU.named(device.name), gpu.bf16Tflops == nil {
            result.append(Message("plan.warn.no-bf16", ["device": .text(device.name)]))
        }
        return result
    }

    private static func length(_ plan: RunPlan, _ request: PlanRequest) -> [Message] {
        guard let tokens = plan.tokens, let ratio = plan.tokensPerParameter else {
            return [Message("plan.warn.no-length", ["steps": .command("--max-iters \(steps(for: plan))")])]
        }
        var result: [Message] = []
        if ratio < 10 {
            result.append(
                Message(
                    "plan.warn.few-tokens",
                    ["ratio": .number(ratio, .significant(2)), "tokens": .number(plan.parameters * 20, .short)]))
        }
        if let unique = request.uniqueTokens, unique > 0, tokens > unique * 4 {
            result.append(
                Message(
                    "plan.warn.repeats", ["epochs": .number(tokens / unique, .significant(2)), "unique": .number(unique, .short)])
            )
        }
        if let budget = request.hours, let hours = plan.hours, hours > budget * 1.02 {
            result.append(Message("plan.warn.over-budget", ["hours": .number(hours, .hours), "budget": .number(budget, .hours)]))
        }
        return result
    }

    /// Updates for 20 tokens a parameter, in round numbers.
    private static func steps(for plan: RunPlan) -> Int {
        let steps = plan.parameters * 20 / max(plan.tokensPerStep, 1)
        return max(100, Int(min(steps, 1e8) / 100) * 100)
    }

    private static func settings(_ plan: RunPlan) -> [Message] {
        let config = plan.config
        guard config.maxIters > 0 else { return [] }
        var result: [Message] = []
        if let low = plan.goodRate?.low, let high = plan.goodRate?.high, plan.expectation.band != nil {
            let arguments: [String: MessageArgument] = [
                "rate": .number(config.learningRate, .rate), "low": .number(low, .rate), "high": .number(high, .rate),
                "cost": .number(plan.expectation.rateCost, .fixed(2)),
            ]
            if config.learningRate < low / 2, plan.expectation.rateCost > 0.02 {
                result.append(Message("plan.warn.rate-low", arguments))
            }
            if config.learningRate > high * 4 { result.append(Message("plan.warn.rate-high", arguments)) }
        }
        if let good = plan.goodTokensPerStep, plan.expectation.band != nil, plan.tokensPerStep > 3 * good {
            result.append(
                Message(
                    "plan.warn.batch-large",
                    [
                        "batch": .number(plan.tokensPerStep, .short), "good": .number(good, .short),
                        "cost": .number(plan.expectation.batchCost, .fixed(2)),
                    ]))
        }
        if config.lrSchedule != "constant", abs(config.lrDecayIters - config.maxIters) * 50 > config.maxIters {
            result.append(
                Message("plan.warn.decay-end", ["decay": .integer(config.lrDecayIters), "steps": .integer(config.maxIters)]))
        }
        if config.lrSchedule != "constant", config.minLr > config.learningRate * 0.21 {
            result.append(
                Message(
                    "plan.warn.final-rate", ["rate": .number(config.minLr, .rate), "peak": .number(config.learningRate, .rate)]))
        }
        if config.warmupIters * 5 > config.maxIters {
            result.append(
                Message("plan.warn.warmup", ["warmup": .integer(config.warmupIters), "steps": .integer(config.maxIters)]))
        }
        return result
    }
}
