// SPDX-License-Identifier: MIT
import Compute
import Generation
import Testing

@Suite struct DecodingKernelTests {
    // MARK: Choice

    private static func choose(
        _ logits: [[Float]], _ options: SamplingOptions, choices: Int, first: Int = 0, position: Int = 0, _ order: Order
    ) throws -> [Int] {
        let texts = logits.count, tokens = Buffer(texts, .int32), history = Buffer(texts * 3, .int32)
        let values = logits.flatMap { $0.map(Double.init) }, width = logits[0].count
        let state = Buffer([5, Double(position), Double(first), 2] + [Double](repeating: 0, count: 4), .int32)
        try launch(
            "choose_tokens", grid: (texts, 1), block: 512, order, .memory(tokens), .memory(history), .int(3),
            .memory(Buffer(values)), .int(width), .int(choices), .memory(state), .double(options.temperature),
            .int(options.topK), .double(options.topP), .words(options.seed))
        #expect(tokens.values == (0..<texts).map { history.values[$0 * 3 + 2] })
        return tokens.values.map { Int($0) }
    }

    private static func expected(
        _ logits: [[Float]], _ options: SamplingOptions, choices: Int, first: Int = 0, position: Int = 0
    ) -> [Int] {
        logits.enumerated().map { b, row in
            row.withUnsafeBufferPointer {
                Sampler(options).choose(
                    UnsafeBufferPointer(rebasing: $0.prefix(choices)), sample: first + b, position: position)
            }
        }
    }

    /// Rows of logits that are normal-like, with many that are equal, both zeros, and what may not be chosen.
    private static func logits(_ width: Int, seed: Int) -> [[Float]] {
        var numbers = Numbers(seed)
        var smooth = [Float](repeating: 0, count: width)
        for _ in 0..<4 {
            for (i, value) in numbers.uniform(width, scale: 3).enumerated() { smooth[i] += Float(value) }
        }
        let coarse = smooth.map { (x: Float) -> Float in (x * 2).rounded() / 2 }
        var broken = smooth
        let odd: [Float] = [.nan, .infinity, -.infinity, -0.0]
        for i in stride(from: 1, to: width, by: 3) { broken[i] = odd[i % 4] }
        let flat = [Float](repeating: -7.25, count: width)
        return [smooth, coarse, broken, flat, [Float](repeating: .nan, count: width)]
    }

    /// The sampler's own tokens: all its options, on rows below and above what the block's threads and the bins divide.
    @Test(
        arguments: [1, 2, 33, 700, 5003],
        [
            (0.0, 0, 1.0), (1.0, 1, 1), (0.8, 0, 1), (1, 5, 1), (0.7, 200, 1), (1.3, 0, 0.9), (1, 50, 0.5), (1, 0, 1e-9),
            (1, 3, 0.999), (1e-300, 10, 1),
        ])
    func choice(_ width: Int, _ settings: (Double, Int, Double)) throws {
        let logits = Self.logits(width, seed: width)
        for (seed, order) in zip([UInt64(1337), 0xffff_ffff_0000_0001], Order.both) {
            let options = SamplingOptions(temperature: settings.0, topK: settings.1, topP: settings.2, seed: seed)
            for choices in Set([width, max(1, width - 3)]) {
                let got = try Self.choose(logits, options, choices: choices, first: 3, position: 70_001, order)
                #expect(got == Self.expected(logits, options, choices: choices, first: 3, position: 70_001))
            }
        }
    }

    /// Many random numbers on one row: each of some hundred draws is the sampler's.
    @Test(arguments: [(0, 1.0), (40, 1.0), (0, 0.8)]) func manyDraws(_ settings: (Int, Double)) throws {
        let row = Self.logits(300, seed: 9)[1], rows = [[Float]](repeating: row, count: 100)
        let options = SamplingOptions(temperature: 1.5, topK: settings.0, topP: settings.1, seed: 42)
        var chosen: Set<Int> = []
        for (position, order) in zip([1, 2], Order.both) {
            let got = try Self.choose(rows, options, choices: 300, first: -2, position: position, order)
            #expect(got == Self.expected(rows, options, choices: 300, first: -2, position: position))
            chosen.formUnion(got)
        }
        #expect(chosen.count > 10)
    }

    @Test(arguments: Order.both) func advance(_ order: Order) throws {
        let state = Buffer([9, 20, 3, 4, 0, 0, 0, 0], .int32), positions = Buffer(300, .int32)
        try launch("advance_decoding", order, .memory(state), .memory(positions), .int(300))
        #expect(state.values == [10, 21, 3, 5, 0, 0, 0, 0] && positions.values.allSatisfy { $0 == 10 })
    }

    /// A full history is left alone.
    @Test func historyEnds() throws {
        let tokens = Buffer(1, .int32), history = Buffer([7, 8], .int32), state = Buffer([0, 0, 0, 2, 0, 0, 0, 0], .int32)
        for memory in [history, nil] {
            try launch(
                "choose_tokens", block: 512, Order.both[0], .memory(tokens), .memory(memory), .int(2),
                .memory(Buffer([0, 2, 1])), .int(3), .int(3), .memory(state), .double(0), .int(0), .double(1), .words(1))
        }
        #expect(tokens.values == [1] && history.values == [7, 8])
    }

    // MARK: Attention to a cache

    /// All that divides the work: groups of lanes of every size, heads that are no multiple of eight, few keys and many, several queries;
    /// the number of keys from the host and from the device.
    @Test(
        arguments: DType.acts,
        [
            (1, 1, 1, 1, 4), (2, 1, 600, 2, 64), (1, 3, 50, 1, 80), (1, 8, 8, 2, 256), (1, 1, 300, 2, 32), (1, 2, 131, 1, 20),
            (1, 1, 70, 1, 128), (2, 4, 9, 1, 16), (1, 1, 65, 3, 100), (1, 1, 33, 1, 8),
        ]) func attention(_ dtype: DType, _ shape: (Int, Int, Int, Int, Int)) throws
    {
        let problem = AttentionProblem(shape.0, shape.1, shape.2, shape.3, shape.4, dtype), size = problem.shape.headSize
        let expected = try Reference().run(problem), (packed, _) = problem.inputs
        for (order, fromDevice) in [(Order.both[0], false), (Order.both[1], true)] {
            for misaligned in [0, dtype.size] {
                let x = Buffer(packed, dtype, misaligned: misaligned), out = Buffer(problem.outCount, dtype)
                let length = Buffer([Double(shape.2 - shape.1)], .int32)
                try launch(
                    "attention_decode", act: dtype, grid: (shape.1, shape.0 * shape.3), block: 512, shared: 64 * (size + 2),
                    order, .heads(out, problem.outView), .heads(x, problem.view(0)), .heads(x, problem.view(1)),
                    .heads(x, problem.view(2)), .int(shape.3), .int(shape.1), .int(fromDevice ? 1_000_000 : shape.2),
                    .memory(fromDevice ? length : nil), .int(size), .float(problem.shape.scale))
                // As `rows` of AttentionKernelTests: the same arithmetic in another order.
                #expect(distance(out.values, expected.out) < (dtype == .bfloat16 ? 0x1p-8 : 1e-5))
            }
        }
    }
}
