// SPDX-License-Identifier: MIT
import Compute

/// Which kernels an attention is for.
enum AttentionKernels {
    /// Largest head of any kernel.
    static let largestHead = 256
    /// A launch's second dimension: sequences times heads.
    static let largestGrid = 65_535
    /// Up to this many queries are decoding, which the row kernels do faster.
    static let decodingQueries = 8

    /// The tensor-core kernels, for heads of 16, 32, ... 128 in bfloat16; nil for others.
    static func tiledVariant(_ dtype: DType, _ headSize: Int) -> KernelVariant? {
        dtype == .bfloat16 && headSize % 16 == 0 && (16...128).contains(headSize)
            ? KernelVariant(isBFloat16: true, head: headSize) : nil
    }

    /// One row a block, for everything else.
    static func rowsVariant(_ dtype: DType, _ headSize: Int) -> KernelVariant {
        let slots = [1, 2, 3, 4, 8].first { $0 * 32 >= headSize } ?? 8
        return KernelVariant(isBFloat16: dtype == .bfloat16, head: slots)
    }

    /// The variant of the tensor-core kernels for a call, when all its views lie as they need it.
    static func tiled(_ shape: AttentionShape, _ views: [HeadView]) -> KernelVariant? {
        guard shape.queryLength > decodingQueries, let dtype = views.first?.tensor.dtype,
            let variant = tiledVariant(dtype, shape.headSize)
        else { return nil }
        let fits = views.allSatisfy {
            $0.address % 16 == 0 && $0.batchStride % 8 == 0 && $0.tokenStride % 8 == 0 && $0.headStride % 8 == 0
        }
        return fits ? variant : nil
    }

    /// Keys that a block of the backward that adds atomically owns; the block has twice as many threads.
    static func fastKeys(_ headSize: Int) -> Int { headSize <= 96 ? 128 : 64 }
    static func fastShared(_ headSize: Int) -> Int {
        let row = headSize + 8, keys = fastKeys(headSize) * row, gradients = fastKeys(headSize) * 72
        let values = headSize <= 64 ? max(keys, gradients) : keys + gradients
        return 2 * (keys + values + (headSize <= 64 ? 4 : 2) * 64 * row) + 512
    }
    /// Bytes of the sums that dq is made from, and where they begin behind the deltas.
    static func fastSums(_ shape: AttentionShape) -> (start: Int, byteCount: Int) {
        let rows = shape.batch * shape.heads, tiles = (shape.queryLength + 63) / 64
        return ((rows * shape.queryLength * 4 + 255) / 256 * 256, rows * tiles * 64 * shape.headSize * 4)
    }

    /// Stages of the backward kernels' pipelines.
    private static func stages(_ headSize: Int) -> Int { headSize > 32 ? 1 : 2 }
    static func forwardShared(_ headSize: Int) -> Int { 640 * (headSize + 8) }
    static func queriesShared(_ headSize: Int) -> Int { 128 * (2 + 2 * stages(headSize)) * (headSize + 8) }
    static func decodeShared(_ headSize: Int) -> Int { 64 * (headSize + 2) }
    static func keysShared(_ headSize: Int) -> Int { queriesShared(headSize) + 512 }
}

extension CUDABackend {
    public func attentionForward(
        out: HeadView, lse: Tensor?, q: HeadView, k: HeadView, v: HeadView, shape: AttentionShape, dropout: Dropout?
    ) {
        guard check(shape, [(out, shape.queryLength), (q, shape.queryLength), (k, shape.keyLength), (v, shape.keyLength)]) else {
            return
        }
        if shape.queryLength <= AttentionKernels.decodingQueries, lse == nil, dropout == nil {
            return decode(out, q, k, v, shape, length: 0)
        }
        let before: [KernelParameter] = [
            .heads(out), .optional(lse), .heads(q), .heads(k), .heads(v), .int(shape.heads), .int(shape.queryLength),
            .int(shape.keyLength),
        ]
        let after: [KernelParameter] = [.float(shape.scale), .dropout(dropout), .optional(dropout?.state)]
        let size = shape.headSize, rows = shape.batch * shape.heads
        if let variant = AttentionKernels.tiled(shape, [out, q, k, v]) {
            launch(
                "attention_forward", of: .attentionForward, variant, before + after, blocks: (shape.queryLength + 63) / 64,
                rows: rows, block: 128, shared: AttentionKernels.forwardShared(size))
        } else {
            let block = shape.queryLength <= AttentionKernels.decodingQueries ? 512 : 128
            launch(
                "attention_rows_forward", of: .attentionRowsForward, AttentionKernels.rowsVariant(q.tensor.dtype, size),
                before + [.int(size)] + after, blocks: shape.queryLength, rows: rows, block: block,
                shared: block / 32 * 4 * (size + 2) + 4 * size)
        }
    }

    /// A few queries at the end of a cache.
    ///
    /// - Parameter length: address of an int32, how many tokens the cache has before these; 0: as many as the shape says
    func decode(_ out: HeadView, _ q: HeadView, _ k: HeadView, _ v: HeadView, _ shape: AttentionShape, length: UInt) {
        launch(
            "attention_decode", of: .attentionDecode, .act(q.tensor),
            [
                .heads(out), .heads(q), .heads(k), .heads(v), .int(shape.heads), .int(shape.queryLength), .int(shape.keyLength),
                .address(length), .int(shape.headSize), .float(shape.scale),
            ], blocks: shape.queryLength, rows: shape.batch * shape.heads, block: 512,
            shared: AttentionKernels.decodeShared(shape.headSize))
    }

    public func attentionBackward(
        dq: HeadView, dk: HeadView, dv: HeadView, dout: HeadView, out: HeadView, lse: Tensor,
        q: HeadView, k: HeadView, v: HeadView, shape: AttentionShape, dropout: Dropout?, workspace: Tensor
    ) {
        let queries = [dq, dout, out, q].map { ($0, shape.queryLength) }
        guard check(shape, queries + [dk, dv, k, v].map { ($0, shape.keyLength) }) else { return }
        requireWorkspace(workspace, attentionBackwardWorkspace(shape))
        let size = shape.headSize, rows = shape.batch * shape.heads
        launch(
            "attention_delta", of: .attentionDelta, .act(out.tensor),
            [
                .tensor(workspace), .heads(dout), .heads(out), .int(shape.batch), .int(shape.heads), .int(shape.queryLength),
                .int(size),
            ], blocks: (rows * shape.queryLength + 7) / 8)
        let inputs: [KernelParameter] = [
            .heads(dout), .heads(q), .heads(k), .heads(v), .tensor(lse), .tensor(workspace), .int(shape.heads),
            .int(shape.queryLength), .int(shape.keyLength),
        ]
        let after: [KernelParameter] = [.float(shape.scale), .dropout(dropout), .optional(dropout?.state)]
        let variant = AttentionKernels.tiled(shape, [dq, dk, dv, dout, q, k, v])
        if let variant, !isDeterministic {
            let place = AttentionKernels.fastSums(shape), keys = AttentionKernels.fastKeys(size)
            let sums = Tensor(
                memory: workspace.memory, offset: workspace.offset + place.start, dtype: .uint8, shape: [place.byteCount])
            fillZero(sums)
            launch(
                "attention_backward_fast", of: .attentionBackwardFast, variant,
                [.tensor(sums), .heads(dk), .heads(dv)] + inputs + after, blocks: (shape.keyLength + keys - 1) / keys, rows: rows,
                block: 2 * keys, shared: AttentionKernels.fastShared(size))
            launch(
                "attention_backward_dq", of: .attentionBackwardFast, variant,
                [.heads(dq), .tensor(sums), .int(shape.heads), .int(shape.queryLength), .float(shape.scale)],
                blocks: (shape.queryLength + 63) / 64, rows: rows, block: 128)
        } else if let variant {
            launch(
                "attention_backward_keys", of: .attentionBackwardKeys, variant, [.heads(dk), .heads(dv)] + inputs + after,
                blocks: (shape.keyLength + 63) / 64, rows: rows, block: 128, shared: AttentionKernels.keysShared(size))
            launch(
                "attention_backward_queries", of: .attentionBackwardQueries, variant, [.heads(dq)] + inputs + after,
                blocks: (shape.queryLength + 63) / 64, rows: rows, block: 128, shared: AttentionKernels.queriesShared(size))
        } else {
            let variant = AttentionKernels.rowsVariant(q.tensor.dtype, size), middle: [KernelParameter] = [.int(size)]
            launch(
                "attention_rows_backward_queries", of: .attentionRowsBackward, variant, [.heads(dq)] + inputs + middle + after,
                blocks: shape.queryLength, rows: rows, block: 128, shared: 4 * 4 * size + 8 * size)
            launch(
                "attention_rows_backward_keys", of: .attentionRowsBackward, variant,
                [.heads(dk), .heads(dv)] + inputs + middle + after, blocks: shape.keyLength, rows: rows, block: 128,
                shared: 4 * 8 * size + 8 * size)
        }
    }

    public func attentionBackwardWorkspace(_ shape: AttentionShape) -> Int {
        let place = AttentionKernels.fastSums(shape), isTiled = (16...128).contains(shape.headSize) && shape.headSize % 16 == 0
        // The dtype is not known here; float32 has no use for the sums.
        return isDeterministic || !isTiled
            ? shape.batch * shape.heads * shape.queryLength * 4 : place.start + place.byteCount
    }

    /// Whether there is a kernel for an attention: a user's sizes must not trap.
    func check(_ shape: AttentionShape, _ views: [(view: HeadView, length: Int)]) -> Bool {
        precondition(
            shape.queryLength <= shape.keyLength, "\(shape.queryLength) queries at the end of \(shape.keyLength) keys")
        for (view, length) in views {
            let last =
                view.start + max(0, shape.batch - 1) * view.batchStride + max(0, length - 1) * view.tokenStride
                + max(0, shape.heads - 1) * view.headStride + shape.headSize
            precondition(
                view.start >= 0 && last <= view.tensor.count, "heads up to element \(last) of a tensor of \(view.tensor.count)")
        }
        if shape.headSize > AttentionKernels.largestHead {
            device.fail(
                .unsupported(
                    "heads of \(shape.headSize) are too large for the GPU's kernels (at most \(AttentionKernels.largestHead)): raise n_head "
                        + "or lower n_embd"))
            return false
        }
        if shape.batch * shape.heads > AttentionKernels.largestGrid {
            device.fail(
                .unsupported(
                    "batch_size \(shape.batch) x n_head \(shape.heads) is above \(AttentionKernels.largestGrid), the most that one launch "
                        + "takes: lower batch_size and raise gradient_accumulation_steps"))
            return false
        }
        return true
    }
}
