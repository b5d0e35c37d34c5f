// SPDX-License-Identifier: MIT
import Compute

// What a step of generation needs besides the operations of every pass (docs/gpu-kernels.md).
extension CUDABackend: DecodingBackend {
    public func copyHeads(
        from source: HeadView, to destination: HeadView, batch: Int, tokens: Int, heads: Int, headSize: Int, state: Tensor
    ) {
        copyHeads(source, destination, batch, tokens, heads, headSize, firstToken: address(of: .length, in: state))
    }

    public func attentionForward(out: HeadView, q: HeadView, k: HeadView, v: HeadView, shape: AttentionShape, state: Tensor) {
        precondition(
            shape.queryLength <= AttentionKernels.decodingQueries, "\(shape.queryLength) queries are too many for decoding")
        guard check(shape, [(out, shape.queryLength), (q, shape.queryLength), (k, shape.keyLength), (v, shape.keyLength)]) else {
            return
        }
        decode(out, q, k, v, shape, length: address(of: .length, in: state))
    }

    public func chooseTokens(tokens: Tensor, history: Tensor?, logits: Tensor, choice: TokenChoice, state: Tensor) {
        let (rows, width) = logits.matrix
        precondition(tokens.count == rows && (1...width).contains(choice.choices), "\(choice.choices) choices of \(logits.shape)")
        precondition(history.map { $0.matrix.rows == rows } ?? true, "a history of other than \(rows) texts")
        logits.require(.float32)
        ([tokens] + (history.map { [$0] } ?? [])).forEach { $0.require(.int32) }
        guard choice.choices <= Self.mostChoices else {
            return device.fail(.unsupported("the GPU chooses among at most \(Self.mostChoices) tokens, not \(choice.choices)"))
        }
        launch(
            "choose_tokens", of: .chooseTokens, .wide,
            [
                .tensor(tokens), .optional(history), .int(history?.matrix.width ?? 0), .tensor(logits), .int(width),
                .int(choice.choices), .address(address(of: .length, in: state)), .double(choice.temperature),
                .int(min(choice.topK, Int(Int32.max))), .double(choice.topP), .unsignedLong(choice.seed),
            ], blocks: rows, block: 512)
    }

    public func advanceDecoding(state: Tensor, positions: Tensor) {
        positions.require(.int32)
        launch(
            "advance_decoding", of: .chooseTokens, .wide,
            [.address(address(of: .length, in: state)), .tensor(positions), .int(positions.count)], blocks: 1)
    }

    /// Sums of so many weights of 2^44 stay below 2^63.
    private static let mostChoices = 1 << 19

    private func address(of index: DecodingState, in state: Tensor) -> UInt {
        state.require(.int32)
        precondition(state.count >= DecodingState.count, "a decoding state of \(state.count) numbers")
        return state.address + UInt(index.rawValue * 4)
    }
}
