// SPDX-License-Identifier: MIT

/// The operations that a GPT needs, on one device.
///
/// Operations only enqueue: they run in order, and nothing but `read` and `synchronize` waits for them. On the CPU they
/// have run when they return. None allocates; workspaces are arguments, their sizes given by the `...Workspace` functions.
///
/// Letters in shapes: R rows (B * T, one a token), C width, V vocabulary rows, K and N a matrix's inner and outer size.
/// "act" is the activation dtype: float32 or bfloat16. Sums, softmax, norm statistics and gradients of parameters are
/// float32 or wider everywhere. Shapes and dtypes are the caller's contract: a wrong one is a programming error.
public protocol Backend: AnyObject, Sendable {
    /// The device as people name it, such as "AMD EPYC 9B45, 2 threads".
    var deviceName: String { get }
    /// The kernels in use, such as "avx512-bf16".
    var kernelName: String { get }
    var threadCount: Int { get }

    // MARK: Memory

    /// Gives memory filled with zeros.
    ///
    /// - Throws: `MemoryError` when the device has not that much.
    func allocate(byteCount: Int) throws -> DeviceMemory
    /// Bytes that can still be allocated, as far as the system tells; nil when it does not.
    var availableBytes: Int? { get }
    /// Copies host bytes into a tensor, in order with the operations; the host bytes may change afterwards.
    func write(_ bytes: UnsafeRawBufferPointer, to tensor: Tensor)
    /// Waits for everything before it, then copies a tensor to the host.
    ///
    /// Operations have no way to fail of their own: a device that failed in one says so here, and from then on always.
    /// - Throws: what happened to the device; the bytes are then not to be used, and nothing computed since the last read counts.
    func read(_ tensor: Tensor, into bytes: UnsafeMutableRawBufferPointer) throws
    /// A tensor's own bytes, where the host sees the device's memory and operations have run when they return; nil where it must `read`.
    ///
    /// They are the tensor's until the next operation, and live as long as its memory.
    func hostBytes(of tensor: Tensor) -> UnsafeRawBufferPointer?
    func synchronize()
    /// Runs work of the host's own for each number below `count`, on the threads that the operations use where those are the host's;
    /// returns when all is done.
    func forEach(_ count: Int, _ body: @Sendable (Int) -> Void)
    /// Whether operations run behind the host, so that it pays to enqueue the next ones before the last ones' results are read.
    var worksAhead: Bool { get }
    /// Host memory that tensors can be copied into without anybody waiting.
    ///
    /// - Parameters:
    ///   - byteCount: its size
    ///   - besideWork: copy beside the operations that follow, for much; otherwise between them, for little
    /// - Throws: `MemoryError` when the system does not give it.
    func makeReadback(byteCount: Int, besideWork: Bool) throws -> any Readback
    /// Enqueues what `enqueue` does. A device may record it the first times and replay the record later, which is faster.
    ///
    /// Under one `work`, `enqueue` must enqueue the same operations on the same tensors with the same values every time;
    /// what changes comes from tensors, such as the step state. It must not write, read or allocate.
    func repeated(_ work: RepeatedWork, _ enqueue: () -> Void)
    /// Writes one scalar of the step state.
    func writeScalar(_ value: Double, to state: Tensor, _ index: StepState)
    /// Fills a tensor with zeros.
    func fillZero(_ tensor: Tensor)
    /// Copies between tensors of one count, converting between float32 and bfloat16 (nearest even).
    func convert(from source: Tensor, to destination: Tensor)

    // MARK: Embedding

    /// out[r] = wte[tokens[r]] + wpe[positions[r]]
    ///
    /// - Parameters:
    ///   - out: float32 [R, C]
    ///   - tokens: int32 [R], each below V
    ///   - positions: int32 [R], each below block size
    ///   - wte: float32 [V, C]
    ///   - wpe: float32 [block size, C]
    func embeddingForward(out: Tensor, tokens: Tensor, positions: Tensor, wte: Tensor, wpe: Tensor)
    /// Adds rows of dout to the rows of dwte and dwpe they came from, in a fixed order.
    func embeddingBackward(dwte: Tensor, dwpe: Tensor, dout: Tensor, tokens: Tensor, positions: Tensor)

    // MARK: Norm, activation, dropout

    /// out = (x - mean) * rstd * weight + bias over the last dimension, epsilon 1e-5.
    ///
    /// - Parameters:
    ///   - out: act [R, C]
    ///   - mean: float32 [R], written; with rstd the backward needs it
    ///   - rstd: float32 [R], written: one over the standard deviation
    ///   - x: float32 [R, C]
    ///   - weight: float32 [C]
    ///   - bias: float32 [C]
    func layernormForward(out: Tensor, mean: Tensor, rstd: Tensor, x: Tensor, weight: Tensor, bias: Tensor?)
    /// Adds to dx, dweight and dbias what dout gives.
    ///
    /// - Parameters:
    ///   - dx: float32 [R, C]
    ///   - dweight: float32 [C]
    ///   - dbias: float32 [C]
    ///   - dout: act [R, C]
    ///   - x: float32 [R, C], the forward's input
    ///   - weight: float32 [C]
    ///   - mean: float32 [R], as the forward wrote it
    ///   - rstd: float32 [R], as the forward wrote it
    ///   - workspace: `layernormBackwardWorkspace` bytes
    func layernormBackward(
        dx: Tensor, dweight: Tensor, dbias: Tensor?, dout: Tensor, x: Tensor, weight: Tensor, mean: Tensor, rstd: Tensor,
        workspace: Tensor)
    /// Bytes that `layernormBackward` needs for the partial sums of so many rows.
    func layernormBackwardWorkspace(rows: Int, width: Int) -> Int
    /// out = activation(x), both act of one shape.
    func activationForward(out: Tensor, x: Tensor, _ activation: Activation)
    /// dx = dout * activation'(x); dx may be dout.
    func activationBackward(dx: Tensor, dout: Tensor, x: Tensor, _ activation: Activation)
    /// x = x * mask / (1 - p) in place, act or float32 [R, C]; row r belongs to sample r / rowsPerSample of the micro-batch,
    /// its element is (r % rowsPerSample) * C + c. The backward is the same operation on the gradient.
    func dropout(_ x: Tensor, rowsPerSample: Int, _ dropout: Dropout)
    /// out = a + b, out and a float32, b act; out may be a.
    func residualAdd(out: Tensor, a: Tensor, b: Tensor)

    // MARK: Matrix products

    /// out[R, N] = epilogue(x[R, K] weight[N, K]^T + bias[N])
    ///
    /// - Parameters:
    ///   - out: act or float32 [R, N]
    ///   - x: act [R, K]
    ///   - weight: of x's dtype [N, K]
    ///   - bias: float32 [N]
    ///   - epilogue: what is done to a result before it is written
    func matmulForward(out: Tensor, x: Tensor, weight: Tensor, bias: Tensor?, epilogue: Epilogue)
    /// dx[R, K] = dout[R, N] weight[N, K], times activation'(preactivation) when given.
    func matmulBackwardInput(dx: Tensor, dout: Tensor, weight: Tensor, activation: (Activation, preactivation: Tensor)?)
    /// dweight[N, K] += dout[R, N]^T x[R, K] in float32; dbias[N] += sum of dout's rows.
    func matmulBackwardWeight(dweight: Tensor, dbias: Tensor?, dout: Tensor, x: Tensor)

    // MARK: Attention

    /// Causal softmax attention without a T x T matrix in memory.
    ///
    /// - Parameters:
    ///   - out: act, viewed as [B, T, NH, HS]
    ///   - lse: float32 [B, NH, T], the log of each softmax denominator; nil when no backward follows
    ///   - q: act, viewed as [B, T, NH, HS]
    ///   - k: the same
    ///   - v: the same
    ///   - shape: B, T, NH and HS
    ///   - dropout: of the softmax's weights; element (h * T + t) * T + s of sample b
    func attentionForward(
        out: HeadView, lse: Tensor?, q: HeadView, k: HeadView, v: HeadView, shape: AttentionShape, dropout: Dropout?)
    /// Writes dq, dk and dv.
    ///
    /// - Parameters:
    ///   - dq: act, viewed as [B, T, NH, HS], as all of these are
    ///   - dk: the gradient of k
    ///   - dv: the gradient of v
    ///   - dout: the gradient of out
    ///   - out: what the forward gave
    ///   - lse: float32 [B, NH, T], what the forward gave
    ///   - q: the forward's input
    ///   - k: the forward's input
    ///   - v: the forward's input
    ///   - shape: B, T, NH and HS
    ///   - dropout: the forward's
    ///   - workspace: `attentionBackwardWorkspace` bytes
    func attentionBackward(
        dq: HeadView, dk: HeadView, dv: HeadView, dout: HeadView, out: HeadView, lse: Tensor,
        q: HeadView, k: HeadView, v: HeadView, shape: AttentionShape, dropout: Dropout?, workspace: Tensor)
    /// Bytes that `attentionBackward` needs for its intermediate results.
    func attentionBackwardWorkspace(_ shape: AttentionShape) -> Int

    /// Copies [B, T, NH, HS] from one view to another of the same dtype: new keys and values into a cache.
    func copyHeads(from source: HeadView, to destination: HeadView, batch: Int, tokens: Int, heads: Int, headSize: Int)

    // MARK: Classifier

    /// losses[r] = -log softmax(x[r] weight^T)[targets[r]], by chunks of rows, so that the logits [R, V] never exist.
    ///
    /// - Parameters:
    ///   - losses: float32 [R], nats; 0 where the target is negative
    ///   - x: act [R, C]
    ///   - weight: of x's dtype [V, C]
    ///   - targets: int32 [R], each below V, or negative to leave the row out
    ///   - workspace: `classifierWorkspace` bytes
    func classifierForward(losses: Tensor, x: Tensor, weight: Tensor, targets: Tensor, workspace: Tensor)
    /// The same, and the gradient of scale * sum(losses): written to dx (act [R, C]), added to dweight (float32 [V, C]).
    func classifierForwardBackward(
        losses: Tensor, dx: Tensor, dweight: Tensor, x: Tensor, weight: Tensor, targets: Tensor, scale: Double, workspace: Tensor)
    /// Bytes that the classifier needs for the logits of a chunk of rows.
    func classifierWorkspace(rows: Int, width: Int, vocabulary: Int, dtype: DType) -> Int

    // MARK: The step's scalars and the optimizer

    /// state[.loss] += scale * sum(losses), summed in float64 in a fixed order.
    func accumulateLoss(state: Tensor, losses: Tensor, scale: Double)
    /// Sets gradNorm, finite and clipFactor of the state from the gradients (float32, one flat tensor) and the loss.
    ///
    /// - Parameters:
    ///   - state: `[StepState.count]` float64, written
    ///   - gradients: float32, all in one flat tensor
    ///   - workspace: `globalNormWorkspace` bytes.
    func globalNorm(state: Tensor, gradients: Tensor, workspace: Tensor)
    /// Bytes that `globalNorm` needs for the partial sums of so many gradients.
    func globalNormWorkspace(count: Int) -> Int
    /// Counts this update in the state (`updates` + 1) when the state says finite. Comes before the step's `adamwUpdate`s.
    func beginUpdate(state: Tensor)
    /// AdamW (decoupled decay, bias-corrected) on one parameter; does nothing when the state says not finite.
    ///
    /// p -= lr * decay * p, then m, v of clipFactor * gradient, p -= lr * m' / (sqrt(v') + epsilon), as PyTorch orders it.
    /// - Parameters:
    ///   - parameter: float32, updated
    ///   - gradient: float32 of the same count
    ///   - expAvg: float32 of the same count, the decaying mean of gradients, updated
    ///   - expAvgSq: float32 of the same count, the decaying mean of their squares, updated
    ///   - copy: bfloat16 of the same count, overwritten with the rounded parameter
    ///   - state: `[StepState.count]` float64: rate, clip factor, update count, whether the step is finite
    ///   - group: the betas, epsilon and decay of this parameter
    func adamwUpdate(
        parameter: Tensor, gradient: Tensor, expAvg: Tensor, expAvgSq: Tensor, copy: Tensor?, state: Tensor, group: AdamWGroup)
}

/// Names a sequence of operations that is enqueued again and again; belongs to one backend.
public final class RepeatedWork {
    /// What the backend keeps of it; freed with this.
    public var record: AnyObject?

    /// Starts with no record, so the first calls under it enqueue as usual.
    public init() {}
}

extension Backend {
    /// Enqueues anew every time; for devices that gain nothing from a record.
    public func repeated(_ work: RepeatedWork, _ enqueue: () -> Void) { enqueue() }

    /// One after the other.
    public func forEach(_ count: Int, _ body: @Sendable (Int) -> Void) { for index in 0..<count { body(index) } }

    /// Operations have run when they return.
    public var worksAhead: Bool { false }

    /// One whose `begin` waits for the copy.
    public func makeReadback(byteCount: Int, besideWork: Bool) throws -> any Readback {
        WaitingReadback(byteCount: byteCount, on: self)
    }

    /// Memory of its own.
    public func hostBytes(of tensor: Tensor) -> UnsafeRawBufferPointer? { nil }
}

/// Says how much memory was wanted and how much there is.
public struct MemoryError: Error, CustomStringConvertible, Equatable {
    /// Bytes asked for.
    public let wanted: Int
    /// Bytes that could still be had; nil when the system does not tell.
    public let available: Int?
    /// What to do; ends the message.
    public let advice: String

    public init(wanted: Int, available: Int?, advice: String) {
        self.wanted = wanted
        self.available = available
        self.advice = advice
    }

    public var description: String {
        let have = available.map { ", \(Self.text($0)) are available" } ?? ""
        return "not enough memory: \(Self.text(wanted)) are needed\(have); \(advice)"
    }

    /// "1.25 GB", in powers of ten.
    public static func text(_ bytes: Int) -> String {
        let value = Double(bytes)
        func round2(_ x: Double) -> String { String((x * 100).rounded() / 100) }
        if value >= 1e9 { return round2(value / 1e9) + " GB" }
        if value >= 1e6 { return round2(value / 1e6) + " MB" }
        return round2(value / 1e3) + " kB"
    }
}
