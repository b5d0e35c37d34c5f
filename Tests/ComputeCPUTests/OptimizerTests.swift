// SPDX-License-Identifier: MIT
import Compute
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct OptimizerTests {
    @Test(arguments: Engine.all) func lossIsAccumulated(_ engine: Engine) throws {
        let lab = try engine.lab()
        var numbers = Numbers(3)
        let losses = numbers.uniform(1003), state = try lab.state([.loss: 0.5])
        lab.backend.accumulateLoss(state: state, losses: try lab.tensor(losses), scale: 0.25)
        #expect(lab.values(state)[StepState.loss.rawValue] == 0.5 + 0.25 * losses.reduce(0, +))
    }

    @Test(arguments: [1, 31, 33, 1000, 65_536, 200_003]) func normIsTheSameOnEveryEngine(_ count: Int) throws {
        var numbers = Numbers(count)
        let gradients = numbers.uniform(count), expected = dot(gradients, gradients).squareRoot()
        var results: Set<Double> = []
        for engine in Engine.all {
            let lab = try engine.lab(), state = try lab.state([.gradClip: 1, .loss: 2])
            let workspace = try lab.workspace(lab.backend.globalNormWorkspace(count: count))
            lab.backend.globalNorm(state: state, gradients: try lab.tensor(gradients), workspace: workspace)
            let scalars = lab.values(state)
            let norm = scalars[StepState.gradNorm.rawValue]
            results.insert(norm)
            #expect(abs(norm - expected) < 1e-12 * expected)
            #expect(scalars[StepState.finite.rawValue] == 1)
            #expect(scalars[StepState.clipFactor.rawValue] == min(1, 1 / (norm + 1e-6)))
        }
        #expect(results.count == 1)
    }

    @Test func normWithoutClippingAndWithoutNumbers() throws {
        let lab = try Engine.portable.lab(), workspace = try lab.workspace(lab.backend.globalNormWorkspace(count: 100))
        func state(_ gradient: Double, loss: Double, clip: Double) throws -> [Double] {
            let state = try lab.state([.loss: loss, .gradClip: clip])
            lab.backend.globalNorm(
                state: state, gradients: try lab.tensor([Double](repeating: gradient, count: 100)), workspace: workspace)
            lab.backend.beginUpdate(state: state)
            return lab.values(state)
        }
        let plain = try state(3, loss: 1, clip: 0)
        #expect(plain[StepState.gradNorm.rawValue] == 30 && plain[StepState.clipFactor.rawValue] == 1)
        #expect(plain[StepState.updates.rawValue] == 1)
        for broken in [
            try state(.nan, loss: 1, clip: 1), try state(.infinity, loss: 1, clip: 1), try state(3, loss: .nan, clip: 1),
        ] {
            #expect(broken[StepState.finite.rawValue] == 0 && broken[StepState.updates.rawValue] == 0)
        }
        // Squares of float32's largest numbers do not overflow float64.
        #expect(try state(3e38, loss: 1, clip: 1)[StepState.finite.rawValue] == 1)
    }

    static let group = AdamWGroup(beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1, learningRateMultiplier: 0.5)

    @Test(arguments: Engine.all, [1, 15, 100, 5003]) func adamwFollowsTheFormula(_ engine: Engine, _ count: Int) throws {
        let lab = try engine.lab()
        var numbers = Numbers(count)
        var p = numbers.uniform(count), m = [Double](repeating: 0, count: count), v = m
        let (tp, tm, tv) = (try lab.tensor(p), try lab.tensor(m), try lab.tensor(v)), copy = try lab.empty([count], .bfloat16)
        let state = try lab.state([.finite: 1, .learningRate: 0.02, .clipFactor: 0.5])
        for step in 1...4 {
            let g = numbers.uniform(count)
            lab.backend.beginUpdate(state: state)
            lab.backend.adamwUpdate(
                parameter: tp, gradient: try lab.tensor(g), expAvg: tm, expAvgSq: tv, copy: copy, state: state, group: Self.group)
            for i in 0..<count {
                let gradient = 0.5 * g[i], rate = 0.01, t = Double(step)
                p[i] *= 1 - rate * 0.1
                m[i] = 0.9 * m[i] + 0.1 * gradient
                v[i] = 0.99 * v[i] + 0.01 * gradient * gradient
                p[i] -= rate / (1 - pow(0.9, t)) * m[i] / (v[i].squareRoot() / (1 - pow(0.99, t)).squareRoot() + 1e-8)
            }
        }
        // Four updates, each some float32 roundings of numbers up to 1.
        #expect(distance(lab.values(tp), p) < 1e-6)
        #expect(distance(lab.values(tm), m) < 1e-6)
        #expect(distance(lab.values(tv), v) < 1e-6)
        #expect(lab.values(copy) == lab.values(tp).map { Double(BFloat16.float(BFloat16.bits(Float($0)))) })
    }

    @Test(arguments: Engine.eachISA) func nothingIsUpdatedWhenNotFinite(_ engine: Engine) throws {
        let lab = try engine.lab(), x = [Double](repeating: 0.5, count: 40)
        let tensors = [try lab.tensor(x), try lab.tensor(x), try lab.tensor(x)], state = try lab.state([.learningRate: 1])
        lab.backend.adamwUpdate(
            parameter: tensors[0], gradient: try lab.tensor(x), expAvg: tensors[1], expAvgSq: tensors[2], copy: nil, state: state,
            group: Self.group)
        for tensor in tensors { #expect(lab.values(tensor) == x) }
    }
}
