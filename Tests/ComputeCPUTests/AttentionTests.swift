// SPDX-License-Identifier: MIT
import CKernels
import Compute
import Testing

@Suite struct AttentionTests {
    /// Lengths around the tiles' edges, head sizes around the vectors', views dense and packed.
    static let cases = [
        AttentionCase(1, 1, 1, 1, 4), AttentionCase(2, 7, 7, 3, 16), AttentionCase(1, 33, 33, 2, 24, packed: true),
        AttentionCase(2, 65, 65, 2, 32, packed: true), AttentionCase(1, 130, 130, 1, 48), AttentionCase(1, 64, 64, 2, 64),
        AttentionCase(1, 100, 100, 1, 80, packed: true), AttentionCase(1, 129, 129, 1, 128), AttentionCase(1, 40, 40, 2, 7),
        AttentionCase(1, 300, 300, 1, 32),
    ]

    static func inputs(_ problem: AttentionCase) -> (q: [Double], k: [Double], v: [Double], dout: [Double]) {
        var numbers = Numbers(problem.shape.keyLength * 1000 + problem.shape.headSize)
        // Scores of some units, so that the softmax is neither flat nor one-hot.
        func rounded(_ x: [Double], _ factor: Double) -> [Double] {
            x.map {
                problem.dtype == .bfloat16
                    ? Double(BFloat16.float(BFloat16.bits(Float($0 * factor)))) : Double(Float($0 * factor))
            }
        }
        return (
            rounded(numbers.uniform(problem.queryCount), 3), rounded(numbers.uniform(problem.keyCount), 3),
            numbers.uniform(problem.keyCount, problem.dtype), numbers.uniform(problem.queryCount, problem.dtype)
        )
    }

    @Test(arguments: Engine.eachISA, cases) func forward(_ engine: Engine, _ problem: AttentionCase) throws {
        let (q, k, v, _) = Self.inputs(problem)
        let got = try engine.lab().run(problem, q: q, k: k, v: v)
        let expected = AttentionReference(shape: problem.shape).forward(q, k, v)
        // Scores up to about 30 in float32: their last bit is 2e-6 and goes through exp.
        #expect(distance(got.out, expected.out) < 1e-5)
        #expect(distance(got.lse, expected.lse) < 2e-6)
    }

    @Test(arguments: Engine.all, [4, 5, 16, 24]) func gradientsElementByElement(_ engine: Engine, _ headSize: Int) throws {
        for (tq, tk, dropout) in [(1, 1, 0), (7, 7, 0), (5, 9, 0), (7, 7, 0.4), (3, 6, 0.4)] {
            let problem = AttentionCase(2, tq, tk, 2, headSize, dropout: dropout)
            let (q, k, v, dout) = Self.inputs(problem)
            let got = try engine.lab().run(problem, q: q, k: k, v: v, dout: dout)
            let reference = AttentionReference(shape: problem.shape, keep: Self.keep(problem))
            #expect(distance(got.out, reference.forward(q, k, v).out) < 1e-5)
            #expect(distance(got.dq, numericGradient(q) { dot(reference.forward($0, k, v).out, dout) }) < 2e-5)
            #expect(distance(got.dk, numericGradient(k) { dot(reference.forward(q, $0, v).out, dout) }) < 2e-5)
            #expect(distance(got.dv, numericGradient(v) { dot(reference.forward(q, k, $0).out, dout) }) < 2e-5)
        }
    }

    /// At larger sizes along random directions: one central difference tells the sum over all elements.
    @Test(arguments: Engine.eachISA, cases) func gradientsAlongDirections(_ engine: Engine, _ original: AttentionCase) throws {
        for dropout in [0, 0.25] {
            var problem = original
            problem.probability = dropout
            let (q, k, v, dout) = Self.inputs(problem)
            let got = try engine.lab().run(problem, q: q, k: k, v: v, dout: dout)
            let reference = AttentionReference(shape: problem.shape, keep: Self.keep(problem))
            var numbers = Numbers(1)
            for (place, gradient) in [got.dq, got.dk, got.dv].enumerated() {
                let direction = numbers.uniform(gradient.count)
                let slope = numericGradient([0]) { step in
                    func moved(_ x: [Double], _ i: Int) -> [Double] {
                        i == place ? zip(x, direction).map { $0 + step[0] * $1 } : x
                    }
                    return dot(reference.forward(moved(q, 0), moved(k, 1), moved(v, 2)).out, dout)
                }[0]
                // The sum of n rounding errors of 1e-5 each, of random signs, grows like sqrt(n).
                let tolerance = 1e-5 * Double(gradient.count).squareRoot() + 1e-6 * abs(slope)
                #expect(abs(dot(gradient, direction) - slope) < tolerance, "gradient \(place) of \(problem.shape)")
            }
        }
    }

    @Test(arguments: Engine.eachISA, cases) func bfloat16AgreesWithItsInputsInFloat32(
        _ engine: Engine, _ original: AttentionCase
    ) throws {
        var problem = original
        problem.dtype = .bfloat16
        let (q, k, v, dout) = Self.inputs(problem)
        let got = try engine.lab().run(problem, q: q, k: k, v: v, dout: dout)
        problem.dtype = .float32
        let exact = try Engine.portable.lab().run(problem, q: q, k: k, v: v, dout: dout)
        // Results, weights and score gradients are rounded to 2^-9 each; sums average the errors out.
        for (a, b) in zip(got.all, exact.all) { #expect(distance(a, b) < 3 * 0x1p-8) }
    }

    @Test(arguments: Engine.eachISA, [false, true]) func resultsDoNotDependOnThreads(_ engine: Engine, _ half: Bool) throws {
        for sizes in [(1, 200, 1), (2, 70, 3)] {
            let problem = AttentionCase(sizes.0, sizes.1, sizes.1, sizes.2, 32, half ? .bfloat16 : .float32, dropout: 0.1)
            let (q, k, v, dout) = Self.inputs(problem)
            let results = try [1, 2, 3, 8].map {
                try Engine(kernels: engine.kernels, threads: $0).lab().run(problem, q: q, k: k, v: v, dout: dout)
            }
            #expect(results.allSatisfy { $0 == results[0] })
        }
    }

    /// New tokens at the end of cached ones see what they would see in one pass over all.
    @Test(arguments: Engine.all, [1, 2, 5, 64, 90]) func lastQueriesEqualThoseOfTheWhole(_ engine: Engine, _ tq: Int) throws {
        for (tk, hs) in [(130, 32), (90, 24), (257, 64), (700, 16)] {
            let whole = AttentionCase(2, tk, tk, 3, hs), part = AttentionCase(2, tq, tk, 3, hs), lab = try engine.lab()
            let (q, k, v, dout) = Self.inputs(whole)
            let width = 3 * hs
            func last(_ x: [Double]) -> [Double] { (0..<2).flatMap { x[(($0 + 1) * tk - tq) * width..<($0 + 1) * tk * width] } }
            let all = try lab.run(whole, q: q, k: k, v: v, dout: dout)
            let got = try lab.run(part, q: last(q), k: k, v: v, dout: last(dout))
            #expect(distance(got.out, last(all.out)) < 1e-5)
            #expect(distance(got.dq, last(all.dq)) < 2e-5)
        }
    }

    /// Scores of +-1e4: a softmax without its maximum taken off would overflow, and a masked key must not count.
    @Test(arguments: Engine.all) func largeScoresStayFinite(_ engine: Engine) throws {
        let problem = AttentionCase(1, 70, 70, 1, 16)
        var (q, k, v, dout) = Self.inputs(problem)
        q = q.map { $0 * 100 }
        k = k.map { $0 * 100 }
        let got = try engine.lab().run(problem, q: q, k: k, v: v, dout: dout)
        #expect(got.all.allSatisfy { $0.allSatisfy(\.isFinite) })
        // 1e4 in float32 is known to 1e-3, and the softmax is nearly one-hot: compare where one weight is above 0.999.
        let reference = AttentionReference(shape: problem.shape), expected = reference.forward(q, k, v).out
        var compared = 0
        for t in 0..<70 where (reference.weights(q, k, 0, 0, t).p.max() ?? 0) > 0.999999 {
            compared += 1
            let row = t * 16..<(t + 1) * 16
            #expect(distance(Array(got.out[row]), Array(expected[row])) < 1e-4)
        }
        #expect(compared > 30)
    }

    /// Keys that a query does not see, huge here, do not reach its result, not by a bit.
    @Test(arguments: Engine.all) func keysOfTheFutureDoNotCount(_ engine: Engine) throws {
        let problem = AttentionCase(1, 90, 90, 1, 16), lab = try engine.lab()
        let (q, k, v, _) = Self.inputs(problem)
        func spoiled(_ x: [Double]) -> [Double] { x.enumerated().map { $0.offset >= 40 * 16 ? 1e30 : $0.element } }
        let clean = try lab.run(problem, q: q, k: k, v: v).out
        let got = try lab.run(problem, q: q, k: spoiled(k), v: spoiled(v)).out
        #expect(got[0..<40 * 16] == clean[0..<40 * 16])
    }

    /// The mask as documented, by the scalar Philox.
    static func keep(_ problem: AttentionCase) -> ((Int, Int, Int, Int) -> Double)? {
        guard problem.probability > 0 else { return nil }
        let length = problem.shape.keyLength, offset = length - problem.shape.queryLength, p = problem.probability
        return { b, h, t, s in
            let element = (h * length + offset + t) * length + s
            return DropoutTests.kept(p, seed: Lab.dropoutSeed, site: 4, sample: UInt64(3 + b), element: element) ? 1 / (1 - p) : 0
        }
    }
}
