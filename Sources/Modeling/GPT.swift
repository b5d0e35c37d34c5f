// SPDX-License-Identifier: MIT
import Compute

/// A GPT over micro-batches of one size: forward, loss, backward.
///
/// Nothing here waits for the device or allocates after `init`. In comments B is the batch, T the length, R = B * T,
/// C the width, V the vocabulary, NH and HS the heads and their size.
public final class GPT {
    /// Shared, not copied: other models may compute with the same.
    public let weights: GPTWeights
    /// What the activations were planned for, B x T tokens at a time.
    public let sizes: BatchSizes
    /// Activations that the backward pass computes again instead of keeping them.
    public let recompute: Recompute
    /// float32, one tensor a parameter; nil for a model that only evaluates.
    public let gradients: ParameterArena?
    /// The step's scalars, `[StepState.count]` float64.
    public let state: Tensor

    let backend: any Backend
    let activations: ModelActivations
    let parameters: ModelTensors
    let parameterGradients: ModelTensors?
    private let seed: UInt64
    /// The micro-step under one scale, and the evaluation of a micro-batch.
    private var trainWork: (work: RepeatedWork, scale: Double) = (RepeatedWork(), 0)
    private let evaluationWork = RepeatedWork()

    /// Of `weights`.
    public var config: GPTConfig { weights.config }
    /// Loss of each row of the last micro-batch, float32 [R].
    public var losses: Tensor { activations.losses }
    /// Memory for the optimizer's reductions, in use only within an operation.
    public var workspace: Tensor { activations.workspace }

    /// What a model of these sizes takes, by part, in bytes.
    public struct Memory: Sendable, Equatable {
        /// float32 masters and, in bfloat16, their copies.
        public var weights: Int
        /// float32; 0 for a model that only evaluates.
        public var gradients: Int
        /// Activations, workspaces left out.
        public var activations: Int
        /// The classifier's chunk of logits and the other operations' workspace.
        public var workspace: Int

        /// The four parts; the optimizer's moments are not among them.
        public var total: Int { weights + gradients + activations + workspace }
    }

    /// What a model of these sizes takes, before anything is allocated.
    public static func memory(_ sizes: BatchSizes, recompute: Recompute, gradients: Bool, backend: any Backend) -> Memory {
        let plan = ActivationPlan(sizes, recompute: recompute, gradients: gradients, backend: backend)
        return Memory(
            weights: GPTWeights.byteCount(sizes.config, dtype: sizes.dtype),
            gradients: gradients ? ParameterArena.byteCount(sizes.config.parameters, .float32) : 0,
            activations: plan.plan.byteCount - plan.workspaceBytes, workspace: plan.workspaceBytes)
    }

    /// - Parameters:
    ///   - weights: shared, not copied
    ///   - batch: B
    ///   - length: T, from 1 to the block size
    ///   - training: whether `trainMicroBatch` will be called
    ///   - recompute: activations that the backward pass computes again instead of keeping them
    ///   - seed: of dropout
    /// - Throws: `MemoryError`.
    public init(weights: GPTWeights, batch: Int, length: Int, training: Bool, recompute: Recompute = .none, seed: UInt64 = 0)
        throws
    {
        precondition(length >= 1 && length <= weights.config.blockSize && batch >= 1, "the micro-batch does not fit the model")
        self.weights = weights
        self.recompute = recompute
        self.seed = seed
        backend = weights.backend
        sizes = BatchSizes(weights.config, batch: batch, length: length, dtype: weights.dtype)
        let plan = ActivationPlan(sizes, recompute: recompute, gradients: training, backend: backend)
        activations = plan.tensors(in: try backend.allocate(byteCount: plan.plan.byteCount))
        parameters = ModelTensors(weights)
        gradients = training ? try ParameterArena(weights.config.parameters, dtype: .float32, on: backend) : nil
        parameterGradients = gradients.map { ModelTensors(gradients: $0, weights.config) }
        state = Tensor(
            memory: try backend.allocate(byteCount: StepState.count * 8), offset: 0, dtype: .float64, shape: [StepState.count])
        let positions = (0..<sizes.rows).map { Int32($0 % length) }
        positions.withUnsafeBytes { backend.write($0, to: activations.positions) }
    }

    /// Copies a micro-batch to the device.
    ///
    /// - Parameters:
    ///   - tokens: R ids, each below V
    ///   - targets: R ids, each below V, or negative to leave a row out
    public func load(tokens: UnsafeBufferPointer<Int32>, targets: UnsafeBufferPointer<Int32>) {
        backend.write(UnsafeRawBufferPointer(tokens), to: activations.tokens)
        backend.write(UnsafeRawBufferPointer(targets), to: activations.targets)
    }

    /// Forward and backward on the loaded micro-batch: adds `scale` times the gradient of the summed losses to
    /// `gradients`, and `scale` times the summed losses to the state's loss.
    ///
    /// - Parameters:
    ///   - scale: 1 / (R * micro-batches in the update) makes the update's loss a mean
    ///   - sampleIndex: global index of the micro-batch's first sample, from which dropout follows
    public func trainMicroBatch(scale: Double, sampleIndex: Int) {
        guard let buffers = activations.backward, let gradient = parameterGradients else {
            preconditionFailure("this model was made without training")
        }
        backend.writeScalar(Double(sampleIndex), to: state, .sampleIndex)
        if trainWork.scale != scale { trainWork = (RepeatedWork(), scale) }
        backend.repeated(trainWork.work) { trainMicroBatch(buffers, gradient, scale: scale) }
    }

    /// All of a micro-step that is the same every time.
    private func trainMicroBatch(_ buffers: BackwardBuffers, _ gradient: ModelTensors, scale: Double) {
        forward(dropout: config.dropout)
        let a = activations
        backend.classifierForwardBackward(
            losses: a.losses, dx: a.scratch, dweight: gradient.head, x: a.lnf, weight: parameters.head, targets: a.targets,
            scale: scale, workspace: a.workspace)
        backend.accumulateLoss(state: state, losses: a.losses, scale: scale)
        backend.fillZero(buffers.residual)
        layernormBackward(
            buffers, dweight: gradient.lnf, dbias: gradient.lnfBias, x: a.stream(config.nLayer), weight: parameters.lnf,
            mean: a.lnfMean, rstd: a.lnfRstd)
        for layer in (0..<config.nLayer).reversed() { blockBackward(layer, buffers, gradient.blocks[layer]) }
        if let dropout = dropoutSite(0, config.dropout) {
            backend.dropout(buffers.residual, rowsPerSample: sizes.length, dropout)
        }
        backend.embeddingBackward(
            dwte: gradient.wte, dwpe: gradient.wpe, dout: buffers.residual, tokens: a.tokens, positions: a.positions)
    }

    /// Losses of the loaded micro-batch, without dropout and without gradients.
    public func evaluateMicroBatch() {
        backend.repeated(evaluationWork) {
            forward(dropout: 0)
            backend.classifierForward(
                losses: activations.losses, x: activations.lnf, weight: parameters.head, targets: activations.targets,
                workspace: activations.workspace)
        }
    }

    /// Writes the logits of the loaded micro-batch, without dropout: float32 [R, V]. For tests and tools; training never
    /// has them all.
    public func logits(into out: Tensor) {
        forward(dropout: 0)
        backend.matmulForward(out: out, x: activations.lnf, weight: parameters.head, bias: nil, epilogue: .none)
    }

    // MARK: Forward

    private func forward(dropout: Double) {
        let a = activations
        backend.embeddingForward(
            out: a.stream(0), tokens: a.tokens, positions: a.positions, wte: parameters.wte, wpe: parameters.wpe)  // [R, C]
        if let site = dropoutSite(0, dropout) { backend.dropout(a.stream(0), rowsPerSample: sizes.length, site) }
        for layer in 0..<config.nLayer {
            attentionForward(layer, dropout)
            attentionProjection(layer, dropout)
            mlpForward(layer, dropout)
        }
        backend.layernormForward(
            out: a.lnf, mean: a.lnfMean, rstd: a.lnfRstd, x: a.stream(config.nLayer), weight: parameters.lnf,
            bias: parameters.lnfBias)  // [R, C]
    }

    /// attention(norm(x)) without its projection
    private func attentionForward(_ layer: Int, _ dropout: Double) {
        let a = activations.blocks[layer], p = parameters.blocks[layer], x = activations.stream(layer)
        backend.layernormForward(out: a.ln1, mean: a.ln1Mean, rstd: a.ln1Rstd, x: x, weight: p.ln1, bias: p.ln1Bias)  // [R, C]
        backend.matmulForward(out: a.qkv, x: a.ln1, weight: p.qkv, bias: p.qkvBias, epilogue: .none)  // [R, 3C]
        backend.attentionForward(
            out: heads(a.attention), lse: a.lse, q: heads(a.qkv, part: 0), k: heads(a.qkv, part: 1), v: heads(a.qkv, part: 2),
            shape: sizes.attention, dropout: dropoutSite(1 + 3 * layer, dropout))  // [B, T, NH, HS]
    }

    /// mid = x + dropout(projection(attention))
    private func attentionProjection(_ layer: Int, _ dropout: Double) {
        let a = activations.blocks[layer], p = parameters.blocks[layer]
        branch(
            out: a.mid, residual: activations.stream(layer), x: a.attention, weight: p.proj, bias: p.projBias,
            dropoutSite(2 + 3 * layer, dropout))  // [R, C]
    }

    /// x' = mid + dropout(projection(gelu(fc(norm(mid)))))
    private func mlpForward(_ layer: Int, _ dropout: Double) {
        let a = activations.blocks[layer], p = parameters.blocks[layer]
        mlpHidden(layer)  // [R, 4C]
        branch(
            out: activations.stream(layer + 1), residual: a.mid, x: a.gelu, weight: p.fcProj, bias: p.fcProjBias,
            dropoutSite(3 + 3 * layer, dropout))  // [R, C]
    }

    /// gelu(fc(norm(mid)))
    private func mlpHidden(_ layer: Int) {
        let a = activations.blocks[layer], p = parameters.blocks[layer]
        backend.layernormForward(out: a.ln2, mean: a.ln2Mean, rstd: a.ln2Rstd, x: a.mid, weight: p.ln2, bias: p.ln2Bias)
        backend.matmulForward(
            out: a.gelu, x: a.ln2, weight: p.fc, bias: p.fcBias, epilogue: .activation(config.activation, preactivation: a.fc))
    }

    /// out = residual + dropout(x weight^T + bias)
    private func branch(out: Tensor, residual: Tensor, x: Tensor, weight: Tensor, bias: Tensor?, _ dropout: Dropout?) {
        guard let dropout else {
            backend.matmulForward(out: out, x: x, weight: weight, bias: bias, epilogue: .residual(residual))
            return
        }
        backend.matmulForward(out: activations.scratch, x: x, weight: weight, bias: bias, epilogue: .none)
        backend.dropout(activations.scratch, rowsPerSample: sizes.length, dropout)
        backend.residualAdd(out: out, a: residual, b: activations.scratch)
    }

    // MARK: Backward

    private func blockBackward(_ layer: Int, _ d: BackwardBuffers, _ gradient: BlockTensors) {
        let a = activations.blocks[layer], p = parameters.blocks[layer], x = activations.stream(layer)
        if recompute != .none { attentionForward(layer, config.dropout) }
        if recompute == .block {
            attentionProjection(layer, config.dropout)
            mlpHidden(layer)
        }
        // MLP branch: d.residual is the gradient of x' and stays in the stream.
        let dmlp = branchGradient(d, dropoutSite(3 + 3 * layer, config.dropout))  // [R, C]
        backend.matmulBackwardWeight(dweight: gradient.fcProj, dbias: gradient.fcProjBias, dout: dmlp, x: a.gelu)
        // [R, 4C]
        backend.matmulBackwardInput(dx: d.fc, dout: dmlp, weight: p.fcProj, activation: (config.activation, preactivation: a.fc))
        backend.matmulBackwardWeight(dweight: gradient.fc, dbias: gradient.fcBias, dout: d.fc, x: a.ln2)
        backend.matmulBackwardInput(dx: activations.scratch, dout: d.fc, weight: p.fc, activation: nil)  // [R, C]
        layernormBackward(
            d, dweight: gradient.ln2, dbias: gradient.ln2Bias, x: a.mid, weight: p.ln2, mean: a.ln2Mean, rstd: a.ln2Rstd)
        // Attention branch: d.residual is now the gradient of mid.
        let dproj = branchGradient(d, dropoutSite(2 + 3 * layer, config.dropout))  // [R, C]
        backend.matmulBackwardWeight(dweight: gradient.proj, dbias: gradient.projBias, dout: dproj, x: a.attention)
        backend.matmulBackwardInput(dx: activations.scratch, dout: dproj, weight: p.proj, activation: nil)  // [R, C]
        // [R, 3C]
        backend.attentionBackward(
            dq: heads(d.qkv, part: 0), dk: heads(d.qkv, part: 1), dv: heads(d.qkv, part: 2), dout: heads(activations.scratch),
            out: heads(a.attention), lse: a.lse, q: heads(a.qkv, part: 0), k: heads(a.qkv, part: 1), v: heads(a.qkv, part: 2),
            shape: sizes.attention, dropout: dropoutSite(1 + 3 * layer, config.dropout), workspace: activations.workspace)
        backend.matmulBackwardWeight(dweight: gradient.qkv, dbias: gradient.qkvBias, dout: d.qkv, x: a.ln1)
        backend.matmulBackwardInput(dx: activations.scratch, dout: d.qkv, weight: p.qkv, activation: nil)  // [R, C]
        layernormBackward(
            d, dweight: gradient.ln1, dbias: gradient.ln1Bias, x: x, weight: p.ln1, mean: a.ln1Mean, rstd: a.ln1Rstd)
    }

    /// The gradient of a branch's output from that of the stream: in the activation dtype, under the branch's mask.
    private func branchGradient(_ d: BackwardBuffers, _ dropout: Dropout?) -> Tensor {
        if dropout == nil, sizes.dtype == .float32 { return d.residual }
        backend.convert(from: d.residual, to: d.act)
        if let dropout { backend.dropout(d.act, rowsPerSample: sizes.length, dropout) }
        return d.act
    }

    /// Adds the gradient through a norm, whose output's gradient is in `scratch`, to the stream's.
    private func layernormBackward(
        _ d: BackwardBuffers, dweight: Tensor, dbias: Tensor?, x: Tensor, weight: Tensor, mean: Tensor, rstd: Tensor
    ) {
        backend.layernormBackward(
            dx: d.residual, dweight: dweight, dbias: dbias, dout: activations.scratch, x: x, weight: weight, mean: mean,
            rstd: rstd, workspace: activations.workspace)
    }

    // MARK: Views

    /// [R, C] as [B, T, NH, HS], or one of the three parts of [R, 3C].
    private func heads(_ tensor: Tensor, part: Int = 0) -> HeadView {
        let width = tensor.shape[1]
        return HeadView(
            tensor, start: part * config.nEmbd, batchStride: sizes.length * width, tokenStride: width, headStride: config.headSize
        )
    }

    private func dropoutSite(_ site: Int, _ probability: Double) -> Dropout? {
        probability == 0 ? nil : Dropout(probability: probability, seed: seed, site: UInt32(site), state: state)
    }
}
