// SPDX-License-Identifier: MIT
import Compute
import Generation
import Modeling
import Optimization
import RunLog
import Training

/// What `apus bench` found.
struct BenchResult {
    struct Product {
        /// "qkv", and which of the three products of a training step.
        let name: String, kind: String
        let n: Int, k: Int
        let flopsPerSecond: Double
    }

    struct Generated {
        /// Texts side by side.
        let streams: Int
        /// Of all streams together.
        let tokensPerSecond: Double
        /// Read from memory for one step of all streams: weights, and keys and values at the mean length.
        let bytesPerStep: Double

        var bytesPerSecond: Double { tokensPerSecond / Double(streams) * bytesPerStep }
    }

    var device = "", kernels = "", dtype = DType.float32
    var ceilings = DeviceCeilings()
    /// FLOP/s of a large product.
    var matmulFlops = 0.0
    /// FLOP/s of the datasheet, dense; nil for a CPU and for cards that are not in the table.
    var peakFlops: Double?
    var products: [Product] = []
    var step: [(name: String, entry: TimedBackend.Entry)] = []
    var stepSeconds = 0.0
    var tokensPerStep = 0
    var generation: [Generated] = []
    var shape: ModelShape

    var tokensPerSecond: Double { stepSeconds > 0 ? Double(tokensPerStep) / stepSeconds : 0 }
    /// What the model needs, not what recomputation adds: 6 N + 12 L H Q T a token, as in PaLM's appendix B (arXiv 2204.02311).
    var flopsPerSecond: Double { tokensPerSecond * shape.flopsPerToken }
    /// Model FLOPs utilization: of the datasheet's peak.
    var mfu: Double? { peakFlops.map { flopsPerSecond / $0 } }
    /// Of what the matrix product reaches on this machine.
    var ceilingFraction: Double? { matmulFlops > 0 ? flopsPerSecond / matmulFlops : nil }
}

/// Measures a backend with the shapes of one model.
struct BenchMeasurements {
    let model: GPTConfig
    let config: RunConfig
    let dtype: DType
    let recompute: Recompute
    let backend: any Backend
    /// Updates, and tokens of a text.
    let steps: Int, tokens: Int

    /// Texts side by side in the batched measurement.
    private static let streams = 16

    func run(shape: ModelShape) throws -> BenchResult {
        var result = BenchResult(shape: shape)
        (result.device, result.kernels, result.dtype) = (backend.deviceName, backend.kernelName, dtype)
        result.ceilings = (backend as? any CeilingMeasuring)?.measureCeilings(dtype: dtype, seconds: 1) ?? DeviceCeilings()
        result.matmulFlops = MatmulCeiling.measure(backend, dtype: dtype, seconds: 1) ?? 0
        result.peakFlops = Backends.peakFlops(backend, dtype: dtype)
        result.products = try products(rows: config.batchSize * config.blockSize)
        (result.step, result.stepSeconds) = try step()
        result.tokensPerStep = config.batchSize * config.blockSize
        let weights = try GPTWeights(model, dtype: dtype, on: backend)
        weights.initialize(seed: 1)
        result.generation = try [1, Self.streams].map { try generation(weights, streams: $0) }
        return result
    }

    private func seconds(_ body: () throws -> Void) rethrows -> Double {
        try ContinuousClock().measure {
            try body()
            backend.synchronize()
        }.seconds
    }

    /// The three products of each linear layer, each alone: the fastest of several.
    private func products(rows: Int) throws -> [BenchResult.Product] {
        let c = model.nEmbd
        let layers = [("qkv", 3 * c, c), ("attention projection", c, c), ("fc", 4 * c, c), ("mlp projection", c, 4 * c)]
        return try layers.flatMap { name, n, k in
            var plan = ArenaPlan()
            let slots = [plan.reserve(dtype, [rows, n]), plan.reserve(dtype, [rows, k]), plan.reserve(dtype, [n, k])]
            let gradient = plan.reserve(.float32, [n, k])
            let memory = try backend.allocate(byteCount: plan.byteCount)
            let (y, x, w) = (slots[0].tensor(in: memory), slots[1].tensor(in: memory), slots[2].tensor(in: memory))
            let dw = gradient.tensor(in: memory)
            for tensor in [y, x, w, dw] { backend.fillZero(tensor) }
            func measure(_ kind: String, _ body: () -> Void) -> BenchResult.Product {
                let best = (0..<10).map { _ in seconds(body) }.min() ?? .infinity
                let flops = 2 * Double(rows) * Double(n) * Double(k)
                return BenchResult.Product(name: name, kind: kind, n: n, k: k, flopsPerSecond: flops / best)
            }
            return [
                measure("forward") { backend.matmulForward(out: y, x: x, weight: w, bias: nil, epilogue: .none) },
                measure("input gradient") { backend.matmulBackwardInput(dx: x, dout: y, weight: w, activation: nil) },
                measure("weight gradient") { backend.matmulBackwardWeight(dweight: dw, dbias: nil, dout: y, x: x) },
            ]
        }
    }

    /// Medians over updates of one micro-batch: the time by operation, and of the whole.
    private func step() throws -> ([(name: String, entry: TimedBackend.Entry)], Double) {
        let timed = try step(on: TimedBackend(backend))
        // A device that works ahead of the host is slowed down by being timed operation by operation.
        return config.device == "cpu" ? timed : (timed.0, try step(on: backend).1)
    }

    private func step(on backend: any Backend) throws -> ([(name: String, entry: TimedBackend.Entry)], Double) {
        let weights = try GPTWeights(model, dtype: dtype, on: backend)
        weights.initialize(seed: 1)
        let gpt = try GPT(
            weights: weights, batch: config.batchSize, length: config.blockSize, training: true, recompute: recompute)
        let optimizer = try AdamW(gpt, options: AdamWOptions())
        let ids = (0..<gpt.sizes.rows).map { Int32(($0 * 7919) % model.vocabSize) }
        // The first touches the memory for the first time; on a GPU it compiles, and the second is recorded.
        let warmUps = config.device == "cpu" ? 1 : 3
        var times: [Double] = []
        for index in 0..<(warmUps + steps) {
            if index == warmUps { (backend as? TimedBackend)?.reset() }
            ids.withUnsafeBufferPointer { gpt.load(tokens: $0, targets: $0) }
            times.append(
                seconds {
                    optimizer.beginStep()
                    gpt.trainMicroBatch(scale: 1 / Double(gpt.sizes.rows), sampleIndex: 0)
                    optimizer.update(learningRate: 1e-4)
                    backend.synchronize()
                })
        }
        // What went wrong on a device shows when something is read.
        var state = [Double](repeating: 0, count: StepState.count)
        try state.withUnsafeMutableBytes { try backend.read(gpt.state, into: $0) }
        let sorted = times.dropFirst(warmUps).sorted()
        let entries = ((backend as? TimedBackend)?.entries ?? [:]).mapValues { entry in
            TimedBackend.Entry(
                calls: entry.calls / steps, seconds: entry.seconds / Double(steps), flops: entry.flops / Double(steps))
        }
        return (
            entries.sorted { $0.value.seconds > $1.value.seconds }.map { (name: $0.key, entry: $0.value) },
            sorted[sorted.count / 2]
        )
    }

    /// Greedy texts side by side, in a context that holds them whole.
    private func generation(_ weights: GPTWeights, streams: Int) throws -> BenchResult.Generated {
        let count = min(tokens, model.blockSize - 1)
        let decoder = try GPTDecoder(weights: weights, batch: streams)
        let generator = TextGenerator(decoder, sampling: SamplingOptions(temperature: 0), vocabularySize: model.vocabSize)
        try generator.generate(prompt: [1], maxNewTokens: min(8, count)) { _, _ in }
        let taken = try seconds { try generator.generate(prompt: [1], maxNewTokens: count) { _, _ in } }
        let (c, layers) = (Double(model.nEmbd), Double(model.nLayer))
        let matrices = layers * 12 * c * c + Double(model.vocabSize) * c
        let cache = Double(streams) * 2 * layers * c * Double(count) / 2
        return BenchResult.Generated(
            streams: streams, tokensPerSecond: Double(streams * count) / taken,
            bytesPerStep: (matrices + cache) * Double(dtype.size))
    }
}
