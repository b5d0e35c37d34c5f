// SPDX-License-Identifier: MIT
import Compute
import Testing

@Suite struct EmbeddingTests {
    static let shapes = [(1, 1), (3, 5), (17, 96), (65, 100), (130, 33)]

    @Test(arguments: Engine.all) func matchesTheDefinition(_ engine: Engine) throws {
        let lab = try engine.lab(), v = 7, blockSize = 6
        for (r, c) in Self.shapes {
            var numbers = Numbers(r * 1000 + c)
            let wte = numbers.uniform(v * c), wpe = numbers.uniform(blockSize * c), dout = numbers.uniform(r * c)
            let tokens = numbers.indices(r, below: v), positions = numbers.indices(r, below: blockSize)
            let (t, p) = (try lab.tensor(tokens, nil, .int32), try lab.tensor(positions, nil, .int32))
            let out = try lab.empty([r, c])
            lab.backend.embeddingForward(
                out: out, tokens: t, positions: p, wte: try lab.tensor(wte, [v, c]), wpe: try lab.tensor(wpe, [blockSize, c]))
            // The operation is linear: its gradient is the transposed sum, which the loop below writes out.
            var expected = [Double](repeating: 0, count: r * c)
            var dwte = [Double](repeating: 1, count: v * c), dwpe = [Double](repeating: -1, count: blockSize * c)
            for i in 0..<r {
                for j in 0..<c {
                    let (a, b) = (Int(tokens[i]) * c + j, Int(positions[i]) * c + j)
                    expected[i * c + j] = Double(Float(wte[a]) + Float(wpe[b]))
                    // In float32 and in the order of the rows, as promised: equal bit by bit.
                    dwte[a] = Double(Float(dwte[a]) + Float(dout[i * c + j]))
                    dwpe[b] = Double(Float(dwpe[b]) + Float(dout[i * c + j]))
                }
            }
            #expect(lab.values(out) == expected)
            let (gotWte, gotWpe) = (
                try lab.tensor([Double](repeating: 1, count: v * c), [v, c]),
                try lab.tensor([Double](repeating: -1, count: blockSize * c), [blockSize, c])
            )
            lab.backend.embeddingBackward(
                dwte: gotWte, dwpe: gotWpe, dout: try lab.tensor(dout, [r, c]), tokens: t, positions: p)
            #expect(lab.values(gotWte) == dwte)
            #expect(lab.values(gotWpe) == dwpe)
        }
    }
}
