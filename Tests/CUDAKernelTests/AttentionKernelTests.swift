// SPDX-License-Identifier: MIT
import Compute
import Testing

/// An attention whose q, k, v lie packed in one [B, T, 3, NH, HS], as the model has them, or queries at the end of a cache.
struct AttentionProblem: Sendable, CustomTestStringConvertible {
    let shape: AttentionShape
    let dtype: DType
    var probability = 0.0
    /// 0 unless a case says otherwise: global samples beyond 2^32.
    var sampleIndex = 0.0

    init(_ batch: Int, _ queries: Int, _ keys: Int, _ heads: Int, _ size: Int, _ dtype: DType, dropout: Double = 0) {
        shape = AttentionShape(batch: batch, queryLength: queries, keyLength: keys, heads: heads, headSize: size)
        self.dtype = dtype
        probability = dropout
        sampleIndex = dropout > 0 ? 5_000_000_000 : 0
    }

    var testDescription: String {
        "\(dtype) B \(shape.batch) T \(shape.queryLength) of \(shape.keyLength) NH \(shape.heads) HS \(shape.headSize)"
            + (probability > 0 ? " dropout \(probability)" : "")
    }

    var width: Int { shape.heads * shape.headSize }
    /// Of the packed tensor: keyLength rows a sample, the queries in the last of them.
    var packedCount: Int { shape.batch * shape.keyLength * 3 * width }
    var outCount: Int { shape.batch * shape.queryLength * width }
    var lseCount: Int { shape.batch * shape.heads * shape.queryLength }
    var mask: DropoutMask? { probability > 0 ? DropoutMask(probability: probability) : nil }

    /// part 0: q, 1: k, 2: v
    func view(_ part: Int) -> Argument.View {
        let row = 3 * width, first = part == 0 ? shape.keyLength - shape.queryLength : 0
        return .init(
            start: first * row + part * width, batchStride: shape.keyLength * row, tokenStride: row, headStride: shape.headSize)
    }
    var outView: Argument.View {
        .init(start: 0, batchStride: shape.queryLength * width, tokenStride: width, headStride: shape.headSize)
    }

    /// Scores of some units, so that the softmax is neither flat nor one-hot.
    var inputs: (packed: [Double], dout: [Double]) {
        var numbers = Numbers(shape.keyLength * 1000 + shape.headSize)
        return (numbers.uniform(packedCount, dtype, scale: 2), numbers.uniform(outCount, dtype))
    }
}

/// What an attention computes, whoever did it.
struct AttentionResult {
    var out: [Double], lse: [Double], dpacked: [Double]
    var bits: [UInt8] = []
}

extension Reference {
    func run(_ problem: AttentionProblem) throws -> AttentionResult {
        let (packed, dout) = problem.inputs, shape = problem.shape, dtype = problem.dtype
        let x = try tensor(packed, nil, dtype), dx = try tensor([Double](repeating: 0, count: packed.count), nil, dtype)
        let out = try empty([problem.outCount], dtype), lse = try empty([problem.lseCount])
        func heads(_ tensor: Tensor, _ view: Argument.View) -> HeadView {
            HeadView(
                tensor, start: view.start, batchStride: view.batchStride, tokenStride: view.tokenStride,
                headStride: view.headStride)
        }
        let dropout = try problem.mask.map {
            Dropout(
                probability: $0.probability, seed: $0.seed, site: $0.site,
                state: try state([.sampleIndex: problem.sampleIndex]))
        }
        let parts = (0..<3).map { heads(x, problem.view($0)) }, dparts = (0..<3).map { heads(dx, problem.view($0)) }
        backend.attentionForward(
            out: heads(out, problem.outView), lse: lse, q: parts[0], k: parts[1], v: parts[2], shape: shape, dropout: dropout)
        backend.attentionBackward(
            dq: dparts[0], dk: dparts[1], dv: dparts[2],
            dout: heads(try tensor(dout, nil, dtype), problem.outView),
            out: heads(out, problem.outView), lse: lse, q: parts[0], k: parts[1], v: parts[2], shape: shape, dropout: dropout,
            workspace: try workspace(backend.attentionBackwardWorkspace(shape)))
        return AttentionResult(out: values(out), lse: values(lse), dpacked: values(dx))
    }
}

extension AttentionProblem {
    /// Forward and backward by the emulated kernels, on tensor cores or by rows; `fast`: with the backward that adds atomically.
    func emulate(tiles: Bool, fast: Bool = false, _ order: Order) throws -> AttentionResult {
        let (packed, dout) = inputs, size = shape.headSize, queries = shape.queryLength, keys = shape.keyLength
        let x = Buffer(packed, dtype), out = Buffer(outCount, dtype), lse = Buffer(lseCount), delta = Buffer(lseCount)
        // Zeros where nothing is written: dq of tokens that are no queries.
        let dx = Buffer([Double](repeating: 0, count: packedCount), dtype), gradient = Buffer(dout, dtype)
        let state = deviceState([.sampleIndex: sampleIndex]), batches = shape.batch * shape.heads
        let scale = Argument.float(shape.scale), dropout = Argument.dropout(mask)
        let at = Argument.memory(probability > 0 ? state : nil)
        let q = Argument.heads(x, view(0)), k = Argument.heads(x, view(1)), v = Argument.heads(x, view(2))
        let dq = Argument.heads(dx, view(0)), dk = Argument.heads(dx, view(1)), dv = Argument.heads(dx, view(2))
        let douts = Argument.heads(gradient, outView), heads = Argument.int(shape.heads)
        let lengths = (Argument.int(queries), Argument.int(keys)), slots = [1, 2, 3, 4].first { 32 * $0 >= size } ?? 8
        if tiles {
            try launch(
                "attention_forward", act: dtype, head: size, grid: (blocks(queries, 64), batches), block: 128,
                shared: 640 * (size + 8), order, .heads(out, outView), .memory(lse), q, k, v, heads, lengths.0, lengths.1, scale,
                dropout, at)
        } else {
            let threads = queries <= 8 ? 512 : 128
            try launch(
                "attention_rows_forward", act: dtype, head: slots, grid: (queries, batches), block: threads,
                shared: threads / 32 * 4 * (size + 2) + 4 * size, order, .heads(out, outView), .memory(lse), q, k, v, heads,
                lengths.0, lengths.1, .int(size), scale, dropout, at)
        }
        try launch(
            "attention_delta", act: dtype, grid: (blocks(lseCount, 8), 1), order, .memory(delta), douts, .heads(out, outView),
            .int(shape.batch), heads, lengths.0, .int(size))
        if fast {
            let keysOfBlock = size <= 96 ? 128 : 64, row = size + 8, part = keysOfBlock * row, gradients = keysOfBlock * 72
            let values = size <= 64 ? max(part, gradients) : part + gradients
            let sums = Buffer([Double](repeating: 0, count: batches * blocks(queries, 64) * 64 * size))
            try launch(
                "attention_backward_fast", act: dtype, head: size, grid: (blocks(keys, keysOfBlock), batches),
                block: 2 * keysOfBlock, shared: 2 * (part + values + (size <= 64 ? 4 : 2) * 64 * row) + 512, order, .memory(sums),
                dk, dv, douts, q, k, v, .memory(lse), .memory(delta), heads, lengths.0, lengths.1, scale, dropout, at)
            try launch(
                "attention_backward_dq", act: dtype, head: size, grid: (blocks(queries, 64), batches), block: 128, order, dq,
                .memory(sums), heads, lengths.0, scale)
        } else if tiles {
            let tileBytes = 128 * (2 + 2 * (size > 32 ? 1 : 2)) * (size + 8)
            try launch(
                "attention_backward_keys", act: dtype, head: size, grid: (blocks(keys, 64), batches), block: 128,
                shared: tileBytes + 512, order, dk, dv, douts, q, k, v, .memory(lse), .memory(delta), heads, lengths.0, lengths.1,
                scale, dropout, at)
            try launch(
                "attention_backward_queries", act: dtype, head: size, grid: (blocks(queries, 64), batches), block: 128,
                shared: tileBytes, order, dq, douts, q, k, v, .memory(lse), .memory(delta), heads, lengths.0, lengths.1, scale,
                dropout, at)
        } else {
            try launch(
                "attention_rows_backward_queries", act: dtype, head: slots, grid: (queries, batches), block: 128,
                shared: 16 * size + 8 * size, order, dq, douts, q, k, v, .memory(lse), .memory(delta), heads, lengths.0,
                lengths.1,
                .int(size), scale, dropout, at)
            try launch(
                "attention_rows_backward_keys", act: dtype, head: slots, grid: (keys, batches), block: 128,
                shared: 32 * size + 8 * size, order, dk, dv, douts, q, k, v, .memory(lse), .memory(delta), heads, lengths.0,
                lengths.1, .int(size), scale, dropout, at)
        }
        return AttentionResult(
            out: out.values, lse: lse.values, dpacked: dx.values, bits: out.bytes + lse.bytes + dx.bytes)
    }

    /// Runs all orders, which must agree to the bit (the fast backward's dq only nearly), and compares with the CPU; gives the
    /// largest distances for out, lse and gradients.
    func compare(tiles: Bool, fast: Bool = false, _ orders: [Order]) throws -> (out: Double, lse: Double, gradients: Double) {
        let expected = try Reference().run(self)
        let results = try orders.map { try emulate(tiles: tiles, fast: fast, $0) }
        for result in results where fast {
            func isQuery(_ i: Int) -> Bool { i / width % 3 == 0 }
            let all = result.dpacked.indices, queries = all.filter(isQuery), others = all.filter { !isQuery($0) }
            #expect(others.allSatisfy { result.dpacked[$0] == results[0].dpacked[$0] }, "\(testDescription): orders differ")
            // float32 sums in another order, rounded to bfloat16: neighbours at most, relative to the largest.
            #expect(distance(queries.map { result.dpacked[$0] }, queries.map { results[0].dpacked[$0] }) < 0x1p-8)
        }
        for result in results where !fast {
            #expect(differences(result.bits, results[0].bits) == 0, "\(testDescription): orders differ")
        }
        // dq, dk and dv each for itself, since their sizes differ.
        let gradients = (0..<3).map { part in
            func pick(_ all: [Double]) -> [Double] { all.indices.filter { $0 / width % 3 == part }.map { all[$0] } }
            return distance(pick(results[0].dpacked), pick(expected.dpacked))
        }
        return (
            distance(results[0].out, expected.out), distance(results[0].lse, expected.lse), gradients.max() ?? .infinity
        )
    }
}

@Suite struct AttentionKernelTests {
    static let headSizes = [16, 32, 48, 64, 80, 96, 112, 128]

    /// bfloat16 tensors. Weights and score gradients are rounded to bfloat16 (2^-9 relative each) before the second products,
    /// and results once more; sums make errors smaller, not larger.
    static let outTolerance = 0x1p-7, gradientTolerance = 1.5 * 0x1p-7
    /// Scores are float32 sums; their last bit goes through exp.
    static let lseTolerance = 2e-6

    private func check(_ problem: AttentionProblem, fast: Bool = false, _ orders: [Order]) throws {
        let got = try problem.compare(tiles: true, fast: fast, orders)
        #expect(got.out < Self.outTolerance)
        #expect(got.lse < Self.lseTolerance)
        #expect(got.gradients < Self.gradientTolerance)
    }

    /// All head sizes on whole tiles and across their edges: two tiles and a rest.
    @Test(arguments: headSizes, [64, 130]) func tiles(_ size: Int, _ length: Int) throws {
        try check(AttentionProblem(1, length, length, 2, size, .bfloat16), Order.both)
    }

    /// Small and odd lengths, several samples; more keys than queries, as when a cache is filled in pieces; all orders.
    @Test(arguments: [
        AttentionProblem(2, 1, 1, 1, 32, .bfloat16), AttentionProblem(1, 9, 9, 3, 64, .bfloat16),
        AttentionProblem(2, 65, 65, 1, 16, .bfloat16), AttentionProblem(1, 40, 100, 2, 32, .bfloat16),
        AttentionProblem(1, 64, 129, 1, 64, .bfloat16), AttentionProblem(1, 100, 101, 1, 80, .bfloat16),
        AttentionProblem(1, 200, 200, 1, 32, .bfloat16),
    ]) func edges(_ problem: AttentionProblem) throws { try check(problem, Order.all) }

    /// Dropout's masks are the CPU's: one wrong element would be an error of the size of a weight.
    @Test(
        arguments: [
            AttentionProblem(2, 66, 66, 2, 32, .bfloat16, dropout: 0.3),
            AttentionProblem(1, 63, 63, 1, 64, .bfloat16, dropout: 0.1),
            AttentionProblem(1, 30, 77, 2, 128, .bfloat16, dropout: 0.5),
            // Lengths of fours, whose random numbers the lanes exchange.
            AttentionProblem(2, 68, 68, 2, 32, .bfloat16, dropout: 0.3),
            AttentionProblem(1, 33, 100, 1, 64, .bfloat16, dropout: 0.1),
        ], [false, true]) func dropout(_ problem: AttentionProblem, _ fast: Bool) throws
    {
        try check(problem, fast: fast, Order.both)
    }

    /// Two and three blocks of keys and a rest, fewer queries than keys, and tiles of which some warps see nothing.
    static let fastProblems: [AttentionProblem] =
        headSizes.map { AttentionProblem(1, 150, 150, 1, $0, .bfloat16) }
        + [(2, 1, 1, 1, 32), (2, 40, 200, 2, 64), (1, 300, 301, 1, 32), (1, 129, 129, 3, 16)].map {
            AttentionProblem($0.0, $0.1, $0.2, $0.3, $0.4, .bfloat16)
        }

    /// The backward that adds dq atomically, with every head size.
    @Test(arguments: fastProblems) func fast(_ problem: AttentionProblem) throws { try check(problem, fast: true, Order.both) }

    /// By rows, in float32 arithmetic: any head size, decoding with a cache, dropout.
    @Test(
        arguments: DType.acts,
        [
            (1, 1, 1, 1, 4, 0), (2, 33, 33, 2, 16, 0), (1, 40, 40, 1, 20, 0.2), (1, 35, 70, 2, 32, 0), (1, 65, 65, 1, 64, 0),
            (1, 17, 17, 1, 100, 0), (1, 20, 20, 1, 128, 0.1), (1, 12, 12, 1, 200, 0), (2, 1, 600, 2, 64, 0), (1, 3, 50, 1, 80, 0),
            (1, 8, 8, 2, 256, 0),
        ]) func rows(_ dtype: DType, _ shape: (Int, Int, Int, Int, Int, Double)) throws
    {
        let problem = AttentionProblem(shape.0, shape.1, shape.2, shape.3, shape.4, dtype, dropout: shape.5)
        let got = try problem.compare(tiles: false, Order.both)
        // The same arithmetic in another order; float32 scores up to about 20, whose last bit goes through exp.
        #expect(got.out < (dtype == .bfloat16 ? 0x1p-8 : 1e-5))
        #expect(got.lse < 2e-6)
        // bfloat16's delta is of the rounded output, as on the CPU; then one rounding.
        #expect(got.gradients < (dtype == .bfloat16 ? 0x1p-8 : 2e-5))
    }
}
