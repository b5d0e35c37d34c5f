// SPDX-License-Identifier: MIT
import Compute
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct StepKernelTests {
    @Test(arguments: [1, 200, 256, 1000], Order.both) func accumulateLoss(_ rows: Int, _ order: Order) throws {
        var numbers = Numbers(rows)
        let losses = numbers.uniform(rows, scale: 5), cpu = try Reference(), expected = try cpu.state([.loss: 0.5])
        cpu.backend.accumulateLoss(state: expected, losses: try cpu.tensor(losses), scale: 0.25)
        let state = deviceState([.loss: 0.5])
        try launch("accumulate_loss", order, .memory(state), .memory(Buffer(losses)), .int(rows), .double(0.25))
        // float64 sums in another order.
        #expect(distance(state.values, cpu.values(expected)) < 1e-14)
    }

    /// The CPU's bits, with blocks that are whole, cut, and more than one block of threads has warps for.
    @Test(arguments: [1, 31, 100, 65_536, 65_537, 600_011]) func globalNorm(_ count: Int) throws {
        var numbers = Numbers(count)
        let gradients = numbers.uniform(count), cpu = try Reference()
        let tensor = try cpu.tensor(gradients), workspace = try cpu.workspace(cpu.backend.globalNormWorkspace(count: count))
        let device = Buffer(gradients), parts = blocks(count, 65_536)
        for (order, scalars) in zip(
            Order.both, [[StepState.loss: 2, .gradClip: 1], [StepState.loss: 2, .gradClip: 1e9]])
        {
            let expected = try cpu.state(scalars), state = deviceState(scalars), partial = Buffer(parts, .float64)
            cpu.backend.globalNorm(state: expected, gradients: tensor, workspace: workspace)
            try launch("global_norm_partial", grid: (blocks(parts, 8), 1), order, .memory(partial), .memory(device), .long(count))
            try launch("global_norm_finish", order, .memory(state), .memory(partial), .int(parts))
            #expect(differences(state.bytes, cpu.bytes(expected)) == 0)
        }
    }

    /// More partial sums than threads, added in order; no clipping; and numbers that are none.
    @Test(arguments: Order.both) func finish(_ order: Order) throws {
        var numbers = Numbers(1)
        let many = numbers.uniform(700).map { $0 * $0 }, state = deviceState()
        try launch("global_norm_finish", order, .memory(state), .memory(Buffer(many, .float64)), .int(700))
        #expect(state.values[StepState.gradNorm.rawValue] == many.reduce(0, +).squareRoot())
        #expect(state.values[StepState.clipFactor.rawValue] == 1 && state.values[StepState.finite.rawValue] == 1)
        for (sum, loss) in [(Double.nan, 1.0), (.infinity, 1), (1, .nan), (1, -.infinity)] {
            let state = deviceState([.loss: loss, .gradClip: 1])
            try launch("global_norm_finish", order, .memory(state), .memory(Buffer([sum], .float64)), .int(1))
            #expect(state.values[StepState.finite.rawValue] == 0)
            try launch("begin_update", block: 1, order, .memory(state))
            #expect(state.values[StepState.updates.rawValue] == 0)
        }
        try launch("begin_update", block: 1, order, .memory(state))
        #expect(state.values[StepState.updates.rawValue] == 1)
        try launch(
            "write_scalar", block: 1, order, .memory(state), .int(StepState.learningRate.rawValue), .double(0.125))
        #expect(state.values[StepState.learningRate.rawValue] == 0.125)
    }

    struct Moments {
        var p: [Double], g: [Double], m: [Double], v: [Double]

        init(_ count: Int) {
            var numbers = Numbers(count)
            p = numbers.uniform(count)
            g = numbers.uniform(count, scale: 0.1)
            m = numbers.uniform(count, scale: 0.1)
            v = numbers.uniform(count, scale: 0.01).map { abs($0) }
        }
    }

    private func adamw(
        _ buffers: [Buffer], copy: Buffer?, _ state: Buffer, _ group: AdamWGroup, stochastic: Bool = false, _ order: Order
    ) throws {
        try launch(
            "adamw_update", grid: loopGrid(buffers[0].count), order, .memory(buffers[0]), .memory(buffers[1]),
            .memory(buffers[2]),
            .memory(buffers[3]), .memory(copy), .memory(state), .long(buffers[0].count), .double(group.beta1),
            .double(group.beta2),
            .double(group.epsilon), .double(group.weightDecay), .double(group.learningRateMultiplier), .int(stochastic ? 1 : 0),
            .words(11), .word(3))
    }

    private static let group = AdamWGroup(beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1, learningRateMultiplier: 0.5)
    private static let scalars: [StepState: Double] = [.learningRate: 1e-2, .clipFactor: 0.75, .finite: 1, .updates: 3]

    @Test(arguments: [1, 6, 1024, 1029], [true, false]) func adamw(_ count: Int, _ withCopy: Bool) throws {
        let x = Moments(count), cpu = try Reference()
        let tensors = try [x.p, x.g, x.m, x.v].map { try cpu.tensor($0) }, copy = try cpu.empty([count], .bfloat16)
        cpu.backend.adamwUpdate(
            parameter: tensors[0], gradient: tensors[1], expAvg: tensors[2], expAvgSq: tensors[3], copy: withCopy ? copy : nil,
            state: try cpu.state(Self.scalars), group: Self.group)
        for (order, misaligned) in zip(Order.both, [0, 4]) {
            let buffers = [x.p, x.g, x.m, x.v].map { Buffer($0, misaligned: misaligned) }, got = Buffer(count, .bfloat16)
            try adamw(buffers, copy: withCopy ? got : nil, deviceState(Self.scalars), Self.group, order)
            // Some float32 operations in the same order; a compiler may fuse two of them.
            for (buffer, tensor) in zip(buffers, tensors) { #expect(distance(buffer.values, cpu.values(tensor)) < 3e-7) }
            guard withCopy else { continue }
            #expect(differences(got.values, buffers[0].values.map { Double(BFloat16.float(BFloat16.bits(Float($0)))) }) == 0)
        }
    }

    @Test(arguments: Order.both) func nothingHappensToWeightsWhenNotFinite(_ order: Order) throws {
        let x = Moments(70), copy = Buffer(x.p, .bfloat16), before = copy.bytes
        let buffers = [x.p, x.g, x.m, x.v].map { Buffer($0) }
        var scalars = Self.scalars
        scalars[.finite] = 0
        scalars[.clipFactor] = .nan
        try adamw(buffers, copy: copy, deviceState(scalars), Self.group, order)
        #expect(zip(buffers, [x.p, x.g, x.m, x.v]).allSatisfy { $0.values == $1 } && copy.bytes == before)
    }

    /// Every copy is a neighbour of its parameter, chosen by the words of Philox, and right on average.
    @Test(arguments: Order.both) func stochasticRounding(_ order: Order) throws {
        let count = 4099, value = 1 + 0.3 * 0x1p-7, x = [Double](repeating: value, count: count)
        let zeros = [Double](repeating: 0, count: count), still = AdamWGroup(beta1: 0, beta2: 0, epsilon: 1, weightDecay: 0)
        let buffers = [x, zeros, zeros, zeros].map { Buffer($0) }, copy = Buffer(count, .bfloat16)
        try adamw(buffers, copy: copy, deviceState(Self.scalars), still, stochastic: true, order)
        let bits = Float(value).bitPattern
        for (i, got) in copy.values.enumerated() {
            let words = Philox.words(key: 11, counter: (UInt32(i / 4), 0, 3, 3))
            let word = [words.0, words.1, words.2, words.3][i % 4]
            #expect(got == Double(BFloat16.float(UInt16((bits + (word & 0xffff)) >> 16))))
        }
        // 4099 throws of a coin of 0.3: the mean's standard deviation is 0.0072 of the distance of the two neighbours.
        let up = Double(copy.values.filter { $0 > value }.count) / Double(count)
        #expect(abs(up - 0.3) < 4 * 0.0072)
    }
}
