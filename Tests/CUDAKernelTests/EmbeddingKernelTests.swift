// SPDX-License-Identifier: MIT
import Compute
import Testing

@Suite struct EmbeddingKernelTests {
    /// Rows, vocabulary, width: tiles of 256 rows and columns, warps of 8 rows, groups of four, and what lies beside them.
    static let cases = [(1, 1, 1), (7, 5, 3), (33, 11, 96), (256, 3, 256), (300, 40, 260), (600, 7, 131)]

    private static func inputs(_ rows: Int, _ vocabulary: Int, _ width: Int) -> (
        tokens: [Double], positions: [Double], wte: [Double], wpe: [Double]
    ) {
        var numbers = Numbers(rows * 31 + width)
        return (
            numbers.indices(rows, below: vocabulary), (0..<rows).map { Double($0 % 50) },
            numbers.uniform(vocabulary * width), numbers.uniform(50 * width)
        )
    }

    @Test(arguments: cases, Order.both) func forward(_ shape: (Int, Int, Int), _ order: Order) throws {
        let (rows, vocabulary, width) = shape, x = Self.inputs(rows, vocabulary, width), cpu = try Reference()
        let expected = try cpu.empty([rows, width])
        cpu.backend.embeddingForward(
            out: expected, tokens: try cpu.tensor(x.tokens, nil, .int32), positions: try cpu.tensor(x.positions, nil, .int32),
            wte: try cpu.tensor(x.wte, [vocabulary, width]), wpe: try cpu.tensor(x.wpe, [50, width]))
        for misaligned in [0, 4] {
            let out = Buffer(rows * width, misaligned: misaligned)
            try launch(
                "embedding_forward", grid: (blocks(rows, 8), 1), order, .memory(out), .memory(Buffer(x.tokens, .int32)),
                .memory(Buffer(x.positions, .int32)), .memory(Buffer(x.wte)), .memory(Buffer(x.wpe)), .int(rows), .int(width))
            #expect(differences(out.bytes, cpu.bytes(expected)) == 0)
        }
    }

    /// The CPU's bits with any number of blocks, since every element is summed in the order of the rows.
    @Test(arguments: cases, Order.both) func backward(_ shape: (Int, Int, Int), _ order: Order) throws {
        let (rows, vocabulary, width) = shape, x = Self.inputs(rows, vocabulary, width), cpu = try Reference()
        var numbers = Numbers(rows)
        let dout = numbers.uniform(rows * width)
        let dwte = try cpu.tensor(x.wte, [vocabulary, width]), dwpe = try cpu.tensor(x.wpe, [50, width])
        cpu.backend.embeddingBackward(
            dwte: dwte, dwpe: dwpe, dout: try cpu.tensor(dout), tokens: try cpu.tensor(x.tokens, nil, .int32),
            positions: try cpu.tensor(x.positions, nil, .int32))
        for grid in Set([1, 3, max(rows / 16, 1)]) {
            for (table, indices, expected) in [(x.wte, x.tokens, dwte), (x.wpe, x.positions, dwpe)] {
                let got = Buffer(table)
                try launch(
                    "embedding_backward", grid: (grid, blocks(width, 256)), order, .memory(got), .memory(Buffer(dout)),
                    .memory(Buffer(indices, .int32)), .int(rows), .int(width))
                #expect(differences(got.bytes, cpu.bytes(expected)) == 0)
            }
        }
    }
}
