// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import ComputeCPU
import Foundation
import Modeling
import Optimization
import TestKit
import Testing

/// A run of nanoGPT to be repeated; Tests/Fixtures/README.md says how it was made.
struct Golden {
    let folder: String
    let config: GPTConfig
    let batchSize: Int
    let accumulation: Int
    let options: AdamWOptions
    let schedule: LearningRateSchedule
    let losses: [Double]
    let gradNorms: [Double]
    let rates: [Double]
    private let tokens: [UInt16]

    static let names = ["nanogpt-tiny-nobias", "nanogpt-tiny-bias"]

    private struct File: Decodable {
        struct Model: Decodable { let n_layer, n_head, n_embd, block_size, vocab_size: Int, bias: Bool }
        struct Hyper: Decodable {
            let learning_rate, weight_decay, beta1, beta2, grad_clip, min_lr: Double
            let warmup_iters, lr_decay_iters, batch_size, gradient_accumulation_steps: Int
        }
        let model_args: Model, hyper: Hyper, loss, grad_norm_before_clip, lr: [Double]
    }

    init(_ name: String) throws {
        folder = Places.fixture(name)
        let file = try JSONDecoder().decode(File.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/golden.json")))
        let m = file.model_args, h = file.hyper
        config = try GPTConfig(
            nLayer: m.n_layer, nHead: m.n_head, nEmbd: m.n_embd, blockSize: m.block_size, vocabSize: m.vocab_size, bias: m.bias)
        batchSize = h.batch_size
        accumulation = h.gradient_accumulation_steps
        options = AdamWOptions(beta1: h.beta1, beta2: h.beta2, weightDecay: h.weight_decay, gradClip: h.grad_clip)
        schedule = LearningRateSchedule(
            shape: .cosine, peak: h.learning_rate, minimum: h.min_lr, warmupIters: h.warmup_iters, decayIters: h.lr_decay_iters)
        losses = file.loss
        gradNorms = file.grad_norm_before_clip
        rates = file.lr
        tokens = try Data(contentsOf: URL(fileURLWithPath: folder + "/tokens.bin")).withUnsafeBytes {
            Array($0.bindMemory(to: UInt16.self))
        }
    }

    func tensor(_ file: String, _ name: String) throws -> [Float] {
        let stored = try SafetensorsFile(path: folder + "/" + file)
        let bytes = try stored.bytes(name)
        return (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }

    func load(_ index: Int, into model: GPT) {
        let count = batchSize * config.blockSize
        let ids = tokens[(index * count)...].prefix(count + 1).map { Int32($0) }
        ids.withUnsafeBufferPointer {
            model.load(tokens: UnsafeBufferPointer(rebasing: $0[..<count]), targets: UnsafeBufferPointer(rebasing: $0[1...]))
        }
    }

    func weights(_ file: String, dtype: DType, on backend: any Backend) throws -> GPTWeights {
        let weights = try GPTWeights(config, dtype: dtype, on: backend)
        let stored = try SafetensorsFile(path: folder + "/" + file)
        for (description, tensor) in zip(weights.masters.descriptions, weights.masters.tensors) {
            backend.write(try stored.bytes(description.name), to: tensor)
        }
        weights.refreshCopies()
        return weights
    }
}

/// A model with its optimizer, as the trainer puts them together.
final class TrainingRig {
    let golden: Golden
    let model: GPT
    let optimizer: AdamW
    let backend: any Backend

    init(_ golden: Golden, dtype: DType, on backend: any Backend, recompute: Recompute = .none) throws {
        self.golden = golden
        self.backend = backend
        let weights = try golden.weights("init.safetensors", dtype: dtype, on: backend)
        model = try GPT(
            weights: weights, batch: golden.batchSize, length: golden.config.blockSize, training: true, recompute: recompute)
        let gradients = try #require(model.gradients)
        let parameters = golden.config.parameters.enumerated().map { index, parameter in
            OptimizedParameter(
                name: parameter.name, master: weights.masters.tensors[index], copy: weights.copies?.tensors[index],
                gradient: gradients.tensors[index], decays: parameter.decays, learningRateMultiplier: 1)
        }
        optimizer = try AdamW(
            parameters, gradients: gradients.flat, state: model.state, workspace: model.workspace, options: golden.options,
            on: backend)
    }

    /// The summed gradient of one update, nothing applied.
    func accumulate(step: Int) {
        optimizer.beginStep()
        let scale = 1 / Double(golden.accumulation * golden.batchSize * golden.config.blockSize)
        for micro in 0..<golden.accumulation {
            golden.load(step * golden.accumulation + micro, into: model)
            model.trainMicroBatch(scale: scale, sampleIndex: 0)
        }
    }

    /// Makes one update; gives its loss and gradient norm.
    func update(step: Int) throws -> (loss: Double, gradNorm: Double) {
        accumulate(step: step)
        optimizer.update(learningRate: golden.schedule.rate(step))
        var state = [Double](repeating: 0, count: StepState.count)
        try state.withUnsafeMutableBytes { try backend.read(model.state, into: $0) }
        return (state[StepState.loss.rawValue], state[StepState.gradNorm.rawValue])
    }
}

extension Tensor {
    /// float32 values on the host.
    func floats(_ backend: any Backend) throws -> [Float] {
        var values = [Float](repeating: 0, count: count)
        try values.withUnsafeMutableBytes { try backend.read(self, into: $0) }
        return values
    }
}
