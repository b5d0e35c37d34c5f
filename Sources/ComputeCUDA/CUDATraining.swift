// SPDX-License-Identifier: MIT
import Compute

// Matrix products, classifier and what ends a step.
//
// Tensors are row-major and cuBLASLt's matrices column-major: a row-major [R, N] is its [N, R], so every product is written
// transposed, and nothing is moved.
extension CUDABackend {
    public func matmulForward(out: Tensor, x: Tensor, weight: Tensor, bias: Tensor?, epilogue: Epilogue) {
        let (n, k) = (weight.matrix.rows, weight.matrix.width), rows = x.count / max(1, k)
        precondition(
            out.count == rows * n && x.count == rows * k && x.dtype == weight.dtype,
            "product of \(x.shape) and \(weight.shape) transposed into \(out.shape)")
        switch epilogue {
        case .none:
            multiply(out, x, weight, rows, n, k, adding: nil)
            addBias(bias, to: out, width: n)
        case .activation(let activation, let preactivation):
            precondition(
                preactivation.count == out.count && preactivation.dtype == x.dtype && out.dtype == x.dtype,
                "preactivation \(preactivation.shape)")
            multiply(preactivation, x, weight, rows, n, k, adding: nil)
            loop(
                "bias_activation", of: .activation, .act(out), out.count,
                [
                    .tensor(out), .tensor(preactivation), .optional(bias), .long(out.count), .int(n),
                    .int(activation.kernelNumber),
                ])
        case .residual(let residual):
            precondition(residual.count == out.count, "residual \(residual.shape) of a product \(out.shape)")
            [out, residual].forEach { $0.require(.float32) }
            // The sum comes out of the product itself: exact, and without another pass over memory.
            multiply(out, x, weight, rows, n, k, adding: residual)
            addBias(bias, to: out, width: n)
        }
    }

    /// out[R, N] = x[R, K] weight[N, K]^T (+ sum)
    private func multiply(_ out: Tensor, _ x: Tensor, _ weight: Tensor, _ rows: Int, _ n: Int, _ k: Int, adding sum: Tensor?) {
        products.run(
            a: (weight.address, true), b: (x.address, false), c: sum?.address, d: out.address, m: n, n: rows, k: k,
            dtype: x.dtype,
            result: out.dtype)
    }

    private func addBias(_ bias: Tensor?, to out: Tensor, width: Int) {
        guard let bias else { return }
        bias.require(.float32)
        loop(
            "bias_add", of: .activation, .act(out), out.count,
            [.tensor(out), .tensor(bias), .long(out.count), .int(width)])
    }

    public func matmulBackwardInput(
        dx: Tensor, dout: Tensor, weight: Tensor, activation: (Activation, preactivation: Tensor)?
    ) {
        let (n, k) = (weight.matrix.rows, weight.matrix.width), rows = dout.count / max(1, n)
        precondition(
            dx.count == rows * k && dout.count == rows * n && dout.dtype == weight.dtype,
            "product of \(dout.shape) and \(weight.shape) into \(dx.shape)")
        products.run(
            a: (weight.address, false), b: (dout.address, false), c: nil, d: dx.address, m: k, n: rows, k: n, dtype: dout.dtype,
            result: dx.dtype)
        if let (activation, preactivation) = activation {
            activationBackward(dx: dx, dout: dx, x: preactivation, activation)
        }
    }

    public func matmulBackwardWeight(dweight: Tensor, dbias: Tensor?, dout: Tensor, x: Tensor) {
        let (n, k) = (dweight.matrix.rows, dweight.matrix.width), rows = dout.count / max(1, n)
        precondition(
            dout.count == rows * n && x.count == rows * k && x.dtype == dout.dtype,
            "product of \(dout.shape) transposed and \(x.shape) into \(dweight.shape)")
        addWeightGradient(dweight, dout, x, rows, n, k)
        guard let dbias else { return }
        dbias.require(.float32)
        // The products' scratch memory serves: everything runs in order.
        let room = max(1, products.workspace.byteCount / max(1, n * 4))
        let cut = max(64, (rows + 127) / 128, (rows + room - 1) / room), blocks = (rows + cut - 1) / cut
        launch(
            "column_partial", of: .columnSums, .act(dout),
            [.address(products.workspace.address), .tensor(dout), .int(rows), .int(n), .int(cut)], blocks: (n + 31) / 32,
            rows: blocks)
        launch(
            "column_combine", of: .columnSums, .act(dout),
            [.tensor(dbias), .optional(nil), .address(products.workspace.address), .int(blocks), .int(1), .int(n)],
            blocks: blocks == 0 ? 0 : (n + 31) / 32)
    }

    /// dweight[N, K] += dout[R, N]^T x[R, K]
    private func addWeightGradient(_ dweight: Tensor, _ dout: Tensor, _ x: Tensor, _ rows: Int, _ n: Int, _ k: Int) {
        dweight.require(.float32)
        products.run(
            a: (x.address, false), b: (dout.address, true), c: dweight.address, d: dweight.address, m: k, n: n, k: rows,
            dtype: x.dtype, result: .float32)
    }

    // MARK: Classifier

    /// Logits that exist at one time: enough rows to fill a card, few enough to leave its memory to activations.
    private static let classifierBytes = 512 << 20
    private static let fewestRows = 128

    /// In training the logits are of the activations' dtype and become their gradient in place; evaluation keeps them in
    /// float32, so that its losses are those of the unrounded logits.
    public func classifierForward(losses: Tensor, x: Tensor, weight: Tensor, targets: Tensor, workspace: Tensor) {
        classify(losses, x, weight, targets, workspace, logits: .float32, gradient: nil, scale: 1)
    }

    public func classifierForwardBackward(
        losses: Tensor, dx: Tensor, dweight: Tensor, x: Tensor, weight: Tensor, targets: Tensor, scale: Double, workspace: Tensor
    ) {
        precondition(dx.count == x.count && dx.dtype == x.dtype, "classifier of \(x.shape)")
        classify(losses, x, weight, targets, workspace, logits: x.dtype, gradient: (dx, dweight), scale: scale)
    }

    private func classify(
        _ losses: Tensor, _ x: Tensor, _ weight: Tensor, _ targets: Tensor, _ workspace: Tensor, logits dtype: DType,
        gradient: (dx: Tensor, dweight: Tensor)?, scale: Double
    ) {
        let (v, c) = (weight.matrix.rows, weight.matrix.width), rows = targets.count
        precondition(x.count == rows * c && losses.count == rows && x.dtype == weight.dtype, "classifier of \(x.shape)")
        requireWorkspace(workspace, classifierWorkspace(rows: rows, width: c, vocabulary: v, dtype: x.dtype))
        let largest = max(1, workspace.byteCount / (v * dtype.size)), chunks = (rows + largest - 1) / largest
        // Chunks of one size, so that one shape of product serves them all; a multiple of 8 rows keeps addresses aligned.
        let chunk = chunks <= 1 ? rows : min(largest, ((rows + chunks - 1) / chunks + 7) / 8 * 8)
        for first in stride(from: 0, to: rows, by: max(1, chunk)) {
            let count = min(chunk, rows - first)
            let part = x.view([count, c], start: first * c)
            let logits = Tensor(memory: workspace.memory, offset: workspace.offset, dtype: dtype, shape: [count, v])
            multiply(logits, part, weight, count, v, c, adding: nil)
            launch(
                dtype == .bfloat16 ? "classifier_rows_bf16" : "classifier_rows", of: .classifierRows, .act(x),
                [
                    .tensor(losses.view([count], start: first)), .tensor(logits), .tensor(targets.view([count], start: first)),
                    .int(v), .float(Float(scale)), .int(gradient == nil ? 0 : 1),
                ], blocks: count, block: 512)
            guard let (dx, dweight) = gradient else { continue }
            matmulBackwardInput(dx: dx.view([count, c], start: first * c), dout: logits, weight: weight, activation: nil)
            addWeightGradient(dweight, logits, part, count, v, c)
        }
    }

    public func classifierWorkspace(rows: Int, width: Int, vocabulary: Int, dtype: DType) -> Int {
        min(max(Self.classifierBytes, Self.fewestRows * vocabulary * 4), rows * vocabulary * 4)
    }

    // MARK: The step's scalars and the optimizer

    public func accumulateLoss(state: Tensor, losses: Tensor, scale: Double) {
        launch(
            "accumulate_loss", of: .stepState, .wide, [.tensor(state), .tensor(losses), .int(losses.count), .double(scale)],
            blocks: 1)
    }

    /// Elements whose squares one warp adds up.
    private static let normPart = 65_536

    public func globalNorm(state: Tensor, gradients: Tensor, workspace: Tensor) {
        requireWorkspace(workspace, globalNormWorkspace(count: gradients.count))
        gradients.require(.float32)
        let parts = (gradients.count + Self.normPart - 1) / Self.normPart
        launch(
            "global_norm_partial", of: .stepState, .wide, [.tensor(workspace), .tensor(gradients), .long(gradients.count)],
            blocks: (parts + 7) / 8)
        launch("global_norm_finish", of: .stepState, .wide, [.tensor(state), .tensor(workspace), .int(parts)], blocks: 1)
    }

    public func globalNormWorkspace(count: Int) -> Int { (count + Self.normPart - 1) / Self.normPart * 8 }

    public func beginUpdate(state: Tensor) {
        launch("begin_update", of: .stepState, .wide, [.tensor(state)], blocks: 1, block: 1)
    }

    public func adamwUpdate(
        parameter: Tensor, gradient: Tensor, expAvg: Tensor, expAvgSq: Tensor, copy: Tensor?, state: Tensor, group: AdamWGroup
    ) {
        let count = parameter.count
        precondition(
            gradient.count == count && expAvg.count == count && expAvgSq.count == count
                && copy.map { $0.count == count && $0.dtype == .bfloat16 } ?? true, "AdamW of \(parameter.shape)")
        loop(
            "adamw_update", of: .adamwUpdate, .wide, count,
            [
                .tensor(parameter), .tensor(gradient), .tensor(expAvg), .tensor(expAvgSq), .optional(copy), .tensor(state),
                .long(count), .double(group.beta1), .double(group.beta2), .double(group.epsilon), .double(group.weightDecay),
                .double(group.learningRateMultiplier), .int(0), .unsignedLong(0), .int(0),
            ], perBlock: 4096)
    }
}
