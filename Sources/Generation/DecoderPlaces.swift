// SPDX-License-Identifier: MIT
import Compute
import Modeling

/// The tensors of a pass over R rows.
struct Working {
    let tokens: Tensor, positions: Tensor  // int32 [R]
    let x: Tensor  // float32 [R, C]
    let norm: Tensor, mean: Tensor, rstd: Tensor  // act [R, C], float32 [R], [R]
    let qkv: Tensor  // act [R, 3C]
    let attention: Tensor  // act [R, C]
    let fc: Tensor, gelu: Tensor  // act [R, 4C]
    let lastRows: Tensor  // act [B, C]
}

/// Where the working tensors lie; they are made for the longest piece and seen with fewer rows.
struct Places {
    let piece: Int
    let logits: ArenaPlan.Slot  // float32 [B, V]
    let state: ArenaPlan.Slot  // int32 [DecodingState.count]
    let history: ArenaPlan.Slot  // int32 [B, S + 1]
    private let batch: Int
    private let tokens: ArenaPlan.Slot, positions: ArenaPlan.Slot, x: ArenaPlan.Slot
    private let norm: ArenaPlan.Slot, mean: ArenaPlan.Slot, rstd: ArenaPlan.Slot
    private let qkv: ArenaPlan.Slot, attention: ArenaPlan.Slot, fc: ArenaPlan.Slot, gelu: ArenaPlan.Slot
    private let lastRows: ArenaPlan.Slot

    init(_ plan: inout ArenaPlan, _ config: GPTConfig, _ act: DType, batch: Int, capacity: Int, piece: Int) {
        self.piece = piece
        self.batch = batch
        let r = batch * piece, c = config.nEmbd
        tokens = plan.reserve(.int32, [r])
        positions = plan.reserve(.int32, [r])
        x = plan.reserve(.float32, [r, c])
        norm = plan.reserve(act, [r, c])
        mean = plan.reserve(.float32, [r])
        rstd = plan.reserve(.float32, [r])
        qkv = plan.reserve(act, [r, 3 * c])
        attention = plan.reserve(act, [r, c])
        fc = plan.reserve(act, [r, 4 * c])
        gelu = plan.reserve(act, [r, 4 * c])
        lastRows = plan.reserve(act, [batch, c])
        logits = plan.reserve(.float32, [batch, config.vocabSize])
        state = plan.reserve(.int32, [DecodingState.count])
        history = plan.reserve(.int32, [batch, capacity + 1])
    }

    func working(rows: Int, memory: DeviceMemory) -> Working {
        func first(_ slot: ArenaPlan.Slot) -> Tensor { slot.tensor(in: memory).view([rows] + slot.shape.dropFirst()) }
        return Working(
            tokens: first(tokens), positions: first(positions), x: first(x), norm: first(norm), mean: first(mean),
            rstd: first(rstd), qkv: first(qkv), attention: first(attention), fc: first(fc), gelu: first(gelu),
            lastRows: lastRows.tensor(in: memory))
    }
}
