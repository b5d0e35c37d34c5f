// SPDX-License-Identifier: MIT
import Compute
import Testing

/// The backend's calls of products and classifier: shapes, dtypes and epilogues. CKernelsTests proves the kernels themselves.
@Suite struct MatrixTests {
    static let (rows, n, k) = (5, 7, 6)

    static func product(_ x: [Double], _ weight: [Double], _ bias: [Double]) -> [Double] {
        (0..<rows * n).map { i in
            (0..<k).reduce(bias[i % n]) { $0 + x[i / n * k + $1] * weight[i % n * k + $1] }
        }
    }

    @Test(arguments: Engine.eachISA, [DType.float32, .bfloat16]) func products(_ engine: Engine, _ dtype: DType) throws {
        let lab = try engine.lab(), (rows, n, k) = (Self.rows, Self.n, Self.k)
        var numbers = Numbers(4)
        let x = numbers.uniform(rows * k, dtype), weight = numbers.uniform(n * k, dtype), bias = numbers.uniform(n)
        let (tx, tw, tb) = (try lab.tensor(x, [rows, k], dtype), try lab.tensor(weight, [n, k], dtype), try lab.tensor(bias))
        let expected = Self.product(x, weight, bias), plain = try lab.empty([rows, n], dtype)
        lab.backend.matmulForward(out: plain, x: tx, weight: tw, bias: tb, epilogue: .none)
        #expect(distance(lab.values(plain), expected) < dtype.tolerance)

        let before = try lab.empty([rows, n], dtype), after = try lab.empty([rows, n], dtype)
        lab.backend.matmulForward(out: after, x: tx, weight: tw, bias: tb, epilogue: .activation(.gelu, preactivation: before))
        #expect(lab.values(before) == lab.values(plain))
        let activated = expected.map { ElementwiseTests.reference($0, .gelu) }
        #expect(distance(lab.values(after), activated) < dtype.tolerance)

        let residual = numbers.uniform(rows * n), stream = try lab.tensor(residual, [rows, n])
        lab.backend.matmulForward(out: stream, x: tx, weight: tw, bias: nil, epilogue: .residual(stream))
        let sum = zip(Self.product(x, weight, [Double](repeating: 0, count: n)), residual).map { $0 + $1 }
        #expect(distance(lab.values(stream), sum) < DType.float32.tolerance)

        let dout = numbers.uniform(rows * n, dtype), td = try lab.tensor(dout, [rows, n], dtype)
        let dx = try lab.empty([rows, k], dtype), dweight = try lab.empty([n, k]), dbias = try lab.empty([n])
        lab.backend.matmulBackwardInput(dx: dx, dout: td, weight: tw, activation: (.geluTanh, preactivation: tx))
        // x is itself the activation of `x`: the chain rule through both at once.
        let chained = numericGradient(x) { at in
            dot(Self.product(at.map { ElementwiseTests.reference($0, .geluTanh) }, weight, bias), dout)
        }
        #expect(distance(lab.values(dx), chained) < 2 * dtype.tolerance)
        lab.backend.matmulBackwardWeight(dweight: dweight, dbias: dbias, dout: td, x: tx)
        #expect(distance(lab.values(dweight), numericGradient(weight) { dot(Self.product(x, $0, bias), dout) }) < 4e-6)
        #expect(distance(lab.values(dbias), numericGradient(bias) { dot(Self.product(x, weight, $0), dout) }) < 4e-6)
    }

    @Test(arguments: Engine.eachISA) func classifier(_ engine: Engine) throws {
        let lab = try engine.lab(), (rows, c, v) = (5, 6, 11)
        var numbers = Numbers(8)
        let x = numbers.uniform(rows * c), weight = numbers.uniform(v * c), targets: [Double] = [0, 10, 3, -1, 7]
        func losses(_ x: [Double], _ weight: [Double]) -> [Double] {
            targets.indices.map { r in
                if targets[r] < 0 { return 0 }
                let logits = (0..<v).map { j in (0..<c).reduce(0.0) { $0 + x[r * c + $1] * weight[j * c + $1] } }
                return logSumExp(logits) - logits[Int(targets[r])]
            }
        }
        let (tx, tw) = (try lab.tensor(x, [rows, c]), try lab.tensor(weight, [v, c])), tt = try lab.tensor(targets, nil, .int32)
        let workspace = try lab.workspace(lab.backend.classifierWorkspace(rows: rows, width: c, vocabulary: v, dtype: .float32))
        let forward = try lab.empty([rows]), both = try lab.empty([rows])
        lab.backend.classifierForward(losses: forward, x: tx, weight: tw, targets: tt, workspace: workspace)
        let dx = try lab.empty([rows, c]), dweight = try lab.empty([v, c])
        lab.backend.classifierForwardBackward(
            losses: both, dx: dx, dweight: dweight, x: tx, weight: tw, targets: tt, scale: 0.5, workspace: workspace)
        #expect(distance(lab.values(forward), losses(x, weight)) < 4e-6)
        #expect(distance(lab.values(both), losses(x, weight)) < 4e-6)
        #expect(distance(lab.values(dx), numericGradient(x) { 0.5 * losses($0, weight).reduce(0, +) }) < 4e-6)
        #expect(distance(lab.values(dweight), numericGradient(weight) { 0.5 * losses(x, $0).reduce(0, +) }) < 4e-6)
    }
}
