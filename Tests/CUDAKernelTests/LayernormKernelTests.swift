// SPDX-License-Identifier: MIT
import Compute
import Testing

@Suite struct LayernormKernelTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let rows: Int, width: Int, dtype: DType
        var bias = true
        /// Bytes by which every tensor misses an alignment of 16.
        var misaligned = 0
        var testDescription: String {
            "\(dtype) [\(rows), \(width)]\(bias ? "" : " no bias")\(misaligned > 0 ? " misaligned" : "")"
        }
    }

    /// Rows around the blocks' 16 and warps' 8, widths around the groups of 4 and turns of 128 and 256.
    static let cases = DType.acts.flatMap { dtype in
        [
            Case(rows: 1, width: 1, dtype: dtype), Case(rows: 5, width: 3, dtype: dtype), Case(rows: 16, width: 64, dtype: dtype),
            Case(rows: 17, width: 96, dtype: dtype, bias: false), Case(rows: 40, width: 388, dtype: dtype),
            Case(rows: 9, width: 130, dtype: dtype), Case(rows: 9, width: 128, dtype: dtype, misaligned: dtype.size),
        ]
    }

    struct Inputs {
        var x: [Double], weight: [Double], bias: [Double], dout: [Double], dx: [Double], dweight: [Double], dbias: [Double]

        init(_ problem: Case) {
            var numbers = Numbers(problem.rows * 131 + problem.width)
            let count = problem.rows * problem.width
            // A mean far from 0, where squares about 0 would lose digits.
            x = numbers.uniform(count).map { Double(Float($0 + 3)) }
            weight = numbers.uniform(problem.width)
            bias = numbers.uniform(problem.width)
            dout = numbers.uniform(count, problem.dtype)
            dx = numbers.uniform(count)
            dweight = numbers.uniform(problem.width)
            dbias = numbers.uniform(problem.width)
        }
    }

    @Test(arguments: cases, Order.both) func forward(_ problem: Case, _ order: Order) throws {
        let (rows, width) = (problem.rows, problem.width), x = Inputs(problem), cpu = try Reference()
        let out = try cpu.empty([rows, width], problem.dtype), mean = try cpu.empty([rows]), rstd = try cpu.empty([rows])
        cpu.backend.layernormForward(
            out: out, mean: mean, rstd: rstd, x: try cpu.tensor(x.x, [rows, width]), weight: try cpu.tensor(x.weight),
            bias: problem.bias ? try cpu.tensor(x.bias) : nil)
        let got = Buffer(rows * width, problem.dtype, misaligned: problem.misaligned), gotMean = Buffer(rows),
            gotRstd = Buffer(rows)
        try launch(
            "layernorm_forward", act: problem.dtype, grid: (blocks(rows, 8), 1), order, .memory(got), .memory(gotMean),
            .memory(gotRstd), .memory(Buffer(x.x, misaligned: 2 * problem.misaligned)), .memory(Buffer(x.weight)),
            .memory(problem.bias ? Buffer(x.bias) : nil), .int(rows), .int(width))
        #expect(distance(gotMean.values, cpu.values(mean)) < 4e-7)
        // The variance is a difference: with width 1 it is the epsilon alone.
        #expect(distance(gotRstd.values, cpu.values(rstd)) < 2e-6)
        #expect(distance(got.values, cpu.values(out)) < problem.dtype.tolerance)
    }

    @Test(arguments: cases) func backward(_ problem: Case) throws {
        let (rows, width) = (problem.rows, problem.width), x = Inputs(problem), cpu = try Reference()
        let out = try cpu.empty([rows, width], problem.dtype), mean = try cpu.empty([rows]), rstd = try cpu.empty([rows])
        let xs = try cpu.tensor(x.x, [rows, width]), weight = try cpu.tensor(x.weight)
        cpu.backend.layernormForward(out: out, mean: mean, rstd: rstd, x: xs, weight: weight, bias: nil)
        let dx = try cpu.tensor(x.dx, [rows, width]), dweight = try cpu.tensor(x.dweight), dbias = try cpu.tensor(x.dbias)
        cpu.backend.layernormBackward(
            dx: dx, dweight: dweight, dbias: problem.bias ? dbias : nil, dout: try cpu.tensor(x.dout, nil, problem.dtype), x: xs,
            weight: weight, mean: mean, rstd: rstd,
            workspace: try cpu.workspace(cpu.backend.layernormBackwardWorkspace(rows: rows, width: width)))
        var bits: [[UInt8]] = []
        for order in Order.both {
            let share = max(16, blocks(rows, 512)), count = blocks(rows, share)
            let gotDx = Buffer(x.dx, misaligned: 2 * problem.misaligned), partial = Buffer(count * 2 * width)
            try launch(
                "layernorm_backward", act: problem.dtype, grid: (count, 1), order, .memory(gotDx), .memory(partial),
                .memory(Buffer(x.dout, problem.dtype, misaligned: problem.misaligned)), .memory(Buffer(x.x)),
                .memory(Buffer(x.weight)), .memory(cpu.buffer(mean)), .memory(cpu.buffer(rstd)), .int(rows), .int(width),
                .int(share))
            let gotDweight = Buffer(x.dweight), gotDbias = Buffer(x.dbias)
            try launch(
                "column_combine", grid: (blocks(width, 32), 2), order, .memory(gotDweight),
                .memory(problem.bias ? gotDbias : nil), .memory(partial), .int(count), .int(2), .int(width))
            // The same float32 sums in another order. Where the width is 1 all of dx but what was there before cancels.
            #expect(distance(gotDx.values, cpu.values(dx)) < 4e-6)
            #expect(distance(gotDweight.values, cpu.values(dweight)) < 4e-6)
            #expect(distance(gotDbias.values, cpu.values(dbias)) < 4e-6)
            bits.append(gotDx.bytes + gotDweight.bytes + gotDbias.bytes)
        }
        #expect(differences(bits[0], bits[1]) == 0)
    }

    /// More rows than one block's tile, and blocks that the 8 warps of the combination do not share evenly.
    @Test(arguments: DType.acts, [(70, 16), (200, 25), (96, 40)]) func manyTiles(_ dtype: DType, _ shape: (Int, Int)) throws {
        let (rows, share) = shape, width = 36, cpu = try Reference()
        let x = Inputs(Case(rows: rows, width: width, dtype: dtype))
        let out = try cpu.empty([rows, width], dtype), mean = try cpu.empty([rows]), rstd = try cpu.empty([rows])
        let xs = try cpu.tensor(x.x, [rows, width]), weight = try cpu.tensor(x.weight)
        cpu.backend.layernormForward(out: out, mean: mean, rstd: rstd, x: xs, weight: weight, bias: nil)
        let dx = try cpu.tensor(x.dx, [rows, width]), dweight = try cpu.tensor(x.dweight), dbias = try cpu.tensor(x.dbias)
        cpu.backend.layernormBackward(
            dx: dx, dweight: dweight, dbias: dbias, dout: try cpu.tensor(x.dout, nil, dtype), x: xs, weight: weight, mean: mean,
            rstd: rstd, workspace: try cpu.workspace(cpu.backend.layernormBackwardWorkspace(rows: rows, width: width)))
        for order in Order.both {
            let gotDx = Buffer(x.dx), partial = Buffer(blocks(rows, share) * 2 * width)
            try launch(
                "layernorm_backward", act: dtype, grid: (blocks(rows, share), 1), order, .memory(gotDx), .memory(partial),
                .memory(Buffer(x.dout, dtype)), .memory(Buffer(x.x)), .memory(Buffer(x.weight)), .memory(cpu.buffer(mean)),
                .memory(cpu.buffer(rstd)), .int(rows), .int(width), .int(share))
            let gotDweight = Buffer(x.dweight), gotDbias = Buffer(x.dbias)
            try launch(
                "column_combine", grid: (blocks(width, 32), 2), order, .memory(gotDweight), .memory(gotDbias), .memory(partial),
                .int(blocks(rows, share)), .int(2), .int(width))
            #expect(distance(gotDx.values, cpu.values(dx)) < 4e-6)
            #expect(distance(gotDweight.values, cpu.values(dweight)) < 4e-6)
            #expect(distance(gotDbias.values, cpu.values(dbias)) < 4e-6)
        }
    }

    /// A bias's gradient: sums of rows, added to what is there.
    @Test(arguments: DType.acts, [(1, 1, 64), (64, 32, 64), (150, 70, 64), (1000, 33, 70)])
    func columnSums(_ dtype: DType, _ shape: (Int, Int, Int)) throws {
        let (rows, width, share) = shape, cpu = try Reference()
        var numbers = Numbers(rows + width)
        let dout = numbers.uniform(rows * width, dtype), before = numbers.uniform(width)
        let dbias = try cpu.tensor(before), x = try cpu.tensor([Double](repeating: 0, count: rows), [rows, 1], dtype)
        cpu.backend.matmulBackwardWeight(
            dweight: try cpu.empty([width, 1]), dbias: dbias, dout: try cpu.tensor(dout, [rows, width], dtype), x: x)
        var bits: [[UInt8]] = []
        for order in Order.both {
            let partial = Buffer(blocks(rows, share) * width), got = Buffer(before)
            try launch(
                "column_partial", act: dtype, grid: (blocks(width, 32), blocks(rows, share)), order, .memory(partial),
                .memory(Buffer(dout, dtype)), .int(rows), .int(width), .int(share))
            try launch(
                "column_combine", grid: (blocks(width, 32), 1), order, .memory(got), .memory(nil), .memory(partial),
                .int(blocks(rows, share)), .int(1), .int(width))
            // float32 sums of up to 1000 terms below 1.
            #expect(distance(got.values, cpu.values(dbias)) < 4e-6)
            bits.append(got.bytes)
        }
        #expect(differences(bits[0], bits[1]) == 0)
    }
}
