// SPDX-License-Identifier: MIT
import Compute
import Testing

@Suite struct ElementwiseKernelTests {
    /// Groups of four, a rest, more than one turn of the grid; and starts that groups cannot be loaded from.
    static let counts = [1, 3, 4, 1000, 1027, 2050]
    static let activations: [Activation] = [.gelu, .geluTanh]

    @Test(arguments: DType.acts, counts) func activationForward(_ dtype: DType, _ count: Int) throws {
        let cpu = try Reference()
        var numbers = Numbers(count)
        let x = numbers.uniform(count, dtype, scale: 6)
        for (index, activation) in Self.activations.enumerated() {
            let expected = try cpu.empty([count], dtype)
            cpu.backend.activationForward(out: expected, x: try cpu.tensor(x, nil, dtype), activation)
            for (order, misaligned) in zip(Order.both, [0, dtype.size]) {
                let out = Buffer(count, dtype, misaligned: misaligned)
                try launch(
                    "activation_forward", act: dtype, grid: loopGrid(count), order, .memory(out),
                    .memory(Buffer(x, dtype, misaligned: misaligned)), .long(count), .int(index))
                #expect(distance(out.values, cpu.values(expected)) < dtype.tolerance)
            }
        }
    }

    @Test(arguments: DType.acts, counts) func activationBackward(_ dtype: DType, _ count: Int) throws {
        let cpu = try Reference()
        var numbers = Numbers(count)
        let x = numbers.uniform(count, dtype, scale: 6), dout = numbers.uniform(count, dtype)
        for (index, activation) in Self.activations.enumerated() {
            let expected = try cpu.tensor(dout, nil, dtype)
            cpu.backend.activationBackward(dx: expected, dout: expected, x: try cpu.tensor(x, nil, dtype), activation)
            for (order, misaligned) in zip(Order.both, [0, dtype.size]) {
                let dx = Buffer(dout, dtype, misaligned: misaligned)  // in place
                try launch(
                    "activation_backward", act: dtype, grid: loopGrid(count), order, .memory(dx), .memory(dx),
                    .memory(Buffer(x, dtype)), .long(count), .int(index))
                #expect(distance(dx.values, cpu.values(expected)) < dtype.tolerance)
            }
        }
    }

    /// The parts of a product's epilogue, against the CPU's epilogue of a product with one.
    @Test(arguments: DType.acts, [(3, 5), (8, 132), (40, 31)]) func biasActivation(_ dtype: DType, _ shape: (Int, Int)) throws {
        let (rows, width) = shape, count = rows * width, cpu = try Reference()
        var numbers = Numbers(count)
        let x = numbers.uniform(count, dtype, scale: 3), bias = numbers.uniform(width)
        // x = x I^T
        let identity = (0..<width * width).map { $0 / width == $0 % width ? 1.0 : 0 }
        for (index, activation) in Self.activations.enumerated() {
            for bias in [bias, nil] {
                let out = try cpu.empty([rows, width], dtype), pre = try cpu.empty([rows, width], dtype)
                cpu.backend.matmulForward(
                    out: out, x: try cpu.tensor(x, [rows, width], dtype),
                    weight: try cpu.tensor(identity, [width, width], dtype),
                    bias: try bias.map { try cpu.tensor($0) }, epilogue: .activation(activation, preactivation: pre))
                for order in Order.both {
                    let gotOut = Buffer(count, dtype), gotPre = Buffer(x, dtype)
                    try launch(
                        "bias_activation", act: dtype, grid: loopGrid(count), order, .memory(gotOut), .memory(gotPre),
                        .memory(bias.map { Buffer($0) }), .long(count), .int(width), .int(index))
                    #expect(distance(gotPre.values, cpu.values(pre)) < dtype.tolerance)
                    // The CPU applies the activation before it rounds the sum: another half unit of bfloat16.
                    #expect(distance(gotOut.values, cpu.values(out)) < 2 * dtype.tolerance)
                    guard index == 0, let bias else { continue }
                    let added = Buffer(x, dtype, misaligned: order.reverse ? dtype.size : 0)
                    try launch(
                        "bias_add", act: dtype, grid: loopGrid(count), order, .memory(added), .memory(Buffer(bias)), .long(count),
                        .int(width))
                    #expect(differences(added.values, gotPre.values) == 0)
                }
            }
        }
    }

    /// The CPU's numbers: masks are functions of counters.
    @Test(arguments: DType.acts, [(1, 1, 1), (3, 2, 5), (4, 3, 33), (6, 2, 128)])
    func dropout(_ dtype: DType, _ shape: (Int, Int, Int)) throws {
        let (rows, rowsPerSample, width) = (shape.0 * shape.1, shape.1, shape.2), count = rows * width, cpu = try Reference()
        var numbers = Numbers(count)
        let x = numbers.uniform(count, dtype)
        for (probability, sample) in [(0.1, 0.0), (0.5, 5_000_000_000), (0, 3)] {
            let mask = DropoutMask(probability: probability), expected = try cpu.tensor(x, [rows, width], dtype)
            cpu.backend.dropout(
                expected, rowsPerSample: rowsPerSample,
                Dropout(probability: probability, seed: mask.seed, site: mask.site, state: try cpu.state([.sampleIndex: sample])))
            for (order, misaligned) in zip(Order.both, [0, dtype.size]) {
                let got = Buffer(x, dtype, misaligned: misaligned)
                try launch(
                    "dropout", act: dtype, grid: loopGrid(count), order, .memory(got), .long(count), .long(rowsPerSample * width),
                    .dropout(mask), .memory(deviceState([.sampleIndex: sample])))
                // Values, since the CPU drops to -0 at the ends of rows.
                #expect(differences(got.values, cpu.values(expected)) == 0)
            }
        }
    }

    @Test(arguments: DType.acts, counts) func residualAdd(_ dtype: DType, _ count: Int) throws {
        let cpu = try Reference()
        var numbers = Numbers(count)
        let a = numbers.uniform(count), b = numbers.uniform(count, dtype), expected = try cpu.tensor(a)
        cpu.backend.residualAdd(out: expected, a: expected, b: try cpu.tensor(b, nil, dtype))
        for (order, misaligned) in zip(Order.both, [0, dtype.size]) {
            let out = Buffer(a)
            try launch(
                "residual_add", act: dtype, grid: loopGrid(count), order, .memory(out), .memory(out),
                .memory(Buffer(b, dtype, misaligned: misaligned)), .long(count))
            #expect(differences(out.bytes, cpu.bytes(expected)) == 0)
        }
    }

    @Test(arguments: counts) func convert(_ count: Int) throws {
        let cpu = try Reference()
        var numbers = Numbers(count)
        // Ties, subnormal numbers, the largest, infinities; a not-a-number may differ in its bits.
        let special = [1 + 0x1p-8, 1 + 3 * 0x1p-8, 1e-40, -1e-44, 3.4e38, -3.39e38, .infinity, -.infinity, -0.0]
        let x = (numbers.uniform(count, scale: 100) + special).map { Double(Float($0)) }
        let narrow = try cpu.empty([x.count], .bfloat16), wide = try cpu.empty([x.count])
        cpu.backend.convert(from: try cpu.tensor(x), to: narrow)
        cpu.backend.convert(from: narrow, to: wide)
        for (order, misaligned) in zip(Order.both, [0, 2]) {
            let gotNarrow = Buffer(x.count, .bfloat16, misaligned: misaligned), gotWide = Buffer(x.count)
            try launch("convert_to_bf16", grid: loopGrid(x.count), order, .memory(gotNarrow), .memory(Buffer(x)), .long(x.count))
            try launch("convert_to_float", grid: loopGrid(x.count), order, .memory(gotWide), .memory(gotNarrow), .long(x.count))
            #expect(differences(gotNarrow.bytes, cpu.bytes(narrow)) == 0)
            #expect(differences(gotWide.bytes, cpu.bytes(wide)) == 0)
        }
    }

    /// From packed q, k, v into a cache of heads, one layout the other's transpose.
    @Test(arguments: DType.acts, [(2, 3, 2, 8), (1, 5, 3, 7), (3, 1, 4, 64)])
    func copyHeads(_ dtype: DType, _ shape: (Int, Int, Int, Int)) throws {
        let (batch, tokens, heads, size) = shape, cpu = try Reference()
        var numbers = Numbers(size)
        let width = heads * size, length = tokens + 3
        let x = numbers.uniform(batch * tokens * 3 * width, dtype), cache = numbers.uniform(batch * heads * length * size, dtype)
        let from = Argument.View(start: width, batchStride: tokens * 3 * width, tokenStride: 3 * width, headStride: size)
        let to = Argument.View(start: 2 * size, batchStride: heads * length * size, tokenStride: size, headStride: length * size)
        let expected = try cpu.tensor(cache, nil, dtype), source = try cpu.tensor(x, nil, dtype)
        cpu.backend.copyHeads(
            from: HeadView(
                source, start: from.start, batchStride: from.batchStride, tokenStride: from.tokenStride, headStride: size),
            to: HeadView(expected, start: to.start, batchStride: to.batchStride, tokenStride: size, headStride: to.headStride),
            batch: batch, tokens: tokens, heads: heads, headSize: size)
        // Where the cache's new tokens go: the host knows it, or the device.
        let begin = Argument.View(start: 0, batchStride: to.batchStride, tokenStride: size, headStride: to.headStride)
        for (order, place) in zip(Order.both, [(to, nil), (begin, Buffer([2], .int32))]) {
            let got = Buffer(cache, dtype)
            try launch(
                "copy_heads", act: dtype, grid: loopGrid(batch * tokens * width), order, .heads(got, place.0),
                .heads(Buffer(x, dtype), from), .int(batch), .int(tokens), .int(heads), .int(size), .memory(place.1))
            #expect(differences(got.bytes, cpu.bytes(expected)) == 0)
        }
    }
}
