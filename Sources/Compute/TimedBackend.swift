// SPDX-License-Identifier: MIT

/// A backend that passes every operation on to another and notes how long it took and what it computed.
///
/// It waits after every operation, so a device that works ahead of the host is slowed down; on the CPU nothing changes.
public final class TimedBackend: Backend, @unchecked Sendable {
    // SAFETY: one thread drives a model and with it its backend; the notes are read between steps.

    /// What is known of the calls of one kind.
    public struct Entry: Sendable {
        public var calls = 0
        /// Of all calls together, the wait for the device included.
        public var seconds = 0.0
        /// Floating-point operations of matrix products; 0 for operations bound by memory.
        public var flops = 0.0

        public init(calls: Int = 0, seconds: Double = 0, flops: Double = 0) {
            self.calls = calls
            self.seconds = seconds
            self.flops = flops
        }
    }

    /// By operation, such as "matmul forward".
    public private(set) var entries: [String: Entry] = [:]
    private let base: any Backend
    private let clock = ContinuousClock()

    private let before: (String) -> Void

    /// Wraps a backend, whose operations are timed one by one.
    ///
    /// - Parameters:
    ///   - base: does the work
    ///   - before: called with the name of every operation that is noted, before it runs
    public init(_ base: any Backend, before: @escaping (String) -> Void = { _ in }) {
        self.base = base
        self.before = before
    }

    /// Forgets what was measured.
    public func reset() { entries = [:] }

    private func timed(_ name: String, flops: Double = 0, _ operation: () -> Void) {
        before(name)
        let time = clock.measure {
            operation()
            base.synchronize()
        }
        entries[name, default: Entry()].calls += 1
        entries[name, default: Entry()].seconds += time.seconds
        entries[name, default: Entry()].flops += flops
    }

    public var deviceName: String { base.deviceName }
    public var kernelName: String { base.kernelName }
    public var threadCount: Int { base.threadCount }
    public func allocate(byteCount: Int) throws -> DeviceMemory { try base.allocate(byteCount: byteCount) }
    public var availableBytes: Int? { base.availableBytes }
    public func forEach(_ count: Int, _ body: @Sendable (Int) -> Void) { base.forEach(count, body) }
    public func write(_ bytes: UnsafeRawBufferPointer, to tensor: Tensor) { base.write(bytes, to: tensor) }
    public func read(_ tensor: Tensor, into bytes: UnsafeMutableRawBufferPointer) throws { try base.read(tensor, into: bytes) }
    public func hostBytes(of tensor: Tensor) -> UnsafeRawBufferPointer? { base.hostBytes(of: tensor) }
    public func synchronize() { base.synchronize() }
    public func writeScalar(_ value: Double, to state: Tensor, _ index: StepState) { base.writeScalar(value, to: state, index) }

    public func fillZero(_ tensor: Tensor) { timed("fill zero") { base.fillZero(tensor) } }

    public func convert(from source: Tensor, to destination: Tensor) {
        timed("convert") { base.convert(from: source, to: destination) }
    }

    public func copyHeads(from source: HeadView, to destination: HeadView, batch: Int, tokens: Int, heads: Int, headSize: Int) {
        timed("copy heads") {
            base.copyHeads(from: source, to: destination, batch: batch, tokens: tokens, heads: heads, headSize: headSize)
        }
    }

    public func embeddingForward(out: Tensor, tokens: Tensor, positions: Tensor, wte: Tensor, wpe: Tensor) {
        timed("embedding forward") { base.embeddingForward(out: out, tokens: tokens, positions: positions, wte: wte, wpe: wpe) }
    }

    public func embeddingBackward(dwte: Tensor, dwpe: Tensor, dout: Tensor, tokens: Tensor, positions: Tensor) {
        timed("embedding backward") {
            base.embeddingBackward(dwte: dwte, dwpe: dwpe, dout: dout, tokens: tokens, positions: positions)
        }
    }

    public func layernormForward(out: Tensor, mean: Tensor, rstd: Tensor, x: Tensor, weight: Tensor, bias: Tensor?) {
        timed("layernorm forward") { base.layernormForward(out: out, mean: mean, rstd: rstd, x: x, weight: weight, bias: bias) }
    }

    public func layernormBackward(
        dx: Tensor, dweight: Tensor, dbias: Tensor?, dout: Tensor, x: Tensor, weight: Tensor, mean: Tensor, rstd: Tensor,
        workspace: Tensor
    ) {
        timed("layernorm backward") {
            base.layernormBackward(
                dx: dx, dweight: dweight, dbias: dbias, dout: dout, x: x, weight: weight, mean: mean, rstd: rstd,
                workspace: workspace)
        }
    }

    public func layernormBackwardWorkspace(rows: Int, width: Int) -> Int {
        base.layernormBackwardWorkspace(rows: rows, width: width)
    }

    public func activationForward(out: Tensor, x: Tensor, _ activation: Activation) {
        timed("activation forward") { base.activationForward(out: out, x: x, activation) }
    }

    public func activationBackward(dx: Tensor, dout: Tensor, x: Tensor, _ activation: Activation) {
        timed("activation backward") { base.activationBackward(dx: dx, dout: dout, x: x, activation) }
    }

    public func dropout(_ x: Tensor, rowsPerSample: Int, _ dropout: Dropout) {
        timed("dropout") { base.dropout(x, rowsPerSample: rowsPerSample, dropout) }
    }

    public func residualAdd(out: Tensor, a: Tensor, b: Tensor) {
        timed("residual add") { base.residualAdd(out: out, a: a, b: b) }
    }

    public func matmulForward(out: Tensor, x: Tensor, weight: Tensor, bias: Tensor?, epilogue: Epilogue) {
        timed("matmul forward", flops: Self.flops(x, weight)) {
            base.matmulForward(out: out, x: x, weight: weight, bias: bias, epilogue: epilogue)
        }
    }

    public func matmulBackwardInput(dx: Tensor, dout: Tensor, weight: Tensor, activation: (Activation, preactivation: Tensor)?) {
        timed("matmul backward input", flops: Self.flops(dx, weight)) {
            base.matmulBackwardInput(dx: dx, dout: dout, weight: weight, activation: activation)
        }
    }

    public func matmulBackwardWeight(dweight: Tensor, dbias: Tensor?, dout: Tensor, x: Tensor) {
        timed("matmul backward weight", flops: Self.flops(x, dweight)) {
            base.matmulBackwardWeight(dweight: dweight, dbias: dbias, dout: dout, x: x)
        }
    }

    public func attentionForward(
        out: HeadView, lse: Tensor?, q: HeadView, k: HeadView, v: HeadView, shape: AttentionShape, dropout: Dropout?
    ) {
        timed("attention forward", flops: Self.flops(shape, products: 2)) {
            base.attentionForward(out: out, lse: lse, q: q, k: k, v: v, shape: shape, dropout: dropout)
        }
    }

    public func attentionBackward(
        dq: HeadView, dk: HeadView, dv: HeadView, dout: HeadView, out: HeadView, lse: Tensor,
        q: HeadView, k: HeadView, v: HeadView, shape: AttentionShape, dropout: Dropout?, workspace: Tensor
    ) {
        timed("attention backward", flops: Self.flops(shape, products: 5)) {
            base.attentionBackward(
                dq: dq, dk: dk, dv: dv, dout: dout, out: out, lse: lse, q: q, k: k, v: v, shape: shape, dropout: dropout,
                workspace: workspace)
        }
    }

    public func attentionBackwardWorkspace(_ shape: AttentionShape) -> Int { base.attentionBackwardWorkspace(shape) }

    public func classifierForward(losses: Tensor, x: Tensor, weight: Tensor, targets: Tensor, workspace: Tensor) {
        timed("classifier forward", flops: Self.flops(x, weight)) {
            base.classifierForward(losses: losses, x: x, weight: weight, targets: targets, workspace: workspace)
        }
    }

    public func classifierForwardBackward(
        losses: Tensor, dx: Tensor, dweight: Tensor, x: Tensor, weight: Tensor, targets: Tensor, scale: Double, workspace: Tensor
    ) {
        timed("classifier forward and backward", flops: 3 * Self.flops(x, weight)) {
            base.classifierForwardBackward(
                losses: losses, dx: dx, dweight: dweight, x: x, weight: weight, targets: targets, scale: scale,
                workspace: workspace)
        }
    }

    public func classifierWorkspace(rows: Int, width: Int, vocabulary: Int, dtype: DType) -> Int {
        base.classifierWorkspace(rows: rows, width: width, vocabulary: vocabulary, dtype: dtype)
    }

    public func accumulateLoss(state: Tensor, losses: Tensor, scale: Double) {
        timed("loss") { base.accumulateLoss(state: state, losses: losses, scale: scale) }
    }

    public func globalNorm(state: Tensor, gradients: Tensor, workspace: Tensor) {
        timed("global norm") { base.globalNorm(state: state, gradients: gradients, workspace: workspace) }
    }

    public func globalNormWorkspace(count: Int) -> Int { base.globalNormWorkspace(count: count) }
    public func beginUpdate(state: Tensor) { timed("adamw") { base.beginUpdate(state: state) } }

    public func adamwUpdate(
        parameter: Tensor, gradient: Tensor, expAvg: Tensor, expAvgSq: Tensor, copy: Tensor?, state: Tensor, group: AdamWGroup
    ) {
        timed("adamw") {
            base.adamwUpdate(
                parameter: parameter, gradient: gradient, expAvg: expAvg, expAvgSq: expAvgSq, copy: copy, state: state,
                group: group)
        }
    }

    /// Of the product of [R, K] with [N, K].
    private static func flops(_ x: Tensor, _ weight: Tensor) -> Double { 2 * Double(x.shape[0]) * Double(weight.count) }

    /// Of the products that the causal mask leaves, about half of T x T.
    private static func flops(_ shape: AttentionShape, products: Int) -> Double {
        let t = Double(shape.queryLength), s = Double(shape.keyLength)
        return Double(products) * 2 * Double(shape.batch * shape.heads * shape.headSize) * t * (s - (t - 1) / 2)
    }
}
