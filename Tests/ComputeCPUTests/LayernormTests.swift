// SPDX-License-Identifier: MIT
import Compute
import Testing

@Suite struct LayernormTests {
    static let shapes = [(1, 1), (1, 5), (3, 96), (17, 100), (33, 5), (1100, 24)]

    /// In float64, as PyTorch defines it.
    static func reference(_ x: [Double], _ weight: [Double], _ bias: [Double]?) -> [Double] {
        let c = weight.count
        var out = x
        for r in 0..<(x.count / c) {
            let row = x[r * c..<(r + 1) * c], mean = row.reduce(0, +) / Double(c)
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(c)
            let rstd = 1 / (variance + 1e-5).squareRoot()
            for j in 0..<c { out[r * c + j] = (x[r * c + j] - mean) * rstd * weight[j] + (bias?[j] ?? 0) }
        }
        return out
    }

    @Test(arguments: Engine.all, [DType.float32, .bfloat16]) func forward(_ engine: Engine, _ dtype: DType) throws {
        let lab = try engine.lab()
        for (r, c) in Self.shapes {
            for hasBias in [true, false] {
                var numbers = Numbers(r * 77 + c)
                // A mean far from 0 shows sums of squares that cancel.
                let x = numbers.uniform(r * c).map { Double(Float($0 + 8)) }, weight = numbers.uniform(c)
                let bias = hasBias ? numbers.uniform(c) : nil
                let out = try lab.empty([r, c], dtype), mean = try lab.empty([r]), rstd = try lab.empty([r])
                lab.backend.layernormForward(
                    out: out, mean: mean, rstd: rstd, x: try lab.tensor(x, [r, c]), weight: try lab.tensor(weight),
                    bias: try bias.map { try lab.tensor($0) })
                // float32 holds x - mean to 2^-24 * 9; rstd (up to 316 where C is 1) multiplies that.
                let tolerance = c == 1 ? 2e-4 : 1e-5
                #expect(
                    distance(lab.values(out), Self.reference(x, weight, bias)) < max(tolerance, dtype == .bfloat16 ? 0x1p-8 : 0))
            }
        }
    }

    @Test(arguments: Engine.all, [DType.float32, .bfloat16]) func gradients(_ engine: Engine, _ dtype: DType) throws {
        let lab = try engine.lab()
        for (r, c) in [(1, 5), (3, 96), (17, 10), (9, 17)] {
            var numbers = Numbers(r * 31 + c)
            let x = numbers.uniform(r * c), weight = numbers.uniform(c), bias = numbers.uniform(c)
            let dout = numbers.uniform(r * c, dtype), base = numbers.uniform(r * c)
            let mean = try lab.empty([r]), rstd = try lab.empty([r]), tx = try lab.tensor(x, [r, c]), tw = try lab.tensor(weight)
            lab.backend.layernormForward(
                out: try lab.empty([r, c]), mean: mean, rstd: rstd, x: tx, weight: tw, bias: try lab.tensor(bias))
            let dx = try lab.tensor(base, [r, c]), dweight = try lab.empty([c]), dbias = try lab.empty([c])
            lab.backend.layernormBackward(
                dx: dx, dweight: dweight, dbias: dbias, dout: try lab.tensor(dout, [r, c], dtype), x: tx, weight: tw,
                mean: mean, rstd: rstd, workspace: try lab.workspace(lab.backend.layernormBackwardWorkspace(rows: r, width: c)))
            let gradient = numericGradient(x) { dot(Self.reference($0, weight, bias), dout) }
            #expect(distance(lab.values(dx), zip(gradient, base).map { $0 + $1 }) < 5e-6)
            #expect(distance(lab.values(dweight), numericGradient(weight) { dot(Self.reference(x, $0, bias), dout) }) < 5e-6)
            #expect(distance(lab.values(dbias), numericGradient(bias) { dot(Self.reference(x, weight, $0), dout) }) < 5e-6)
        }
    }

    /// Sums over rows are cut into blocks that depend on the number of rows alone.
    @Test(arguments: Engine.eachISA) func backwardIsTheSameForAnyThreadCount(_ engine: Engine) throws {
        let (r, c) = (1100, 37)
        var results: [[[Double]]] = []
        for threads in 1...3 {
            let lab = try Engine(kernels: engine.kernels, threads: threads).lab()
            var numbers = Numbers(5)
            let x = try lab.tensor(numbers.uniform(r * c), [r, c]), dout = try lab.tensor(numbers.uniform(r * c), [r, c])
            let weight = try lab.tensor(numbers.uniform(c)), mean = try lab.empty([r]), rstd = try lab.empty([r])
            let (out, dx, dweight) = (try lab.empty([r, c]), try lab.empty([r, c]), try lab.empty([c]))
            lab.backend.layernormForward(out: out, mean: mean, rstd: rstd, x: x, weight: weight, bias: nil)
            lab.backend.layernormBackward(
                dx: dx, dweight: dweight, dbias: nil, dout: dout, x: x, weight: weight, mean: mean, rstd: rstd,
                workspace: try lab.workspace(lab.backend.layernormBackwardWorkspace(rows: r, width: c)))
            results.append([lab.values(out), lab.values(dx), lab.values(dweight)])
        }
        #expect(results[0] == results[1] && results[1] == results[2])
    }
}
