// SPDX-License-Identifier: MIT
import Compute
import Modeling

/// A GPT that extends B sequences token by token, keeping keys and values of what it has seen.
///
/// All sequences have one length. B rows a token, C width, V vocabulary rows, S the cache's capacity.
public final class GPTDecoder {
    /// Shared, not copied; the cache has their dtype.
    public let weights: GPTWeights
    /// B
    public let batch: Int
    /// S: the block size, or less.
    public let capacity: Int
    /// Tokens in the cache, of each sequence.
    public private(set) var length = 0

    private let backend: any Backend
    private let caches: [(keys: Tensor, values: Tensor)]  // act [B, S, C] each, one pair a block
    private let memory: DeviceMemory
    private let parameters: ModelTensors
    private let places: Places
    private var logits: [Float]

    /// Most tokens of a sequence that go through the model at once.
    private static let longestPiece = 256

    /// - Parameters:
    ///   - weights: shared, not copied
    ///   - batch: sequences side by side
    ///   - capacity: tokens of each; at most the block size
    /// - Throws: `MemoryError`.
    public init(weights: GPTWeights, batch: Int = 1, capacity: Int? = nil) throws {
        self.weights = weights
        self.batch = batch
        backend = weights.backend
        let config = weights.config
        let capacity = min(capacity ?? config.blockSize, config.blockSize)
        precondition(batch >= 1 && capacity >= 1, "a decoder holds at least one token of one sequence")
        self.capacity = capacity
        parameters = ModelTensors(weights)
        let (plan, slots, places) = Self.plan(config, weights.dtype, batch: batch, capacity: capacity)
        self.places = places
        memory = try backend.allocate(byteCount: plan.byteCount)
        let memory = memory
        caches = slots.map { ($0.keys.tensor(in: memory), $0.values.tensor(in: memory)) }
        logits = [Float](repeating: 0, count: batch * config.vocabSize)
    }

    /// Bytes of device memory that a decoder takes, besides its weights.
    public static func byteCount(_ config: GPTConfig, dtype: DType, batch: Int, capacity: Int? = nil) -> Int {
        let capacity = min(capacity ?? config.blockSize, config.blockSize)
        return plan(config, dtype, batch: batch, capacity: capacity).arena.byteCount
    }

    /// Where everything lies: keys and values of each block, then what a pass works on.
    private static func plan(
        _ config: GPTConfig, _ dtype: DType, batch: Int, capacity: Int
    ) -> (arena: ArenaPlan, caches: [(keys: ArenaPlan.Slot, values: ArenaPlan.Slot)], places: Places) {
        var plan = ArenaPlan()
        let shape = [batch, capacity, config.nEmbd]
        let caches = (0..<config.nLayer).map { _ in (plan.reserve(dtype, shape), plan.reserve(dtype, shape)) }
        let places = Places(&plan, config, dtype, batch: batch, piece: min(capacity, longestPiece))
        return (plan, caches, places)
    }

    /// Forgets everything.
    public func reset() { length = 0 }

    /// Takes in `count` new tokens of every sequence and gives the logits that follow the last of them.
    ///
    /// - Parameters:
    ///   - tokens: B x count ids, sequence by sequence, each below V; length + count must not exceed the capacity
    ///   - count: new tokens of each sequence
    ///   - body: gets the logits [B, V]
    /// - Throws: what happened to the device, and what `body` throws.
    /// - Complexity: O(count (parameters + (length + count) C L)) FLOPs a sequence.
    public func extend<Result>(
        _ tokens: [Int32], count: Int, _ body: (UnsafeBufferPointer<Float>) throws -> Result
    ) throws -> Result {
        precondition(count >= 1 && tokens.count == batch * count && length + count <= capacity, "the tokens do not fit the cache")
        advance(count) { done, piece in
            (0..<batch).flatMap { b in tokens[(b * count + done)..<(b * count + done + piece)] }
        }
        try logits.withUnsafeMutableBytes { try backend.read(places.logits.tensor(in: memory), into: $0) }
        return try logits.withUnsafeBufferPointer(body)
    }

    /// The same tokens for every sequence of an empty cache: they go through the model once.
    ///
    /// - Parameters:
    ///   - tokens: 1 to `capacity` ids, each below V
    ///   - body: gets the logits [B, V], whose rows are equal
    public func start<Result>(_ tokens: [Int32], _ body: (UnsafeBufferPointer<Float>) throws -> Result) throws -> Result {
        precondition(!tokens.isEmpty && length == 0 && tokens.count <= capacity, "the tokens do not fit an empty cache")
        advance(tokens.count, sequences: 1) { done, piece in Array(tokens[done..<done + piece]) }
        let c = weights.config.nEmbd, v = weights.config.vocabSize
        if batch > 1 {
            for tensor in caches.flatMap({ [$0.keys, $0.values] }) {
                func sequence(_ first: Int, stride: Int) -> HeadView {
                    HeadView(
                        tensor, start: first * capacity * c, batchStride: stride, tokenStride: c,
                        headStride: weights.config.headSize)
                }
                backend.copyHeads(
                    from: sequence(0, stride: 0), to: sequence(1, stride: capacity * c), batch: batch - 1, tokens: length,
                    heads: weights.config.nHead, headSize: weights.config.headSize)
            }
        }
        try logits.withUnsafeMutableBytes { all in
            let row = UnsafeMutableRawBufferPointer(rebasing: all[..<(v * 4)])
            try backend.read(places.logits.tensor(in: memory).view([v], start: 0), into: row)
            for b in 1..<max(batch, 1) { all.baseAddress.map { ($0 + b * v * 4).copyMemory(from: $0, byteCount: v * 4) } }
        }
        return try logits.withUnsafeBufferPointer(body)
    }

    /// Takes in `count` tokens of the first `sequences` sequences (nil: all), piece by piece.
    ///
    /// - Parameter tokens: gives those of a piece: its first token's index, its length
    private func advance(_ count: Int, sequences: Int? = nil, _ tokens: (_ done: Int, _ piece: Int) -> [Int32]) {
        var done = 0
        while done < count {
            let piece = min(places.piece, count - done)
            forward(tokens(done, piece), sequences: sequences ?? batch, count: piece, last: done + piece == count)
            done += piece
        }
    }

    private func forward(_ tokens: [Int32], sequences: Int, count: Int, last: Bool) {
        let config = weights.config, rows = sequences * count
        let w = places.working(rows: rows, memory: memory)
        let positions = (0..<rows).map { Int32(length + $0 % count) }
        tokens.withUnsafeBytes { backend.write($0, to: w.tokens) }
        positions.withUnsafeBytes { backend.write($0, to: w.positions) }
        backend.embeddingForward(out: w.x, tokens: w.tokens, positions: w.positions, wte: parameters.wte, wpe: parameters.wpe)
        let shape = AttentionShape(
            batch: sequences, queryLength: count, keyLength: length + count, heads: config.nHead, headSize: config.headSize)
        for layer in 0..<config.nLayer { block(layer, w, shape) }
        if last { head(w, sequences: sequences, count: count) }
        length += count
    }

    /// One transformer block on the working tensors; keys and values go into the cache first.
    private func block(_ layer: Int, _ w: Working, _ shape: AttentionShape) {
        let p = parameters.blocks[layer], cache = caches[layer], c = weights.config.nEmbd
        backend.layernormForward(out: w.norm, mean: w.mean, rstd: w.rstd, x: w.x, weight: p.ln1, bias: p.ln1Bias)  // [R, C]
        backend.matmulForward(out: w.qkv, x: w.norm, weight: p.qkv, bias: p.qkvBias, epilogue: .none)  // [R, 3C]
        let count = shape.queryLength, size = shape.headSize
        func new(_ part: Int) -> HeadView {
            HeadView(w.qkv, start: part * c, batchStride: count * 3 * c, tokenStride: 3 * c, headStride: size)
        }
        func cached(_ tensor: Tensor, from token: Int) -> HeadView {
            HeadView(tensor, start: token * c, batchStride: capacity * c, tokenStride: c, headStride: size)
        }
        for (part, tensor) in [(1, cache.keys), (2, cache.values)] {
            backend.copyHeads(
                from: new(part), to: cached(tensor, from: length), batch: shape.batch, tokens: count, heads: shape.heads,
                headSize: size)
        }
        backend.attentionForward(
            out: HeadView(w.attention, start: 0, batchStride: count * c, tokenStride: c, headStride: size), lse: nil, q: new(0),
            k: cached(cache.keys, from: 0), v: cached(cache.values, from: 0), shape: shape, dropout: nil)  // [B, count, NH, HS]
        backend.matmulForward(out: w.x, x: w.attention, weight: p.proj, bias: p.projBias, epilogue: .residual(w.x))  // [R, C]
        backend.layernormForward(out: w.norm, mean: w.mean, rstd: w.rstd, x: w.x, weight: p.ln2, bias: p.ln2Bias)
        backend.matmulForward(
            out: w.gelu, x: w.norm, weight: p.fc, bias: p.fcBias,
            epilogue: .activation(weights.config.activation, preactivation: w.fc))  // [R, 4C]
        backend.matmulForward(out: w.x, x: w.gelu, weight: p.fcProj, bias: p.fcProjBias, epilogue: .residual(w.x))
    }

    /// Logits of the last row of each of the first `sequences` sequences.
    private func head(_ w: Working, sequences: Int, count: Int) {
        backend.layernormForward(
            out: w.norm, mean: w.mean, rstd: w.rstd, x: w.x, weight: parameters.lnf, bias: parameters.lnfBias)  // [R, C]
        let c = weights.config.nEmbd
        var rows = w.norm
        if count > 1 {
            for b in 0..<sequences {
                backend.convert(
                    from: w.norm.view([c], start: (b * count + count - 1) * c), to: w.lastRows.view([c], start: b * c))
            }
            rows = w.lastRows
        }
        backend.matmulForward(
            out: places.logits.tensor(in: memory).view([sequences, weights.config.vocabSize], start: 0),
            x: rows.view([sequences, c]), weight: parameters.head, bias: nil, epilogue: .none)
    }
}

/// The tensors of a pass over R rows.
private struct Working {
    let tokens: Tensor, positions: Tensor  // int32 [R]
    let x: Tensor  // float32 [R, C]
    let norm: Tensor, mean: Tensor, rstd: Tensor  // act [R, C], float32 [R], [R]
    let qkv: Tensor  // act [R, 3C]
    let attention: Tensor  // act [R, C]
    let fc: Tensor, gelu: Tensor  // act [R, 4C]
    let lastRows: Tensor  // act [B, C]
}

/// Where the working tensors lie; they are made for the longest piece and seen with fewer rows.
private struct Places {
    let piece: Int
    let logits: ArenaPlan.Slot  // float32 [B, V]
    private let batch: Int
    private let tokens: ArenaPlan.Slot, positions: ArenaPlan.Slot, x: ArenaPlan.Slot
    private let norm: ArenaPlan.Slot, mean: ArenaPlan.Slot, rstd: ArenaPlan.Slot
    private let qkv: ArenaPlan.Slot, attention: ArenaPlan.Slot, fc: ArenaPlan.Slot, gelu: ArenaPlan.Slot
    private let lastRows: ArenaPlan.Slot

    init(_ plan: inout ArenaPlan, _ config: GPTConfig, _ act: DType, batch: Int, piece: Int) {
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
    }

    func working(rows: Int, memory: DeviceMemory) -> Working {
        func first(_ slot: ArenaPlan.Slot) -> Tensor { slot.tensor(in: memory).view([rows] + slot.shape.dropFirst()) }
        return Working(
            tokens: first(tokens), positions: first(positions), x: first(x), norm: first(norm), mean: first(mean),
            rstd: first(rstd), qkv: first(qkv), attention: first(attention), fc: first(fc), gelu: first(gelu),
            lastRows: lastRows.tensor(in: memory))
    }
}
