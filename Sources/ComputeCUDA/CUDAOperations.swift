// SPDX-License-Identifier: MIT
import Compute

// Embedding, norm, activation, dropout, residual: each call names its shapes to one or two kernels (docs/gpu-kernels.md).
extension CUDABackend {
    public func embeddingForward(out: Tensor, tokens: Tensor, positions: Tensor, wte: Tensor, wpe: Tensor) {
        let (rows, width) = (tokens.count, wte.matrix.width)
        precondition(out.count == rows * width && positions.count == rows, "embedding of \(rows) tokens into \(out.shape)")
        [out, wte, wpe].forEach { $0.require(.float32) }
        [tokens, positions].forEach { $0.require(.int32) }
        launch(
            "embedding_forward", of: .embeddingForward, .wide,
            [.tensor(out), .tensor(tokens), .tensor(positions), .tensor(wte), .tensor(wpe), .int(rows), .int(width)],
            blocks: (rows + 7) / 8)
    }

    public func embeddingBackward(dwte: Tensor, dwpe: Tensor, dout: Tensor, tokens: Tensor, positions: Tensor) {
        let (rows, width) = (tokens.count, dwte.matrix.width)
        precondition(dout.count == rows * width && positions.count == rows, "gradient \(dout.shape) of \(rows) tokens")
        [dout, dwte, dwpe].forEach { $0.require(.float32) }
        for (table, indices) in [(dwte, tokens), (dwpe, positions)] {
            launch(
                "embedding_backward", of: .embeddingBackward, .wide,
                [.tensor(table), .tensor(dout), .tensor(indices), .int(rows), .int(width)], blocks: min(max(rows / 16, 1), 1024),
                rows: (width + 255) / 256)
        }
    }

    // MARK: Norm

    public func layernormForward(out: Tensor, mean: Tensor, rstd: Tensor, x: Tensor, weight: Tensor, bias: Tensor?) {
        let width = weight.count, rows = x.count / max(1, width)
        precondition(
            out.count == x.count && rows * width == x.count && mean.count >= rows && rstd.count >= rows,
            "layernorm of \(x.shape) by weights of \(width) into \(out.shape)")
        launch(
            "layernorm_forward", of: .layernormForward, .act(out),
            [
                .tensor(out), .tensor(mean), .tensor(rstd), .tensor(x), .tensor(weight), .optional(bias), .int(rows), .int(width),
            ], blocks: (rows + 7) / 8)
    }

    public func layernormBackward(
        dx: Tensor, dweight: Tensor, dbias: Tensor?, dout: Tensor, x: Tensor, weight: Tensor, mean: Tensor, rstd: Tensor,
        workspace: Tensor
    ) {
        let width = weight.count, rows = x.count / max(1, width)
        precondition(dout.count == x.count && dx.count == x.count && dweight.count == width, "layernorm gradient of \(x.shape)")
        requireWorkspace(workspace, layernormBackwardWorkspace(rows: rows, width: width))
        let cut = Self.layernormRows(rows), blocks = (rows + cut - 1) / cut
        launch(
            "layernorm_backward", of: .layernormBackward, .act(dout),
            [
                .tensor(dx), .tensor(workspace), .tensor(dout), .tensor(x), .tensor(weight), .tensor(mean), .tensor(rstd),
                .int(rows), .int(width), .int(cut),
            ], blocks: blocks)
        launch(
            "column_combine", of: .columnSums, .act(dout),
            [.tensor(dweight), .optional(dbias), .tensor(workspace), .int(blocks), .int(2), .int(width)],
            blocks: blocks == 0 ? 0 : (width + 31) / 32, rows: 2)
    }

    /// Rows whose weight gradients one block adds up.
    private static func layernormRows(_ rows: Int) -> Int { max(16, (rows + 511) / 512) }

    public func layernormBackwardWorkspace(rows: Int, width: Int) -> Int {
        let cut = Self.layernormRows(rows)
        return (rows + cut - 1) / cut * 2 * width * 4
    }

    // MARK: Elementwise

    public func activationForward(out: Tensor, x: Tensor, _ activation: Activation) {
        precondition(out.count == x.count && out.dtype == x.dtype, "activation of \(x.shape) into \(out.shape)")
        loop(
            "activation_forward", of: .activation, .act(x), x.count,
            [.tensor(out), .tensor(x), .long(x.count), .int(activation.kernelNumber)])
    }

    public func activationBackward(dx: Tensor, dout: Tensor, x: Tensor, _ activation: Activation) {
        precondition(
            dx.count == x.count && dout.count == x.count && dx.dtype == x.dtype && dout.dtype == x.dtype,
            "activation gradient of \(x.shape)")
        loop(
            "activation_backward", of: .activation, .act(x), x.count,
            [.tensor(dx), .tensor(dout), .tensor(x), .long(x.count), .int(activation.kernelNumber)])
    }

    public func dropout(_ x: Tensor, rowsPerSample: Int, _ dropout: Dropout) {
        loop(
            "dropout", of: .dropout, .act(x), x.count,
            [
                .tensor(x), .long(x.count), .long(rowsPerSample * x.matrix.width), .dropout(dropout), .tensor(dropout.state),
            ])
    }

    public func residualAdd(out: Tensor, a: Tensor, b: Tensor) {
        precondition(out.count == a.count && a.count == b.count, "sum of \(a.shape) and \(b.shape)")
        [out, a].forEach { $0.require(.float32) }
        loop("residual_add", of: .residualAdd, .act(b), b.count, [.tensor(out), .tensor(a), .tensor(b), .long(b.count)])
    }

    public func copyHeads(from source: HeadView, to destination: HeadView, batch: Int, tokens: Int, heads: Int, headSize: Int) {
        copyHeads(source, destination, batch, tokens, heads, headSize, firstToken: 0)
    }

    /// - Parameter firstToken: address of an int32 by so many tokens the destination starts later; 0: by none
    func copyHeads(
        _ source: HeadView, _ destination: HeadView, _ batch: Int, _ tokens: Int, _ heads: Int, _ headSize: Int, firstToken: UInt
    ) {
        precondition(source.tensor.dtype == destination.tensor.dtype, "heads copied between dtypes")
        let count = batch * tokens * heads * headSize
        loop(
            "copy_heads", of: .copyHeads, .act(source.tensor), count,
            [
                .heads(destination), .heads(source), .int(batch), .int(tokens), .int(heads), .int(headSize), .address(firstToken),
            ])
    }

    func requireWorkspace(_ workspace: Tensor, _ bytes: Int) {
        precondition(workspace.byteCount >= bytes, "a workspace of \(workspace.byteCount) bytes where \(bytes) are needed")
    }
}

extension Activation {
    /// The kernels' name for it.
    var kernelNumber: Int { self == .gelu ? 0 : 1 }
}
