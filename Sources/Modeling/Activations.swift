// SPDX-License-Identifier: MIT
import Compute

/// Which activations the backward pass computes again instead of keeping them.
public enum Recompute: String, Sendable, CaseIterable {
    /// Everything is kept: fastest.
    case none
    /// Each block's first norm, q, k, v and attention.
    case attention
    /// Each block as a whole; only its input is kept.
    case block
}

/// What the forward pass leaves for the backward pass in one block. R = B * T rows, C width.
struct BlockActivations {
    let ln1: Tensor, ln1Mean: Tensor, ln1Rstd: Tensor  // act [R, C], float32 [R], [R]
    let qkv: Tensor  // act [R, 3C]
    let attention: Tensor, lse: Tensor  // act [R, C], float32 [B, NH, T]
    let mid: Tensor  // float32 [R, C], the residual stream after attention
    let ln2: Tensor, ln2Mean: Tensor, ln2Rstd: Tensor  // act [R, C], float32 [R], [R]
    let fc: Tensor  // act [R, 4C], before the activation
    let gelu: Tensor  // act [R, 4C], after it
}

/// The same as places in a plan.
private struct BlockSlots {
    let ln1: ArenaPlan.Slot, ln1Mean: ArenaPlan.Slot, ln1Rstd: ArenaPlan.Slot
    let qkv: ArenaPlan.Slot, attention: ArenaPlan.Slot, lse: ArenaPlan.Slot, mid: ArenaPlan.Slot
    let ln2: ArenaPlan.Slot, ln2Mean: ArenaPlan.Slot, ln2Rstd: ArenaPlan.Slot
    let fc: ArenaPlan.Slot, gelu: ArenaPlan.Slot

    init(_ plan: inout ArenaPlan, _ sizes: BatchSizes, shared: BlockSlots?, _ recompute: Recompute) {
        let r = sizes.rows, c = sizes.config.nEmbd, act = sizes.dtype
        // What is computed again needs one place for all blocks.
        let first = recompute == .none ? nil : shared, rest = recompute == .block ? shared : nil
        ln1 = first?.ln1 ?? plan.reserve(act, [r, c])
        ln1Mean = first?.ln1Mean ?? plan.reserve(.float32, [r])
        ln1Rstd = first?.ln1Rstd ?? plan.reserve(.float32, [r])
        qkv = first?.qkv ?? plan.reserve(act, [r, 3 * c])
        attention = first?.attention ?? plan.reserve(act, [r, c])
        lse = first?.lse ?? plan.reserve(.float32, [sizes.batch, sizes.config.nHead, sizes.length])
        mid = rest?.mid ?? plan.reserve(.float32, [r, c])
        ln2 = rest?.ln2 ?? plan.reserve(act, [r, c])
        ln2Mean = rest?.ln2Mean ?? plan.reserve(.float32, [r])
        ln2Rstd = rest?.ln2Rstd ?? plan.reserve(.float32, [r])
        fc = rest?.fc ?? plan.reserve(act, [r, 4 * c])
        gelu = rest?.gelu ?? plan.reserve(act, [r, 4 * c])
    }

    func tensors(in memory: DeviceMemory) -> BlockActivations {
        BlockActivations(
            ln1: ln1.tensor(in: memory), ln1Mean: ln1Mean.tensor(in: memory), ln1Rstd: ln1Rstd.tensor(in: memory),
            qkv: qkv.tensor(in: memory), attention: attention.tensor(in: memory), lse: lse.tensor(in: memory),
            mid: mid.tensor(in: memory), ln2: ln2.tensor(in: memory), ln2Mean: ln2Mean.tensor(in: memory),
            ln2Rstd: ln2Rstd.tensor(in: memory), fc: fc.tensor(in: memory), gelu: gelu.tensor(in: memory))
    }
}

/// The sizes of a micro-batch: `batch` sequences of `length` tokens through a model.
public struct BatchSizes: Sendable, Equatable {
    public let config: GPTConfig
    /// B
    public let batch: Int
    /// T, at most the block size.
    public let length: Int
    /// float32 or bfloat16
    public let dtype: DType

    public init(_ config: GPTConfig, batch: Int, length: Int, dtype: DType) {
        self.config = config
        self.batch = batch
        self.length = length
        self.dtype = dtype
    }

    /// R = B * T, one a token.
    public var rows: Int { batch * length }
    /// Of training and evaluation, where both lengths are T.
    public var attention: AttentionShape {
        AttentionShape(batch: batch, queryLength: length, keyLength: length, heads: config.nHead, headSize: config.headSize)
    }
}

/// Places for everything that the passes write, planned before any of it exists.
struct ActivationPlan {
    private(set) var plan = ArenaPlan()
    private let inputs: [ArenaPlan.Slot]
    private let residual: [ArenaPlan.Slot]
    private let blocks: [BlockSlots]
    private let final: [ArenaPlan.Slot]
    private let backward: [ArenaPlan.Slot]?
    private let workspace: ArenaPlan.Slot
    /// Bytes of the classifier's and the other operations' workspace within the plan.
    let workspaceBytes: Int

    init(_ sizes: BatchSizes, recompute: Recompute, gradients: Bool, backend: any Backend) {
        let config = sizes.config, r = sizes.rows, c = config.nEmbd, act = sizes.dtype
        inputs = [plan.reserve(.int32, [r]), plan.reserve(.int32, [r]), plan.reserve(.int32, [r])]
        // Without a backward pass two residual streams and one set of activations serve all blocks in turn.
        let streams = gradients ? config.nLayer + 1 : 2
        var residual: [ArenaPlan.Slot] = [], blocks: [BlockSlots] = []
        for _ in 0..<streams { residual.append(plan.reserve(.float32, [r, c])) }
        for _ in 0..<config.nLayer {
            blocks.append(BlockSlots(&plan, sizes, shared: blocks.first, gradients ? recompute : .block))
        }
        self.residual = residual
        self.blocks = blocks
        final = [
            plan.reserve(act, [r, c]), plan.reserve(.float32, [r]), plan.reserve(.float32, [r]), plan.reserve(.float32, [r]),
            plan.reserve(act, [r, c]),
        ]
        var bytes = backend.classifierWorkspace(rows: r, width: c, vocabulary: config.vocabSize, dtype: act)
        if gradients {
            backward = [
                plan.reserve(.float32, [r, c]), plan.reserve(act, [r, c]), plan.reserve(act, [r, 4 * c]),
                plan.reserve(act, [r, 3 * c]),
            ]
            bytes = max(
                bytes, backend.layernormBackwardWorkspace(rows: r, width: c), backend.attentionBackwardWorkspace(sizes.attention),
                backend.globalNormWorkspace(count: ParameterArena.byteCount(config.parameters, .float32) / 4))
        } else {
            backward = nil
        }
        workspaceBytes = max(bytes, 64)
        workspace = plan.reserve(.uint8, [workspaceBytes])
    }

    func tensors(in memory: DeviceMemory) -> ModelActivations {
        func all(_ slots: [ArenaPlan.Slot]) -> [Tensor] { slots.map { $0.tensor(in: memory) } }
        let input = all(inputs), last = all(final)
        return ModelActivations(
            tokens: input[0], targets: input[1], positions: input[2], residual: all(residual),
            blocks: blocks.map { $0.tensors(in: memory) }, lnf: last[0], lnfMean: last[1], lnfRstd: last[2], losses: last[3],
            scratch: last[4],
            backward: backward.map(all).map {
                BackwardBuffers(residual: $0[0], act: $0[1], fc: $0[2], qkv: $0[3])
            },
            workspace: workspace.tensor(in: memory))
    }
}

/// Everything the passes write. R = B * T rows, C width.
struct ModelActivations {
    let tokens: Tensor, targets: Tensor, positions: Tensor  // int32 [R]
    /// The residual stream before each block and after the last. float32 [R, C]
    let residual: [Tensor]
    let blocks: [BlockActivations]
    let lnf: Tensor, lnfMean: Tensor, lnfRstd: Tensor  // act [R, C], float32 [R], [R]
    let losses: Tensor  // float32 [R]
    /// A branch's output before dropout, when there is dropout; gradients of norms' outputs. act [R, C]
    let scratch: Tensor
    let backward: BackwardBuffers?
    let workspace: Tensor  // bytes

    /// The residual stream before block `layer`.
    func stream(_ layer: Int) -> Tensor { residual[layer % residual.count] }
}

/// Gradients on their way down; all blocks use the same.
struct BackwardBuffers {
    /// Of the residual stream. float32 [R, C]
    let residual: Tensor
    /// The same in the activation dtype, and gradients of branches. act [R, C]
    let act: Tensor
    let fc: Tensor  // act [R, 4C]
    let qkv: Tensor  // act [R, 3C]
}
