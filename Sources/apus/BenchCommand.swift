// SPDX-License-Identifier: MIT
import ArgumentParser
import Compute
import ComputeCPU
import Foundation
import Generation
import Modeling
import Optimization
import RunLog
import Training

/// `apus bench`: the engine's own measurements on this machine.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure this machine: ceilings, matrix products, one training step by operation, generation.",
        usage: "apus bench [CONFIG] [--KEY VALUE ...] [--json]",
        discussion: """
            Without CONFIG the model is that of config/fineweb-40m.toml at micro-batch 4. Keys are those of `apus train`. Machines
            are noisy: the fastest of several repetitions is reported for ceilings and products, the median for steps.
            """)

    @Argument(parsing: .allUnrecognized, help: .hidden)
    var arguments: [String] = []

    @Option(help: "Kernels to use [the best this CPU has].")
    var isa: String?

    @Option(help: "Updates to measure.")
    var steps = 5

    @Option(help: "Tokens to generate.")
    var tokens = 128

    @Flag(help: "Print the measurements as JSON.")
    var json = false

    private struct Product {
        let name: String
        let n: Int, k: Int
        let flops: Double
    }

    func run() throws {
        guard steps >= 1, tokens >= 1 else { throw UsageError("--steps and --tokens must be at least 1") }
        var base = RunConfig()
        (base.nLayer, base.nHead, base.nEmbd, base.batchSize, base.vocabSize) = (12, 12, 384, 4, 50304)
        let config = try ConfigArguments(arguments, base: base).config
        var model = config
        if model.vocabSize == 0 { model.vocabSize = 50304 }
        let gpt = try RunSetup.model(model)
        guard let dtype = DType(rawValue: config.dtype), let recompute = Recompute(rawValue: config.recompute) else {
            throw UsageError("dtype '\(config.dtype)' or recompute '\(config.recompute)' is not known")
        }
        let backend = try Backends.make(config, isa: isa)
        Console.note("\(backend.deviceName), \(backend.kernelName), \(dtype.rawValue)")
        let ceiling = MatmulCeiling.measure(backend, dtype: dtype, seconds: 1) ?? 0
        let bandwidth = Self.readBandwidth(backend)
        let products = try self.products(gpt, rows: config.batchSize * config.blockSize, dtype: dtype, backend: backend)
        let (entries, seconds) = try step(gpt, config, dtype, recompute, backend)
        let tokensPerSecond = Double(config.batchSize * config.blockSize) / seconds
        let generated = try generation(gpt, dtype, backend)
        if json {
            try printJSON(ceiling, bandwidth, products, entries, seconds, tokensPerSecond, generated, model.shape)
        } else {
            show(ceiling, bandwidth, products, entries, seconds, tokensPerSecond, generated, model.shape)
        }
    }

    /// Bytes a second of converting 256 MB of float32 to bfloat16: what it reads and writes.
    private static func readBandwidth(_ backend: any Backend) -> Double {
        let count = 1 << 26
        guard let memory = try? backend.allocate(byteCount: count * 6) else { return 0 }
        let source = Tensor(memory: memory, offset: 0, dtype: .float32, shape: [count])
        let target = Tensor(memory: memory, offset: count * 4, dtype: .bfloat16, shape: [count])
        let best = (0..<5).map { _ in seconds { backend.convert(from: source, to: target) } }.min() ?? .infinity
        return Double(count * 6) / best
    }

    private static func seconds(_ body: () throws -> Void) rethrows -> Double {
        try ContinuousClock().measure(body).seconds
    }

    /// Forward products of the training shapes, each alone.
    private func products(_ gpt: GPTConfig, rows: Int, dtype: DType, backend: any Backend) throws -> [Product] {
        let c = gpt.nEmbd
        return try [("qkv", 3 * c, c), ("attention projection", c, c), ("fc", 4 * c, c), ("mlp projection", c, 4 * c)].map {
            name, n, k in
            var plan = ArenaPlan()
            let slots = [plan.reserve(dtype, [rows, n]), plan.reserve(dtype, [rows, k]), plan.reserve(dtype, [n, k])]
            let memory = try backend.allocate(byteCount: plan.byteCount)
            let t = slots.map { $0.tensor(in: memory) }
            let best =
                (0..<10).map { _ in
                    Self.seconds {
                        backend.matmulForward(out: t[0], x: t[1], weight: t[2], bias: nil, epilogue: .none)
                        backend.synchronize()
                    }
                }.min() ?? .infinity
            return Product(name: name, n: n, k: k, flops: 2 * Double(rows) * Double(n) * Double(k) / best)
        }
    }

    /// Medians over updates of one micro-batch: the time by operation, and of the whole.
    private func step(
        _ gpt: GPTConfig, _ config: RunConfig, _ dtype: DType, _ recompute: Recompute, _ base: any Backend
    ) throws -> ([(String, TimedBackend.Entry)], Double) {
        let backend = TimedBackend(base)
        let weights = try GPTWeights(gpt, dtype: dtype, on: backend)
        weights.initialize(seed: 1)
        let model = try GPT(
            weights: weights, batch: config.batchSize, length: config.blockSize, training: true, recompute: recompute)
        let optimizer = try AdamW(model, options: AdamWOptions())
        let ids = (0..<model.sizes.rows).map { Int32(($0 * 7919) % gpt.vocabSize) }
        var times: [Double] = []
        for index in 0...steps {
            if index == 1 { backend.reset() }  // the first one touches the memory for the first time
            ids.withUnsafeBufferPointer { model.load(tokens: $0, targets: $0) }
            times.append(
                Self.seconds {
                    optimizer.beginStep()
                    model.trainMicroBatch(scale: 1 / Double(model.sizes.rows), sampleIndex: 0)
                    optimizer.update(learningRate: 1e-4)
                    backend.synchronize()
                })
        }
        let sorted = times.dropFirst().sorted()
        let entries = backend.entries.mapValues { entry in
            TimedBackend.Entry(
                calls: entry.calls / steps, seconds: entry.seconds / Double(steps), flops: entry.flops / Double(steps))
        }
        return (entries.sorted { $0.value.seconds > $1.value.seconds }.map { ($0.key, $0.value) }, sorted[sorted.count / 2])
    }

    /// Tokens a second of one greedy text.
    private func generation(_ gpt: GPTConfig, _ dtype: DType, _ backend: any Backend) throws -> Double {
        let weights = try GPTWeights(gpt, dtype: dtype, on: backend)
        weights.initialize(seed: 1)
        let decoder = try GPTDecoder(weights: weights)
        let generator = TextGenerator(decoder, sampling: SamplingOptions(temperature: 0), vocabularySize: gpt.vocabSize)
        try generator.generate(prompt: [1], maxNewTokens: 8) { _, _ in }
        let taken = try Self.seconds { try generator.generate(prompt: [1], maxNewTokens: tokens) { _, _ in } }
        return Double(tokens) / taken
    }

    private func show(
        _ ceiling: Double, _ bandwidth: Double, _ products: [Product], _ entries: [(String, TimedBackend.Entry)],
        _ seconds: Double,
        _ tokensPerSecond: Double, _ generated: Double, _ shape: ModelShape
    ) {
        func row(_ name: String, _ values: String...) {
            print(
                name.padding(toLength: 34, withPad: " ", startingAt: 0)
                    + values.map { String(repeating: " ", count: max(0, 12 - $0.count)) + $0 }.joined())
        }
        func gflops(_ value: Double) -> String { Format.decimals(value / 1e9, 0) }
        func share(_ value: Double) -> String { ceiling > 0 ? Format.decimals(100 * value / ceiling, 0) + " %" : "" }
        row("ceilings", "GFLOP/s", "GB/s")
        row("  matmul 1536 x 1536 x 1536", gflops(ceiling), "")
        row("  memory, float32 to bfloat16", "", Format.decimals(bandwidth / 1e9, 1))
        row("products", "GFLOP/s", "of ceiling")
        for product in products {
            row("  \(product.name) \(product.k) -> \(product.n)", gflops(product.flops), share(product.flops))
        }
        row("one update", "ms", "share", "GFLOP/s", "of ceiling")
        for (name, entry) in entries where entry.seconds > 0 {
            let rate = entry.flops / entry.seconds
            row(
                "  \(name)", Format.decimals(entry.seconds * 1e3, 1), Format.decimals(100 * entry.seconds / seconds, 1) + " %",
                rate > 0 ? gflops(rate) : "", rate > 0 ? share(rate) : "")
        }
        row(
            "  all", Format.decimals(seconds * 1e3, 1), "", gflops(tokensPerSecond * shape.flopsPerToken),
            share(tokensPerSecond * shape.flopsPerToken))
        row("training tokens/s", Format.decimals(tokensPerSecond, 0))
        row("generation tokens/s", Format.decimals(generated, 1))
    }

    private func printJSON(
        _ ceiling: Double, _ bandwidth: Double, _ products: [Product], _ entries: [(String, TimedBackend.Entry)],
        _ seconds: Double,
        _ tokensPerSecond: Double, _ generated: Double, _ shape: ModelShape
    ) throws {
        let object: [String: Any] = [
            "ceilings": ["matmul_flops": ceiling, "memory_bytes_per_second": bandwidth],
            "matmul": products.map { ["name": $0.name, "n": $0.n, "k": $0.k, "gflops": $0.flops / 1e9] as [String: Any] },
            "step": entries.map { name, entry in
                [
                    "op": name, "calls": entry.calls, "ms": entry.seconds * 1e3,
                    "gflops": entry.seconds > 0 ? entry.flops / entry.seconds / 1e9 : 0,
                ]
                    as [String: Any]
            },
            "step_ms": seconds * 1e3, "tokens_per_second": tokensPerSecond, "generation_tokens_per_second": generated,
            "flops_per_token": shape.flopsPerToken, "parameters": shape.parameters,
        ]
        let data = try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
        print(String(decoding: data, as: UTF8.self))
    }
}
