// SPDX-License-Identifier: MIT
import Compute

#if canImport(Glibc)
    import Glibc
#endif

/// Causal attention in float64, dense in [B, T, NH, HS], written from the formula.
struct AttentionReference {
    let shape: AttentionShape
    /// What the softmax's weight (b, h, t, s) is multiplied by; nil: 1.
    var keep: ((Int, Int, Int, Int) -> Double)?

    func at(_ b: Int, _ t: Int, _ h: Int, _ length: Int) -> Int { ((b * length + t) * shape.heads + h) * shape.headSize }

    /// The weights of one query, before dropout, and the logarithm of their denominator.
    func weights(_ q: [Double], _ k: [Double], _ b: Int, _ h: Int, _ t: Int) -> (p: [Double], lse: Double) {
        let visible = shape.keyLength - shape.queryLength + t + 1, hs = shape.headSize
        let scores = (0..<visible).map { s in
            let (i, j) = (at(b, t, h, shape.queryLength), at(b, s, h, shape.keyLength))
            return (0..<hs).reduce(0.0) { $0 + q[i + $1] * k[j + $1] } / Double(hs).squareRoot()
        }
        let largest = scores.max() ?? 0, sum = scores.reduce(0) { $0 + exp($1 - largest) }
        return (scores.map { exp($0 - largest) / sum }, largest + log(sum))
    }

    func forward(_ q: [Double], _ k: [Double], _ v: [Double]) -> (out: [Double], lse: [Double]) {
        var out = [Double](repeating: 0, count: shape.batch * shape.queryLength * shape.heads * shape.headSize),
            lse: [Double] = []
        for b in 0..<shape.batch {
            for h in 0..<shape.heads {
                for t in 0..<shape.queryLength {
                    let (p, denominator) = weights(q, k, b, h, t)
                    lse.append(denominator)
                    for (s, weight) in p.enumerated() {
                        let factor = weight * (keep?(b, h, t, s) ?? 1)
                        let (i, j) = (at(b, t, h, shape.queryLength), at(b, s, h, shape.keyLength))
                        for c in 0..<shape.headSize { out[i + c] += factor * v[j + c] }
                    }
                }
            }
        }
        return (out, lse)
    }
}

/// One attention problem: sizes, where q, k and v lie, dropout.
struct AttentionCase: Sendable {
    let shape: AttentionShape
    var dtype = DType.float32
    var probability = 0.0
    /// q, k and v in one tensor [B, T, 3, NH, HS] as GPT-2's c_attn writes them.
    var packed = false

    init(
        _ b: Int, _ tq: Int, _ tk: Int, _ nh: Int, _ hs: Int, _ dtype: DType = .float32, dropout: Double = 0, packed: Bool = false
    ) {
        shape = AttentionShape(batch: b, queryLength: tq, keyLength: tk, heads: nh, headSize: hs)
        self.dtype = dtype
        probability = dropout
        self.packed = packed
    }

    var queryCount: Int { shape.batch * shape.queryLength * shape.heads * shape.headSize }
    var keyCount: Int { shape.batch * shape.keyLength * shape.heads * shape.headSize }
}

/// The results of one case, dense in [B, T, NH, HS].
struct AttentionResult: Equatable {
    var out: [Double] = [], lse: [Double] = [], dq: [Double] = [], dk: [Double] = [], dv: [Double] = []
    var all: [[Double]] { [out, lse, dq, dk, dv] }
}

extension Lab {
    static let dropoutSeed: UInt64 = 0x1234_5678_9abc_def0

    func run(
        _ problem: AttentionCase, q: [Double], k: [Double], v: [Double], dout: [Double]? = nil, sampleIndex: Double = 3
    ) throws -> AttentionResult {
        let shape = problem.shape, dtype = problem.dtype
        func dense(_ values: [Double]?, _ length: Int) throws -> HeadView {
            let width = shape.heads * shape.headSize, dims = [shape.batch, length, shape.heads, shape.headSize]
            let tensor = try values.map { try self.tensor($0, dims, dtype) } ?? empty(dims, dtype)
            return HeadView(
                tensor, start: 0, batchStride: length * width, tokenStride: width, headStride: shape.headSize)
        }
        var views = [try dense(q, shape.queryLength), try dense(k, shape.keyLength), try dense(v, shape.keyLength)]
        if problem.packed { views = try pack([q, k, v], problem) }
        let dropout =
            problem.probability > 0
            ? Dropout(
                probability: problem.probability, seed: Self.dropoutSeed, site: 4, state: try state([.sampleIndex: sampleIndex]))
            : nil
        let out = try dense(nil, shape.queryLength), lse = try empty([shape.batch, shape.heads, shape.queryLength])
        backend.attentionForward(
            out: out, lse: lse, q: views[0], k: views[1], v: views[2], shape: shape, dropout: dropout)
        var result = AttentionResult(out: values(out.tensor), lse: values(lse))
        guard let dout else { return result }
        var gradients = [try dense(nil, shape.queryLength), try dense(nil, shape.keyLength), try dense(nil, shape.keyLength)]
        if problem.packed { gradients = try pack([q, k, v], problem) }  // full of other numbers: they must be overwritten
        backend.attentionBackward(
            dq: gradients[0], dk: gradients[1], dv: gradients[2], dout: try dense(dout, shape.queryLength), out: out, lse: lse,
            q: views[0], k: views[1], v: views[2], shape: shape, dropout: dropout,
            workspace: try workspace(backend.attentionBackwardWorkspace(shape)))
        result.dq = unpack(gradients[0], shape, shape.queryLength)
        result.dk = unpack(gradients[1], shape, shape.keyLength)
        result.dv = unpack(gradients[2], shape, shape.keyLength)
        return result
    }

    /// Three arrays as views of one tensor [B, T, 3, NH, HS], with an odd element before it.
    private func pack(_ parts: [[Double]], _ problem: AttentionCase) throws -> [HeadView] {
        let shape = problem.shape, width = shape.heads * shape.headSize, length = shape.keyLength
        var values = [Double](repeating: 0, count: 1 + shape.batch * length * 3 * width)
        for (part, source) in parts.enumerated() {
            for row in 0..<shape.batch * length {
                for c in 0..<width { values[1 + (row * 3 + part) * width + c] = source[row * width + c] }
            }
        }
        let tensor = try tensor(values, nil, problem.dtype)
        return (0..<3).map {
            HeadView(
                tensor, start: 1 + $0 * width, batchStride: length * 3 * width, tokenStride: 3 * width, headStride: shape.headSize
            )
        }
    }

    private func unpack(_ view: HeadView, _ shape: AttentionShape, _ length: Int) -> [Double] {
        let all = values(view.tensor)
        var dense: [Double] = []
        for b in 0..<shape.batch {
            for t in 0..<length {
                for h in 0..<shape.heads {
                    let start = view.start + b * view.batchStride + t * view.tokenStride + h * view.headStride
                    dense += all[start..<start + shape.headSize]
                }
            }
        }
        return dense
    }
}
