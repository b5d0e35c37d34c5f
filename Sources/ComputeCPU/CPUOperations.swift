// SPDX-License-Identifier: MIT
import CKernels
import Compute

// Embedding, norm, activation, dropout, residual and attention: each call names its shapes to one C kernel.
extension CPUBackend {
    public func embeddingForward(out: Tensor, tokens: Tensor, positions: Tensor, wte: Tensor, wpe: Tensor) {
        let (rows, width) = (tokens.count, wte.matrix.width)
        precondition(out.count == rows * width && positions.count == rows, "embedding of \(rows) tokens into \(out.shape)")
        apus_embedding_forward(pool, isa, out.floats, tokens.words, positions.words, wte.floats, wpe.floats, rows, width)
    }

    public func embeddingBackward(dwte: Tensor, dwpe: Tensor, dout: Tensor, tokens: Tensor, positions: Tensor) {
        let (rows, width) = (tokens.count, dwte.matrix.width)
        precondition(dout.count == rows * width && positions.count == rows, "gradient \(dout.shape) of \(rows) tokens")
        apus_embedding_backward(pool, isa, dwte.floats, dwpe.floats, dout.floats, tokens.words, positions.words, rows, width)
    }

    public func layernormForward(out: Tensor, mean: Tensor, rstd: Tensor, x: Tensor, weight: Tensor, bias: Tensor?) {
        let width = weight.count, rows = x.count / max(1, width)
        precondition(
            out.count == x.count && rows * width == x.count && mean.count >= rows && rstd.count >= rows,
            "layernorm of \(x.shape) by weights of \(width) into \(out.shape)")
        apus_layernorm_forward(
            pool, isa, out.pointer, out.kernelDType, mean.floats, rstd.floats, x.floats, weight.floats, bias?.floats, rows, width)
    }

    public func layernormBackward(
        dx: Tensor, dweight: Tensor, dbias: Tensor?, dout: Tensor, x: Tensor, weight: Tensor, mean: Tensor, rstd: Tensor,
        workspace: Tensor
    ) {
        let width = weight.count, rows = x.count / max(1, width)
        precondition(dout.count == x.count && dx.count == x.count && dweight.count == width, "layernorm gradient of \(x.shape)")
        requireWorkspace(workspace, layernormBackwardWorkspace(rows: rows, width: width))
        apus_layernorm_backward(
            pool, isa, dx.floats, dweight.floats, dbias?.floats, dout.pointer, dout.kernelDType, x.floats, weight.floats,
            mean.floats, rstd.floats, rows, width, workspace.pointer)
    }

    public func layernormBackwardWorkspace(rows: Int, width: Int) -> Int { apus_layernorm_backward_workspace(rows, width) }

    public func activationForward(out: Tensor, x: Tensor, _ activation: Activation) {
        precondition(out.count == x.count && out.dtype == x.dtype, "activation of \(x.shape) into \(out.shape)")
        apus_activation_forward(pool, isa, out.pointer, x.pointer, x.kernelDType, activation.kernel, x.count)
    }

    public func activationBackward(dx: Tensor, dout: Tensor, x: Tensor, _ activation: Activation) {
        precondition(
            dx.count == x.count && dout.count == x.count && dx.dtype == x.dtype && dout.dtype == x.dtype,
            "activation gradient of \(x.shape)")
        apus_activation_backward(pool, isa, dx.pointer, dout.pointer, x.pointer, x.kernelDType, activation.kernel, x.count)
    }

    public func dropout(_ x: Tensor, rowsPerSample: Int, _ dropout: Dropout) {
        let (rows, width) = x.matrix
        precondition(rowsPerSample > 0 && rows % rowsPerSample == 0, "\(rows) rows are not whole samples of \(rowsPerSample)")
        apus_dropout(pool, isa, x.pointer, x.kernelDType, x.count, rowsPerSample * width, dropout.kernel)
    }

    public func residualAdd(out: Tensor, a: Tensor, b: Tensor) {
        precondition(out.count == a.count && a.count == b.count, "residual add of \(a.shape) and \(b.shape)")
        apus_residual_add(pool, isa, out.floats, a.floats, b.pointer, b.kernelDType, a.count)
    }

    public func attentionForward(
        out: HeadView, lse: Tensor?, q: HeadView, k: HeadView, v: HeadView, shape: AttentionShape, dropout: Dropout?
    ) {
        var attention = kernelShape(shape, q, dropout)
        apus_attention_forward(
            pool, isa, &attention, out.heads(shape, shape.queryLength), lse?.floats, q.heads(shape, shape.queryLength),
            k.heads(shape, shape.keyLength), v.heads(shape, shape.keyLength), scratch)
    }

    public func attentionBackward(
        dq: HeadView, dk: HeadView, dv: HeadView, dout: HeadView, out: HeadView, lse: Tensor,
        q: HeadView, k: HeadView, v: HeadView, shape: AttentionShape, dropout: Dropout?, workspace: Tensor
    ) {
        requireWorkspace(workspace, attentionBackwardWorkspace(shape))
        var attention = kernelShape(shape, q, dropout)
        let queries = shape.queryLength, keys = shape.keyLength
        apus_attention_backward(
            pool, isa, &attention, dq.heads(shape, queries), dk.heads(shape, keys), dv.heads(shape, keys),
            dout.heads(shape, queries), out.heads(shape, queries), lse.floats, q.heads(shape, queries), k.heads(shape, keys),
            v.heads(shape, keys), scratch, workspace.pointer)
    }

    public func copyHeads(from source: HeadView, to destination: HeadView, batch: Int, tokens: Int, heads: Int, headSize: Int) {
        precondition(source.tensor.dtype == destination.tensor.dtype, "heads are copied between tensors of one dtype")
        let shape = AttentionShape(batch: batch, queryLength: tokens, keyLength: tokens, heads: heads, headSize: headSize)
        apus_copy_heads(
            pool, destination.heads(shape, tokens), source.heads(shape, tokens), source.tensor.kernelDType, batch, tokens, heads,
            headSize)
    }

    public func attentionBackwardWorkspace(_ shape: AttentionShape) -> Int {
        var attention = apus_attention_t()
        attention.set(shape)
        return apus_attention_backward_workspace(&attention, Int32(threadCount))
    }

    private func kernelShape(_ shape: AttentionShape, _ q: HeadView, _ dropout: Dropout?) -> apus_attention_t {
        precondition(
            shape.queryLength <= shape.keyLength, "\(shape.queryLength) queries at the end of \(shape.keyLength) keys")
        precondition(
            shape.headSize > 0 && shape.headSize <= APUS_ATTENTION_LARGEST_HEAD,
            "heads of \(shape.headSize), largest \(APUS_ATTENTION_LARGEST_HEAD)")
        var attention = apus_attention_t()
        attention.set(shape)
        attention.dtype = q.tensor.kernelDType
        if let dropout { attention.dropout = dropout.kernel }
        return attention
    }

    func requireWorkspace(_ workspace: Tensor, _ bytes: Int) {
        precondition(workspace.byteCount >= bytes, "a workspace of \(workspace.byteCount) bytes where \(bytes) are needed")
    }
}

extension apus_attention_t {
    fileprivate mutating func set(_ shape: AttentionShape) {
        (batch, heads, head_size) = (shape.batch, shape.heads, shape.headSize)
        (query_length, key_length, scale) = (shape.queryLength, shape.keyLength, shape.scale)
    }
}

extension HeadView {
    /// The kernels' form of a view, after a check that all its elements lie within the tensor.
    fileprivate func heads(_ shape: AttentionShape, _ length: Int) -> apus_heads_t {
        let last =
            start + max(0, shape.batch - 1) * batchStride + max(0, length - 1) * tokenStride
            + max(0, shape.heads - 1) * headStride + shape.headSize
        precondition(start >= 0 && last <= tensor.count, "heads up to element \(last) of a tensor of \(tensor.count)")
        return apus_heads_t(
            data: tensor.pointer?.advanced(by: start * tensor.dtype.size), batch_stride: batchStride, token_stride: tokenStride,
            head_stride: headStride)
    }
}

extension Activation {
    var kernel: apus_activation_t {
        switch self {
        case .gelu: APUS_ACTIVATION_GELU
        case .geluTanh: APUS_ACTIVATION_GELU_TANH
        }
    }
}

extension Dropout {
    /// The kernels' form: the threshold is rounded up, so that a word is below it when it is below probability x 2^32.
    fileprivate var kernel: apus_dropout_t {
        let p = min(max(probability, 0), 1)
        let threshold = UInt32(min((p * 0x1p32).rounded(.up), 0x1p32 - 1))
        let sample = state.doubles[StepState.sampleIndex.rawValue]
        return apus_dropout_t(
            seed: seed, site: site, threshold: threshold, scale: p < 1 ? Float(1 / (1 - p)) : 0,
            first_sample: UInt64(max(0, min(sample.isFinite ? sample : 0, 0x1p53))))
    }
}
