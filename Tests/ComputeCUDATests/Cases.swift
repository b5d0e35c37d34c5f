// SPDX-License-Identifier: MIT
import Compute

/// One operation on seeded inputs, as any backend runs it: everything that it wrote.
struct Case: CustomStringConvertible, Sendable {
    let name: String
    /// Of every result relative to its largest, in float32 and bfloat16.
    ///
    /// float32: sums of some hundred terms in another order. bfloat16: one rounding of the result (2^-8), and for attention one
    /// of the softmax's weights before they are multiplied.
    var tolerance: (float32: Double, bfloat16: Double) = (4e-6, 0x1p-7)
    let run: @Sendable (Bench, DType) throws -> [[Float]]

    var description: String { name }

    /// Rows, width, inner sizes: odd ones, so that no tile is full; and a product's shape with all multiples of 8.
    static let all: [Case] = elementwise + products + [embedding, norm, classifier, optimizer] + attention

    // MARK: Elementwise

    private static let elementwise: [Case] = [
        Case(name: "convert") { bench, _ in
            var inputs = Inputs(1)
            let x = try bench.tensor(inputs.floats(1500).map { $0 * 1.001 }, [1500]), half = try bench.empty([1500], .bfloat16)
            let back = try bench.empty([1500]), copy = try bench.empty([1500])
            bench.backend.convert(from: x, to: half)
            bench.backend.convert(from: half, to: back)
            bench.backend.convert(from: x, to: copy)
            return [try bench.values(back), try bench.values(copy)]
        },
        Case(name: "activation") { bench, act in
            var inputs = Inputs(2)
            var results: [[Float]] = []
            for activation in Activation.allCases {
                let x = try bench.tensor(inputs.floats(700).map { $0 * 3 }, [7, 100], act)
                let dout = try bench.tensor(inputs.floats(700), [7, 100], act), out = try bench.empty([7, 100], act)
                bench.backend.activationForward(out: out, x: x, activation)
                bench.backend.activationBackward(dx: dout, dout: dout, x: x, activation)
                results += [try bench.values(out), try bench.values(dout)]
            }
            return results
        },
        Case(name: "residual and fill") { bench, act in
            var inputs = Inputs(3)
            let a = try bench.tensor(inputs.floats(600), [20, 30]), b = try bench.tensor(inputs.floats(600), [20, 30], act)
            bench.backend.residualAdd(out: a, a: a, b: b)
            bench.backend.fillZero(b)
            return [try bench.values(a), try bench.values(b)]
        },
        Case(name: "dropout") { bench, act in
            var inputs = Inputs(4)
            let x = try bench.tensor(inputs.floats(6 * 10 * 13).map { $0 + 3 }, [60, 13], act)
            let state = try bench.state([.sampleIndex: 4_294_967_290])
            bench.backend.dropout(x, rowsPerSample: 10, Dropout(probability: 0.3, seed: 99, site: 5, state: state))
            return [try bench.values(x)]
        },
        Case(name: "copy heads") { bench, act in
            var inputs = Inputs(5)
            let from = try bench.tensor(inputs.floats(2 * 5 * 3 * 24), [10, 72], act), to = try bench.empty([2 * 9, 24], act)
            let source = HeadView(from, start: 24, batchStride: 5 * 72, tokenStride: 72, headStride: 8)
            let cache = HeadView(to, start: 2 * 24, batchStride: 9 * 24, tokenStride: 24, headStride: 8)
            bench.backend.copyHeads(from: source, to: cache, batch: 2, tokens: 5, heads: 3, headSize: 8)
            return [try bench.values(to)]
        },
    ]

    // MARK: Embedding and norm

    private static let embedding = Case(name: "embedding") { bench, _ in
        var inputs = Inputs(6)
        let wte = try bench.tensor(inputs.floats(11 * 33), [11, 33]), wpe = try bench.tensor(inputs.floats(20 * 33), [20, 33])
        let tokens = try bench.words(inputs.words(40, below: 11)), positions = try bench.words((0..<40).map { $0 % 20 })
        let out = try bench.empty([40, 33]), dwte = try bench.tensor(inputs.floats(11 * 33), [11, 33])
        let dwpe = try bench.empty([20, 33]), dout = try bench.tensor(inputs.floats(40 * 33), [40, 33])
        bench.backend.embeddingForward(out: out, tokens: tokens, positions: positions, wte: wte, wpe: wpe)
        bench.backend.embeddingBackward(dwte: dwte, dwpe: dwpe, dout: dout, tokens: tokens, positions: positions)
        return try [out, dwte, dwpe].map(bench.values)
    }

    private static let norm = Case(name: "layernorm") { bench, act in
        var inputs = Inputs(7)
        var results: [[Float]] = []
        for hasBias in [false, true] {
            let x = try bench.tensor(inputs.floats(37 * 50), [37, 50]), weight = try bench.tensor(inputs.floats(50), [50])
            let bias = hasBias ? try bench.tensor(inputs.floats(50), [50]) : nil
            let out = try bench.empty([37, 50], act), mean = try bench.empty([37]), rstd = try bench.empty([37])
            bench.backend.layernormForward(out: out, mean: mean, rstd: rstd, x: x, weight: weight, bias: bias)
            let dx = try bench.tensor(inputs.floats(37 * 50), [37, 50]), dweight = try bench.tensor(inputs.floats(50), [50])
            let dbias = hasBias ? try bench.empty([50]) : nil, dout = try bench.tensor(inputs.floats(37 * 50), [37, 50], act)
            bench.backend.layernormBackward(
                dx: dx, dweight: dweight, dbias: dbias, dout: dout, x: x, weight: weight, mean: mean, rstd: rstd,
                workspace: try bench.workspace(bench.backend.layernormBackwardWorkspace(rows: 37, width: 50)))
            results += try ([out, mean, rstd, dx, dweight] + (dbias.map { [$0] } ?? [])).map(bench.values)
        }
        return results
    }

    // MARK: Products

    private static let products: [Case] = [(16, 24, 32), (13, 9, 21)].map { rows, n, k in
        Case(name: "product \(rows) x \(n) x \(k)") { bench, act in
            var inputs = Inputs(8)
            let x = try bench.tensor(inputs.floats(rows * k), [rows, k], act),
                w = try bench.tensor(inputs.floats(n * k), [n, k], act)
            let bias = try bench.tensor(inputs.floats(n), [n]), out = try bench.empty([rows, n], act)
            let wide = try bench.empty([rows, n]), residual = try bench.tensor(inputs.floats(rows * n), [rows, n])
            let before = try bench.empty([rows, n], act), after = try bench.empty([rows, n], act)
            let backend = bench.backend
            backend.matmulForward(out: out, x: x, weight: w, bias: bias, epilogue: .none)
            backend.matmulForward(out: wide, x: x, weight: w, bias: nil, epilogue: .residual(residual))
            backend.matmulForward(out: residual, x: x, weight: w, bias: bias, epilogue: .residual(residual))
            backend.matmulForward(
                out: after, x: x, weight: w, bias: bias, epilogue: .activation(.geluTanh, preactivation: before))
            let dout = try bench.tensor(inputs.floats(rows * n), [rows, n], act), dx = try bench.empty([rows, k], act)
            backend.matmulBackwardInput(dx: dx, dout: dout, weight: w, activation: nil)
            let dact = try bench.empty([rows, k], act)
            backend.matmulBackwardInput(dx: dact, dout: dout, weight: w, activation: (.gelu, preactivation: x))
            let dw = try bench.tensor(inputs.floats(n * k), [n, k]), dbias = try bench.tensor(inputs.floats(n), [n])
            backend.matmulBackwardWeight(dweight: dw, dbias: dbias, dout: dout, x: x)
            backend.matmulBackwardWeight(dweight: dw, dbias: nil, dout: dout, x: x)
            return try [out, wide, residual, before, after, dx, dact, dw, dbias].map(bench.values)
        }
    }

    // MARK: Classifier and optimizer

    private static let classifier = Case(name: "classifier", tolerance: (4e-6, 2e-2)) { bench, act in
        var inputs = Inputs(9)
        let (rows, c, v) = (21, 16, 40), scale = 1.0 / 21
        let x = try bench.tensor(inputs.floats(rows * c), [rows, c], act),
            w = try bench.tensor(inputs.floats(v * c), [v, c], act)
        var ids = inputs.words(rows, below: Int32(v))
        ids[3] = -1
        let targets = try bench.words(ids), losses = try bench.empty([rows]), dx = try bench.empty([rows, c], act)
        let dw = try bench.tensor(inputs.floats(v * c), [v, c]), state = try bench.state([.loss: 0.5]), backend = bench.backend
        let bytes = backend.classifierWorkspace(rows: rows, width: c, vocabulary: v, dtype: act)
        backend.classifierForward(losses: losses, x: x, weight: w, targets: targets, workspace: try bench.workspace(bytes))
        let evaluated = try bench.values(losses)
        backend.classifierForwardBackward(
            losses: losses, dx: dx, dweight: dw, x: x, weight: w, targets: targets, scale: scale,
            workspace: try bench.workspace(bytes))
        backend.accumulateLoss(state: state, losses: losses, scale: scale)
        return [evaluated] + (try [losses, dx, dw, state].map(bench.values))
    }

    private static let optimizer = Case(name: "norm and AdamW", tolerance: (1e-6, 1e-6)) { bench, act in
        var inputs = Inputs(10)
        let count = 2000, backend = bench.backend
        let p = try bench.tensor(inputs.floats(count), [count]), g = try bench.tensor(inputs.floats(count), [count])
        let m = try bench.tensor(inputs.floats(count), [count])
        let v = try bench.tensor(inputs.floats(count).map { $0 * $0 }, [count])
        let copy = act == .bfloat16 ? try bench.empty([count], .bfloat16) : nil
        let state = try bench.state([.gradClip: 1, .learningRate: 0.01, .updates: 4, .loss: 2])
        let group = AdamWGroup(beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1)
        for poisoned in [false, true] {
            // The second time nothing may change: a loss that is not finite.
            if poisoned { backend.writeScalar(.nan, to: state, .loss) }
            backend.globalNorm(
                state: state, gradients: g, workspace: try bench.workspace(backend.globalNormWorkspace(count: count)))
            backend.beginUpdate(state: state)
            backend.adamwUpdate(
                parameter: p, gradient: g, expAvg: m, expAvgSq: v, copy: copy, state: state, group: group)
        }
        backend.writeScalar(0, to: state, .loss)
        return try ([p, m, v, state] + (copy.map { [$0] } ?? [])).map(bench.values)
    }

    // MARK: Attention

    /// Heads of 16 take the tensor-core kernels in bfloat16, heads of 12 the others; 3 queries are decoding.
    static let attention: [Case] = [(16, 20, 20, false), (16, 20, 20, true), (12, 11, 11, true), (16, 3, 21, false)].map {
        size, queries, keys, drops in
        Case(name: "attention of \(queries) on \(keys), heads of \(size)\(drops ? ", dropout" : "")", tolerance: (4e-6, 1.5e-2)) {
            bench, act in
            var inputs = Inputs(11)
            let (b, nh) = (2, 2), c = nh * size, backend = bench.backend
            func views(_ length: Int, _ parts: Int, _ tensor: Tensor) -> [HeadView] {
                (0..<parts).map {
                    HeadView(
                        tensor, start: $0 * c, batchStride: length * parts * c, tokenStride: parts * c, headStride: size)
                }
            }
            func filled(_ length: Int, _ parts: Int) throws -> [HeadView] {
                let count = b * length * parts * c
                return views(length, parts, try bench.tensor(inputs.floats(count), [b * length, parts * c], act))
            }
            let q = try filled(queries, 1)[0], kv = try filled(keys, 2), dout = try filled(queries, 1)[0]
            let out = try bench.empty([b * queries, c], act), lse = try bench.empty([b, nh, queries])
            let state = try bench.state([.sampleIndex: 7])
            let dropout = drops ? Dropout(probability: 0.25, seed: 3, site: 4, state: state) : nil
            let shape = AttentionShape(batch: b, queryLength: queries, keyLength: keys, heads: nh, headSize: size)
            backend.attentionForward(
                out: views(queries, 1, out)[0], lse: lse, q: q, k: kv[0], v: kv[1], shape: shape, dropout: dropout)
            guard queries == keys else { return try [out, lse].map(bench.values) }
            let dq = try bench.empty([b * queries, c], act), dkv = try bench.empty([b * keys, 2 * c], act)
            let gradients = views(keys, 2, dkv)
            backend.attentionBackward(
                dq: views(queries, 1, dq)[0], dk: gradients[0], dv: gradients[1], dout: dout, out: views(queries, 1, out)[0],
                lse: lse, q: q, k: kv[0], v: kv[1], shape: shape, dropout: dropout,
                workspace: try bench.workspace(backend.attentionBackwardWorkspace(shape)))
            return try [out, lse, dq, dkv].map(bench.values)
        }
    }
}
