// SPDX-License-Identifier: MIT
import Compute
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct ClassifierKernelTests {
    /// Logits, targets (one row left out, first and last class among them) and what float64 makes of them.
    struct Problem {
        let rows: Int, vocabulary: Int, scale: Float = 0.125
        var logits: [Double], targets: [Double], losses: [Double] = [], gradients: [Double] = []

        init(rows: Int, vocabulary: Int, dtype: DType) {
            (self.rows, self.vocabulary) = (rows, vocabulary)
            var numbers = Numbers(vocabulary)
            logits = numbers.uniform(rows * vocabulary, dtype, scale: 10)
            targets = numbers.indices(rows, below: vocabulary)
            targets[0] = 0
            if rows > 1 { targets[1] = Double(vocabulary - 1) }
            if rows > 2 { targets[2] = -1 }
            for r in 0..<rows {
                let row = logits[r * vocabulary..<(r + 1) * vocabulary], target = Int(targets[r])
                let most = row.max() ?? 0, sum = row.reduce(0) { $0 + exp($1 - most) }
                losses.append(target < 0 ? 0 : log(sum) + most - row[row.startIndex + target])
                for (j, x) in row.enumerated() {
                    gradients.append(target < 0 ? 0 : Double(scale) * (exp(x - most) / sum - (j == target ? 1 : 0)))
                }
            }
        }
    }

    /// Vocabularies around the threads' 512, groups of four and tiles of 2048; odd ones start rows anywhere.
    static let vocabularies = [1, 5, 64, 511, 512, 2048, 2051, 2052, 4100, 5003]

    @Test(arguments: DType.acts, vocabularies) func float32Logits(_ act: DType, _ vocabulary: Int) throws {
        let problem = Problem(rows: 4, vocabulary: vocabulary, dtype: .float32), stride = vocabulary * 4 / act.size
        var bits: [[UInt8]] = []
        for order in Order.both {
            let logits = Buffer(problem.logits), losses = Buffer(problem.rows)
            try launch(
                "classifier_rows", act: act, grid: (problem.rows, 1), block: 512, order, .memory(losses), .memory(logits),
                .memory(Buffer(problem.targets, .int32)), .int(vocabulary), .float(problem.scale), .int(1))
            // float32 sums of e^x whose error is 2^-22 each.
            #expect(distance(losses.values, problem.losses) < 1e-6)
            let narrow = Buffer(problem.rows * stride, act)
            narrow.address.copyMemory(from: logits.address, byteCount: narrow.count * act.size)
            let all = narrow.values
            let got = (0..<problem.rows).flatMap { r in all[r * stride..<r * stride + vocabulary] }
            #expect(distance(got, problem.gradients) < (act == .bfloat16 ? 0x1p-9 + 1e-6 : 2e-6))
            bits.append(losses.bytes + got.flatMap { withUnsafeBytes(of: $0) { [UInt8]($0) } })

            let untouched = Buffer(problem.logits), again = Buffer(problem.rows)
            try launch(
                "classifier_rows", act: act, grid: (problem.rows, 1), block: 512, order, .memory(again), .memory(untouched),
                .memory(Buffer(problem.targets, .int32)), .int(vocabulary), .float(problem.scale), .int(0))
            #expect(differences(untouched.values, problem.logits) == 0)
            #expect(differences(again.bytes, losses.bytes) == 0)
        }
        #expect(differences(bits[0], bits[1]) == 0)
    }

    @Test(arguments: vocabularies) func bfloat16Logits(_ vocabulary: Int) throws {
        let problem = Problem(rows: 4, vocabulary: vocabulary, dtype: .bfloat16)
        for order in Order.both {
            let logits = Buffer(problem.logits, .bfloat16), losses = Buffer(problem.rows)
            try launch(
                "classifier_rows_bf16", grid: (problem.rows, 1), block: 512, order, .memory(losses), .memory(logits),
                .memory(Buffer(problem.targets, .int32)), .int(vocabulary), .float(problem.scale), .int(1))
            #expect(distance(losses.values, problem.losses) < 1e-6)
            #expect(distance(logits.values, problem.gradients) < 0x1p-9 + 1e-6)
        }
    }

    /// Against the CPU's classifier: with an identity for the weight, x is the logits and dx their gradient.
    @Test(arguments: [3, 40, 129]) func theCPUsClassifier(_ vocabulary: Int) throws {
        let problem = Problem(rows: 5, vocabulary: vocabulary, dtype: .float32), cpu = try Reference()
        let identity = (0..<vocabulary * vocabulary).map { $0 / vocabulary == $0 % vocabulary ? 1.0 : 0 }
        let losses = try cpu.empty([5]), dx = try cpu.empty([5, vocabulary])
        cpu.backend.classifierForwardBackward(
            losses: losses, dx: dx, dweight: try cpu.empty([vocabulary, vocabulary]),
            x: try cpu.tensor(problem.logits, [5, vocabulary]), weight: try cpu.tensor(identity, [vocabulary, vocabulary]),
            targets: try cpu.tensor(problem.targets, nil, .int32), scale: Double(problem.scale),
            workspace: try cpu.workspace(
                cpu.backend.classifierWorkspace(rows: 5, width: vocabulary, vocabulary: vocabulary, dtype: .float32)))
        let logits = Buffer(problem.logits), got = Buffer(5)
        try launch(
            "classifier_rows", grid: (5, 1), block: 512, Order.both[0], .memory(got), .memory(logits),
            .memory(Buffer(problem.targets, .int32)), .int(vocabulary), .float(problem.scale), .int(1))
        #expect(distance(got.values, cpu.values(losses)) < 1e-6)
        #expect(distance(logits.values, cpu.values(dx)) < 2e-6)
    }

    /// Huge logits lose nothing; a logit that is not a number makes the loss not a number, so that the update is skipped.
    @Test(arguments: Order.both) func extremes(_ order: Order) throws {
        func loss(_ logits: [Double]) throws -> Double {
            let out = Buffer(1)
            try launch(
                "classifier_rows", grid: (1, 1), block: 512, order, .memory(out), .memory(Buffer(logits)),
                .memory(Buffer([1], .int32)), .int(logits.count), .float(1), .int(1))
            return out.values[0]
        }
        #expect(try abs(loss([1e30, 1e30, -1e30]) - log(2.0)) < 1e-6)
        #expect(try loss([-3e38, -3e38, -3e38]) == Double(Float(log(3.0))))
        #expect(try loss([0, .nan, 1]).isNaN)
        #expect(try loss([0, 2, .nan]).isNaN)
        #expect(try loss([0, .infinity, 1]).isNaN)
        #expect(try loss([0, -.infinity, 1]) == .infinity)
    }
}
