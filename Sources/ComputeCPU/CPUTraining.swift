// SPDX-License-Identifier: MIT
import CKernels
import Compute

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

// Matrix products, classifier and what ends a step.
extension CPUBackend {
    public func matmulForward(out: Tensor, x: Tensor, weight: Tensor, bias: Tensor?, epilogue: Epilogue) {
        let (n, k) = (weight.matrix.rows, weight.matrix.width), rows = x.count / max(1, k)
        precondition(
            out.count == rows * n && x.count == rows * k && x.dtype == weight.dtype,
            "product of \(x.shape) and \(weight.shape) transposed into \(out.shape)")
        var after = apus_epilogue_t()
        switch epilogue {
        case .none: break
        case .activation(let activation, let preactivation):
            precondition(
                preactivation.count == out.count && preactivation.dtype == x.dtype, "preactivation \(preactivation.shape)")
            after.activation = activation.kernel
            after.preactivation = preactivation.pointer
        case .residual(let residual):
            precondition(residual.count == out.count, "residual \(residual.shape) of a product \(out.shape)")
            after.residual = UnsafePointer(residual.floats)
        }
        apus_matmul_forward(
            pool, isa, matmulWorkspace, out.pointer, out.kernelDType, x.pointer, weight.pointer, x.kernelDType, bias?.floats,
            after, rows, n, k)
    }

    public func matmulBackwardInput(
        dx: Tensor, dout: Tensor, weight: Tensor, activation: (Activation, preactivation: Tensor)?
    ) {
        let (n, k) = (weight.matrix.rows, weight.matrix.width), rows = dout.count / max(1, n)
        precondition(
            dx.count == rows * k && dout.count == rows * n && dout.dtype == weight.dtype,
            "product of \(dout.shape) and \(weight.shape) into \(dx.shape)")
        let kind = activation?.0.kernel ?? APUS_ACTIVATION_NONE
        apus_matmul_backward_input(
            pool, isa, matmulWorkspace, dx.pointer, dx.kernelDType, dout.pointer, weight.pointer, dout.kernelDType, kind,
            activation?.preactivation.pointer, rows, n, k)
    }

    public func matmulBackwardWeight(dweight: Tensor, dbias: Tensor?, dout: Tensor, x: Tensor) {
        let (n, k) = (dweight.matrix.rows, dweight.matrix.width), rows = dout.count / max(1, n)
        precondition(
            dout.count == rows * n && x.count == rows * k && x.dtype == dout.dtype,
            "product of \(dout.shape) transposed and \(x.shape) into \(dweight.shape)")
        apus_matmul_backward_weight(
            pool, isa, matmulWorkspace, dweight.floats, dbias?.floats, dout.pointer, x.pointer, x.kernelDType, rows, n, k)
    }

    // MARK: Classifier

    public func classifierForward(losses: Tensor, x: Tensor, weight: Tensor, targets: Tensor, workspace: Tensor) {
        let (v, c) = (weight.matrix.rows, weight.matrix.width), rows = targets.count
        precondition(x.count == rows * c && losses.count == rows && x.dtype == weight.dtype, "classifier of \(x.shape)")
        requireWorkspace(workspace, classifierWorkspace(rows: rows, width: c, vocabulary: v, dtype: x.dtype))
        apus_classifier_forward(
            pool, isa, matmulWorkspace, workspace.pointer, losses.floats, x.pointer, weight.pointer, x.kernelDType,
            targets.words, rows, c, v)
    }

    public func classifierForwardBackward(
        losses: Tensor, dx: Tensor, dweight: Tensor, x: Tensor, weight: Tensor, targets: Tensor, scale: Double, workspace: Tensor
    ) {
        let (v, c) = (weight.matrix.rows, weight.matrix.width), rows = targets.count
        precondition(
            x.count == rows * c && losses.count == rows && dx.count == x.count && dx.dtype == x.dtype && x.dtype == weight.dtype,
            "classifier of \(x.shape)")
        requireWorkspace(workspace, classifierWorkspace(rows: rows, width: c, vocabulary: v, dtype: x.dtype))
        apus_classifier_forward_backward(
            pool, isa, matmulWorkspace, workspace.pointer, losses.floats, dx.pointer, dweight.floats, x.pointer, weight.pointer,
            x.kernelDType, targets.words, scale, rows, c, v)
    }

    public func classifierWorkspace(rows: Int, width: Int, vocabulary: Int, dtype: DType) -> Int {
        apus_classifier_workspace(rows, width, vocabulary, dtype == .bfloat16 ? APUS_BF16 : APUS_F32)
    }

    // MARK: The step's scalars and the optimizer

    public func accumulateLoss(state: Tensor, losses: Tensor, scale: Double) {
        let sum = state.doubles.baseAddress?.advanced(by: StepState.loss.rawValue)
        apus_accumulate_loss(pool, isa, sum, losses.floats, scale, losses.count)
    }

    public func globalNorm(state: Tensor, gradients: Tensor, workspace: Tensor) {
        requireWorkspace(workspace, globalNormWorkspace(count: gradients.count))
        let norm = apus_global_norm(pool, isa, gradients.floats, gradients.count, workspace.pointer)
        let scalars = state.doubles
        let finite = norm.isFinite && scalars[StepState.loss.rawValue].isFinite
        let clip = scalars[StepState.gradClip.rawValue]
        scalars[StepState.gradNorm.rawValue] = norm
        scalars[StepState.finite.rawValue] = finite ? 1 : 0
        scalars[StepState.clipFactor.rawValue] = clip > 0 ? min(1, clip / (norm + 1e-6)) : 1
    }

    public func globalNormWorkspace(count: Int) -> Int { apus_global_norm_workspace(count) }

    public func beginUpdate(state: Tensor) {
        let scalars = state.doubles
        if scalars[StepState.finite.rawValue] == 1 { scalars[StepState.updates.rawValue] += 1 }
    }

    public func adamwUpdate(
        parameter: Tensor, gradient: Tensor, expAvg: Tensor, expAvgSq: Tensor, copy: Tensor?, state: Tensor, group: AdamWGroup
    ) {
        let scalars = state.doubles, count = parameter.count
        guard scalars[StepState.finite.rawValue] == 1 else { return }
        precondition(
            gradient.count == count && expAvg.count == count && expAvgSq.count == count
                && copy.map { $0.count == count && $0.dtype == .bfloat16 } ?? true, "AdamW of \(parameter.shape)")
        let rate = scalars[StepState.learningRate.rawValue] * group.learningRateMultiplier
        let updates = scalars[StepState.updates.rawValue]
        // In float64 up to here, as PyTorch computes these in Python's floats.
        var update = apus_adamw_t(
            decay: Float(1 - rate * group.weightDecay), gradient_scale: Float(scalars[StepState.clipFactor.rawValue]),
            beta1: Float(group.beta1), beta2: Float(group.beta2), one_minus_beta1: Float(1 - group.beta1),
            one_minus_beta2: Float(1 - group.beta2), step_size: Float(rate / (1 - pow(group.beta1, updates))),
            bias2: Float((1 - pow(group.beta2, updates)).squareRoot()), epsilon: Float(group.epsilon))
        apus_adamw_update(
            pool, isa, parameter.floats, gradient.floats, expAvg.floats, expAvgSq.floats,
            copy?.pointer?.assumingMemoryBound(to: UInt16.self), &update, count)
    }
}
