// SPDX-License-Identifier: MIT
import Foundation
import RunLog

/// Turns configuration values by nanoGPT's keys into facts, fills gaps by arithmetic, then by the trainer's defaults.
struct ConfigMapping {
    /// Values with their origins; a stronger origin replaces a weaker one.
    private(set) var values: [String: Fact<ConfigValue>] = [:]

    mutating func add(_ key: String, _ value: ConfigValue, _ origin: FactOrigin) {
        let rank: [FactOrigin: Int] = [.option: 4, .log: 3, .config: 2, .derived: 1, .assumed: 0]
        if let old = values[key], (rank[old.origin] ?? 0) > (rank[origin] ?? 0) { return }
        values[key] = Fact(value, origin)
    }

    mutating func add(_ pairs: [String: ConfigValue], _ origin: FactOrigin) {
        for (key, value) in pairs { add(key, value, origin) }
    }

    func integer(_ key: String) -> Fact<Int>? {
        switch values[key] {
        case .some(let fact):
            switch fact.value {
            case .integer(let value) where value > -1_000_000_000_000 && value < 1_000_000_000_000_000:
                return Fact(value, fact.origin)
            case .number(let value) where abs(value) < 1e15: return Fact(Int(value.rounded()), fact.origin)
            default: return nil
            }
        case .none: return nil
        }
    }

    func real(_ key: String) -> Fact<Double>? {
        guard let fact = values[key] else { return nil }
        switch fact.value {
        case .integer(let value): return Fact(Double(value), fact.origin)
        case .number(let value) where value.isFinite: return Fact(value, fact.origin)
        default: return nil
        }
    }

    func text(_ key: String) -> Fact<String>? {
        guard let fact = values[key] else { return nil }
        switch fact.value {
        case .text(let value): return value.isEmpty ? nil : Fact(value, fact.origin)
        case .integer(let value): return Fact(String(value), fact.origin)
        default: return nil
        }
    }

    func flag(_ key: String) -> Fact<Bool>? {
        guard let fact = values[key] else { return nil }
        switch fact.value {
        case .boolean(let value): return Fact(value, fact.origin)
        case .integer(let value): return Fact(value != 0, fact.origin)
        default: return nil
        }
    }

    /// The facts as the values give them.
    func facts() -> ConfigFacts {
        var config = ConfigFacts()
        config.nLayer = positive(integer("n_layer"))
        config.nHead = positive(integer("n_head"))
        config.nEmbd = positive(integer("n_embd"))
        config.blockSize = positive(integer("block_size"))
        config.vocabSize = positive(integer("vocab_size"))
        config.bias = flag("bias")
        config.batchSize = positive(integer("batch_size"))
        config.gradientAccumulationSteps = positive(integer("gradient_accumulation_steps"))
        config.learningRate = real("learning_rate")
        config.minLr = real("min_lr").flatMap { $0.value < 0 ? nil : $0 }
        config.warmupIters = integer("warmup_iters").flatMap { $0.value < 0 ? nil : $0 }
        config.lrDecayIters = positive(integer("lr_decay_iters"))
        config.maxIters = positive(integer("max_iters"))
        config.cooldownIters = positive(integer("cooldown_iters"))
        config.weightDecay = real("weight_decay")
        config.beta2 = real("beta2")
        config.gradClip = real("grad_clip")
        config.dropout = real("dropout")
        config.evalInterval = positive(integer("eval_interval"))
        config.evalIters = positive(integer("eval_iters"))
        config.evalTokens = real("eval_tokens").flatMap { $0.value > 0 ? $0 : nil }
        config.initFrom = text("init_from")
        config.dtype = text("dtype")
        config.optimizer = text("optimizer")
        config.architecture = text("architecture")
        config.tokensPerStep = real("total_batch_size").flatMap { $0.value > 0 ? $0 : nil }
        if let schedule = text("lr_schedule"), let kind = ScheduleKind(rawValue: schedule.value) {
            config.schedule = Fact(kind, schedule.origin)
        }
        if let decays = flag("decay_lr"), !decays.value { config.schedule = Fact(.constant, decays.origin) }
        // llm.c's name for the end of the schedule.
        if let fraction = real("final_lr_fraction"), let peak = config.learningRate {
            config.minLr = Fact(peak.value * fraction.value, fraction.origin)
        }
        return config
    }

    private func positive(_ fact: Fact<Int>?) -> Fact<Int>? { fact.flatMap { $0.value > 0 ? $0 : nil } }

    /// nanoGPT's train.py, when the log does not say otherwise.
    static let nanoGPTDefaults: [String: ConfigValue] = [
        "n_layer": .integer(12), "n_head": .integer(12), "n_embd": .integer(768), "block_size": .integer(1024),
        "vocab_size": .integer(50304), "bias": .boolean(false), "dropout": .number(0), "batch_size": .integer(12),
        "gradient_accumulation_steps": .integer(40), "learning_rate": .number(6e-4), "max_iters": .integer(600_000),
        "weight_decay": .number(0.1), "beta2": .number(0.95), "grad_clip": .number(1), "decay_lr": .boolean(true),
        "lr_schedule": .text("cosine"), "warmup_iters": .integer(2000), "lr_decay_iters": .integer(600_000),
        "min_lr": .number(6e-5),
        "eval_interval": .integer(2000), "eval_iters": .integer(200), "init_from": .text("scratch"), "optimizer": .text("AdamW"),
        "architecture": .text("gpt2"), "dtype": .text("bfloat16"),
    ]

    /// llm.c's train_gpt2.cu.
    static let llmcDefaults: [String: ConfigValue] = [
        "block_size": .integer(1024), "vocab_size": .integer(50304), "bias": .boolean(true),
        "total_batch_size": .integer(524_288),
        "lr_schedule": .text("cosine"), "grad_clip": .number(1), "beta2": .number(0.95), "optimizer": .text("AdamW"),
        "architecture": .text("gpt2"), "dropout": .number(0), "min_lr": .number(0), "weight_decay": .number(0),
    ]
}

extension ConfigFacts {
    /// Fills what follows from other facts: tokens a step, parameters from the shape, or the width from a printed count.
    mutating func derive() {
        if tokensPerStep == nil, let batch = batchSize, let accumulation = gradientAccumulationSteps, let block = blockSize {
            let product = Double(batch.value) * Double(accumulation.value) * Double(block.value)
            let isAssumed = [batch.origin, accumulation.origin].allSatisfy { $0 == .assumed }
            tokensPerStep = Fact(product, isAssumed ? .assumed : .derived)
        }
        matchShape()
        // Someone who names the length or the rate in an option means the decay to go with it.
        if lrDecayIters?.origin == .assumed, let length = maxIters, length.origin == .option {
            lrDecayIters = Fact(length.value, .derived)
        }
        if minLr?.origin == .assumed, let peak = learningRate, peak.origin != .assumed { minLr = Fact(peak.value / 10, .assumed) }
        if parameters == nil, let shape, isShapeKnown { parameters = Fact(Double(shape.parameters), .derived) }
        if minLr == nil, schedule?.value == .cosine, let peak = learningRate { minLr = Fact(peak.value / 10, .assumed) }
        if schedule != nil, schedule?.value != .constant, lrDecayIters == nil, let max = maxIters {
            lrDecayIters = Fact(max.value, .assumed)
        }
        if lrDecayIters?.value == 0, let max = maxIters { lrDecayIters = max }
        if evalTokens == nil, let iters = evalIters, let batch = batchSize, let block = blockSize {
            let origin: FactOrigin = iters.origin == .assumed && batch.origin == .assumed ? .assumed : .derived
            evalTokens = Fact(Double(iters.value) * Double(batch.value) * Double(block.value), origin)
        }
    }

    /// The model's shape when every number of it is known or assumed.
    public var shape: ModelShape? {
        guard let l = nLayer?.value, let h = nHead?.value, let c = nEmbd?.value, let t = blockSize?.value,
            let v = vocabSize?.value,
            l <= 1000, c <= 65536, v <= 16_777_216, t <= 1_048_576
        else { return nil }
        return ModelShape(nLayer: l, nHead: h, nEmbd: c, blockSize: t, vocabSize: v, bias: bias?.value ?? false)
    }

    /// Whether the shape rests on more than the trainer's defaults.
    var isShapeKnown: Bool { [nLayer?.origin, nEmbd?.origin].contains { $0 != nil && $0 != .assumed } }

    /// Drops an assumed shape that a printed parameter count contradicts, and looks for one that fits.
    private mutating func matchShape() {
        guard let printed = parameters?.value, printed > 0, let block = blockSize?.value else { return }
        let vocab = vocabSize?.value ?? 50304
        func fits(_ l: Int, _ c: Int, _ withBias: Bool) -> Bool {
            guard l > 0, l <= 1000, c > 0, c <= 65536, vocab <= 16_777_216 else { return false }
            let shape = ModelShape(nLayer: l, nHead: 1, nEmbd: c, blockSize: block, vocabSize: vocab, bias: withBias)
            // Printed with two decimals of a million; llm.c counts the position table too.
            let counts = [shape.parameters, shape.parametersTotal]
            return counts.contains { abs(Double($0) - printed) <= max(6000, printed * 1e-4) }
        }
        let bias = self.bias?.value ?? false
        if let l = nLayer?.value, let c = nEmbd?.value, fits(l, c, bias) || fits(l, c, !bias) { return }
        func isOpen<T>(_ fact: Fact<T>?) -> Bool { fact == nil || fact?.origin == .assumed || fact?.origin == .derived }
        guard isOpen(nEmbd) else { return }
        let layers = nLayer.map { [$0.value] + Array(1...48) } ?? Array(1...48)
        for l in layers where isOpen(nLayer) || nLayer?.value == l {
            for c in stride(from: 64, through: 4096, by: 64) where fits(l, c, bias) {
                nLayer = Fact(l, nLayer?.value == l ? nLayer?.origin ?? .derived : .derived)
                nEmbd = Fact(c, .derived)
                if isOpen(nHead), let heads = nHead?.value, c % heads != 0 {
                    nHead = Fact(max(1, c / 64), .derived)
                }
                return
            }
        }
        // Nothing fits: the default width is certainly wrong.
        nEmbd = nil
    }
}
