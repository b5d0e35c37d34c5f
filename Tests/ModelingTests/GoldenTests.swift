// SPDX-License-Identifier: MIT
import Compute
import ComputeCPU
import Modeling
import TestKit
import Testing

/// The model against nanoGPT's own numbers, on every kind of kernel that this CPU runs.
@Suite struct GoldenTests {
    static let cases = Golden.names.flatMap { name in KernelChoice.available.map { (name, $0) } }

    @Test(arguments: cases) func logitsOfTheFirstMicroBatch(name: String, kernels: KernelChoice) throws {
        let golden = try Golden(name), backend = try CPUBackend(threads: 2, isa: kernels)
        let weights = try golden.weights("init.safetensors", dtype: .float32, on: backend)
        let model = try GPT(weights: weights, batch: golden.batchSize, length: golden.config.blockSize, training: false)
        golden.load(0, into: model)
        let shape = [model.sizes.rows, golden.config.vocabSize]
        let out = Tensor(
            memory: try backend.allocate(byteCount: shape[0] * shape[1] * 4), offset: 0, dtype: .float32, shape: shape)
        model.logits(into: out)
        // The project's promise for float32: 1e-4 of the largest magnitude; summation order alone gives about 1e-6.
        #expect(try relativeError(out.floats(backend), try golden.tensor("logits.safetensors", "logits")) < 1e-4)
    }

    @Test(arguments: KernelChoice.available, [Recompute.none, .attention, .block])
    func gradientsOfTheFirstUpdate(kernels: KernelChoice, recompute: Recompute) throws {
        let golden = try Golden("nanogpt-tiny-nobias"), backend = try CPUBackend(threads: 2, isa: kernels)
        let rig = try TrainingRig(golden, dtype: .float32, on: backend, recompute: recompute)
        rig.accumulate(step: 0)
        let gradients = try #require(rig.model.gradients)
        for (description, tensor) in zip(gradients.descriptions, gradients.tensors) {
            let expected = try golden.tensor("grads_step0.safetensors", description.name)
            #expect(try relativeError(tensor.floats(backend), expected) < 1e-4, "\(description.name)")
        }
    }

    @Test(arguments: cases) func thirtyFloat32Losses(name: String, kernels: KernelChoice) throws {
        let golden = try Golden(name), backend = try CPUBackend(threads: 2, isa: kernels)
        let rig = try TrainingRig(golden, dtype: .float32, on: backend)
        for step in golden.losses.indices {
            let (loss, gradNorm) = try rig.update(step: step)
            // PyTorch's float32 and float64 runs agree to 1e-6; 2e-5 nats leaves room for other summation orders.
            #expect(abs(loss - golden.losses[step]) < 2e-5, "step \(step)")
            #expect(abs(gradNorm / golden.gradNorms[step] - 1) < 1e-4, "step \(step)")
        }
    }

    @Test(arguments: cases) func thirtyBFloat16Losses(name: String, kernels: KernelChoice) throws {
        let golden = try Golden(name), backend = try CPUBackend(threads: 2, isa: kernels)
        let rig = try TrainingRig(golden, dtype: .bfloat16, on: backend)
        for step in golden.losses.indices {
            // bfloat16 keeps 8 bits of an activation: about 4e-3 relative each, averaged over the rows.
            #expect(try abs(rig.update(step: step).loss - golden.losses[step]) < 2e-2, "step \(step)")
        }
    }

    @Test(arguments: Golden.names) func learningRates(name: String) throws {
        let golden = try Golden(name)
        for (step, rate) in golden.rates.enumerated() {
            #expect(abs(golden.schedule.rate(step) / rate - 1) < 1e-12, "step \(step)")
        }
    }

    @Test func lossDoesNotDependOnTheNumberOfThreads() throws {
        let golden = try Golden("nanogpt-tiny-nobias")
        let losses = try [1, 2, 3].map { threads in
            let rig = try TrainingRig(golden, dtype: .float32, on: try CPUBackend(threads: threads))
            return try (0..<5).map { try rig.update(step: $0).loss }
        }
        for other in losses.dropFirst() {
            for (a, b) in zip(losses[0], other) { #expect(abs(a - b) < 1e-5) }
        }
    }

    @Test func runsAreRepeatedBitForBit() throws {
        let golden = try Golden("nanogpt-tiny-bias")
        for dtype in [DType.float32, .bfloat16] {
            let runs = try (0..<2).map { _ in
                let rig = try TrainingRig(golden, dtype: dtype, on: try CPUBackend(threads: 2))
                let losses = try (0..<5).map { try rig.update(step: $0).loss }
                return (losses, try rig.model.weights.masters.flat.floats(rig.backend))
            }
            #expect(runs[0].0 == runs[1].0)
            #expect(runs[0].1 == runs[1].1)
        }
    }
}
