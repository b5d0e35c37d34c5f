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

    let backend: any Backend
    /// act [B, NH, S, HS] each, one pair a block: a head's keys lie side by side, so that reading them is one walk through memory.
    private let caches: [(keys: Tensor, values: Tensor)]
    private let memory: DeviceMemory
    private let parameters: ModelTensors
    private let places: Places
    /// Where logits are read to, when the host cannot see the device's memory.
    private var logits: [Float]
    /// The step that a device makes by itself, recorded under one way to choose.
    private var ownStep: (work: RepeatedWork, choice: TokenChoice)?

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
        let logitsInMemory = places.logits.tensor(in: memory)
        logits = backend.hostBytes(of: logitsInMemory) == nil ? [Float](repeating: 0, count: logitsInMemory.count) : []
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
        let shape = [batch, config.nHead, capacity, config.headSize]
        let caches = (0..<config.nLayer).map { _ in (plan.reserve(dtype, shape), plan.reserve(dtype, shape)) }
        let places = Places(&plan, config, dtype, batch: batch, capacity: capacity, piece: min(capacity, longestPiece))
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
        return try readLogits(body)
    }

    /// The same tokens for every sequence of an empty cache: they go through the model once.
    ///
    /// - Parameters:
    ///   - tokens: 1 to `capacity` ids, each below V
    ///   - body: gets the logits [B, V], whose rows are equal
    public func start<Result>(_ tokens: [Int32], _ body: (UnsafeBufferPointer<Float>) throws -> Result) throws -> Result {
        precondition(!tokens.isEmpty && length == 0 && tokens.count <= capacity, "the tokens do not fit an empty cache")
        fill(tokens)
        repeatLogits()
        return try readLogits(body)
    }

    /// The first sequence's logits become everyone's.
    private func repeatLogits() {
        let all = places.logits.tensor(in: memory), v = weights.config.vocabSize
        for b in 1..<max(batch, 1) { backend.convert(from: all.view([v]), to: all.view([v], start: b * v)) }
    }

    /// Waits for the logits and hands them out, from where they lie if the host sees that.
    private func readLogits<Result>(_ body: (UnsafeBufferPointer<Float>) throws -> Result) throws -> Result {
        let tensor = places.logits.tensor(in: memory)
        if let bytes = backend.hostBytes(of: tensor) {
            return try withExtendedLifetime(memory) { try body(bytes.bindMemory(to: Float.self)) }
        }
        try logits.withUnsafeMutableBytes { try backend.read(tensor, into: $0) }
        return try logits.withUnsafeBufferPointer(body)
    }

    /// The same tokens for every sequence of an empty cache; the first sequence's logits are there afterwards.
    private func fill(_ tokens: [Int32]) {
        advance(tokens.count, sequences: 1) { done, piece in Array(tokens[done..<done + piece]) }
        if batch > 1 {
            for tensor in caches.flatMap({ [$0.keys, $0.values] }) {
                backend.copyHeads(
                    from: cached(tensor, batchStride: 0), to: cached(tensor, sequence: 1), batch: batch - 1, tokens: length,
                    heads: weights.config.nHead, headSize: weights.config.headSize)
            }
        }
    }

    // MARK: Steps that the device makes by itself

    /// Takes in tokens as `start` (one sequence's, for all) or `extend` (every sequence's) do, and has the device choose the next
    /// token of each from the logits; nothing is read.
    ///
    /// - Parameters:
    ///   - tokens: `count` ids for an empty cache, or B x count
    ///   - count: new tokens of each sequence
    ///   - choice: how tokens are chosen
    ///   - position: tokens that the texts have
    ///   - firstSample: number of sequence 0's text
    ///   - device: the decoder's own
    func begin(
        _ tokens: [Int32], count: Int, choice: TokenChoice, position: Int, firstSample: Int, on device: any DecodingBackend
    ) {
        if tokens.count == count {
            fill(tokens)
            repeatLogits()
        } else {
            precondition(tokens.count == batch * count && length + count <= capacity, "the tokens do not fit the cache")
            advance(count) { done, piece in (0..<batch).flatMap { b in tokens[(b * count + done)..<(b * count + done + piece)] } }
        }
        // The chosen token is not in the cache yet: the state starts one behind, and the end of the step makes that up.
        var state = [Int32](repeating: 0, count: DecodingState.count)
        state[DecodingState.length.rawValue] = Int32(length - 1)
        state[DecodingState.position.rawValue] = Int32(truncatingIfNeeded: position)
        state[DecodingState.firstSample.rawValue] = Int32(truncatingIfNeeded: firstSample)
        state.withUnsafeBytes { backend.write($0, to: places.state.tensor(in: memory)) }
        choose(choice, on: device)
    }

    /// Takes in the token that was chosen last in every sequence, and has the device choose the next: one launch when recorded.
    func step(_ choice: TokenChoice, on device: any DecodingBackend) {
        precondition(length < capacity, "the cache is full")
        if ownStep?.choice != choice { ownStep = (RepeatedWork(), choice) }
        guard let work = ownStep?.work else { return }
        backend.repeated(work) {
            let w = places.working(rows: batch, memory: memory)
            // Of the keys, those in the cache count: the state says how many.
            let shape = AttentionShape(
                batch: batch, queryLength: 1, keyLength: capacity, heads: weights.config.nHead, headSize: weights.config.headSize)
            pass(w, shape, own: device)
            head(w, sequences: batch, count: 1)
            choose(choice, on: device)
        }
        length += 1
    }

    /// Chosen tokens of the sequences since `begin`, int32 [B, capacity + 1].
    var history: Tensor { places.history.tensor(in: memory) }

    private func choose(_ choice: TokenChoice, on device: any DecodingBackend) {
        let w = places.working(rows: batch, memory: memory), state = places.state.tensor(in: memory)
        device.chooseTokens(
            tokens: w.tokens, history: history, logits: places.logits.tensor(in: memory), choice: choice, state: state)
        device.advanceDecoding(state: state, positions: w.positions)
    }

    // MARK: Passes

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
        let shape = AttentionShape(
            batch: sequences, queryLength: count, keyLength: length + count, heads: config.nHead, headSize: config.headSize)
        pass(w, shape, own: nil)
        if last { head(w, sequences: sequences, count: count) }
        length += count
    }

    /// Embedding and blocks, for the tokens and positions in the working tensors.
    ///
    /// - Parameter own: the device when it knows by itself how many tokens are in the cache; `shape.keyLength` is the capacity then
    private func pass(_ w: Working, _ shape: AttentionShape, own: (any DecodingBackend)?) {
        backend.embeddingForward(out: w.x, tokens: w.tokens, positions: w.positions, wte: parameters.wte, wpe: parameters.wpe)
        for layer in 0..<weights.config.nLayer { block(layer, w, shape, own) }
    }

    /// A cache from a token of a sequence on.
    private func cached(_ tensor: Tensor, sequence: Int = 0, token: Int = 0, batchStride: Int? = nil) -> HeadView {
        let (whole, size) = (capacity * weights.config.nEmbd, weights.config.headSize)
        return HeadView(
            tensor, start: sequence * whole + token * size, batchStride: batchStride ?? whole, tokenStride: size,
            headStride: capacity * size)
    }

    /// One transformer block on the working tensors; keys and values go into the cache first.
    private func block(_ layer: Int, _ w: Working, _ shape: AttentionShape, _ own: (any DecodingBackend)?) {
        let p = parameters.blocks[layer], cache = caches[layer], c = weights.config.nEmbd
        backend.layernormForward(out: w.norm, mean: w.mean, rstd: w.rstd, x: w.x, weight: p.ln1, bias: p.ln1Bias)  // [R, C]
        backend.matmulForward(out: w.qkv, x: w.norm, weight: p.qkv, bias: p.qkvBias, epilogue: .none)  // [R, 3C]
        let count = shape.queryLength, size = shape.headSize
        func new(_ part: Int) -> HeadView {
            HeadView(w.qkv, start: part * c, batchStride: count * 3 * c, tokenStride: 3 * c, headStride: size)
        }
        let out = HeadView(w.attention, start: 0, batchStride: count * c, tokenStride: c, headStride: size)
        let (keys, values) = (cached(cache.keys), cached(cache.values))
        if let own {
            let state = places.state.tensor(in: memory)
            for (part, place) in [(1, keys), (2, values)] {
                own.copyHeads(
                    from: new(part), to: place, batch: shape.batch, tokens: count, heads: shape.heads, headSize: size,
                    state: state)
            }
            own.attentionForward(out: out, q: new(0), k: keys, v: values, shape: shape, state: state)  // [B, 1, NH, HS]
        } else {
            for (part, tensor) in [(1, cache.keys), (2, cache.values)] {
                backend.copyHeads(
                    from: new(part), to: cached(tensor, token: length), batch: shape.batch, tokens: count, heads: shape.heads,
                    headSize: size)
            }
            backend.attentionForward(
                out: out, lse: nil, q: new(0), k: keys, v: values, shape: shape, dropout: nil)  // [B, count, NH, HS]
        }
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
