// SPDX-License-Identifier: MIT
import Compute

/// What an optimizer needs to know of one parameter.
public struct OptimizedParameter: Sendable {
    /// The parameter's name, from which the moments have theirs.
    public let name: String
    /// float32
    public let master: Tensor
    /// bfloat16 copy to refresh, if there is one.
    public let copy: Tensor?
    /// float32, the sum over the update's micro-batches
    public let gradient: Tensor
    /// Whether `AdamWOptions.weightDecay` applies; without it the decay is 0.
    public let decays: Bool
    /// Multiplies the rate given to `AdamW.update`.
    public let learningRateMultiplier: Double

    public init(name: String, master: Tensor, copy: Tensor?, gradient: Tensor, decays: Bool, learningRateMultiplier: Double) {
        self.name = name
        self.master = master
        self.copy = copy
        self.gradient = gradient
        self.decays = decays
        self.learningRateMultiplier = learningRateMultiplier
    }
}

/// AdamW's constants, as nanoGPT names them.
public struct AdamWOptions: Sendable, Equatable {
    /// What the mean of gradients keeps at each update, from 0 to below 1.
    public var beta1: Double
    /// What the mean of squared gradients keeps at each update, from 0 to below 1.
    public var beta2: Double
    /// Added to the square root that the step is divided by.
    public var epsilon: Double
    /// Multiplies the learning rate in p -= lr * decay * p, for parameters whose `decays` is set.
    public var weightDecay: Double
    /// Largest global gradient norm; 0: no clipping.
    public var gradClip: Double

    /// The defaults are nanoGPT's; epsilon is PyTorch's.
    public init(
        beta1: Double = 0.9, beta2: Double = 0.95, epsilon: Double = 1e-8, weightDecay: Double = 0.1, gradClip: Double = 1
    ) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.gradClip = gradClip
    }
}

/// AdamW with decay groups and global-norm clipping (Loshchilov and Hutter, arXiv 1711.05101), all on the device.
///
/// The update count, norm, clip factor and finite flag are scalars of the step state, so an update never waits.
public final class AdamW {
    /// As given to `init`, which writes `gradClip` into the step state.
    public let options: AdamWOptions
    /// float32 moments, named `<parameter>.exp_avg` and `<parameter>.exp_avg_sq`.
    public let moments: [(name: String, tensor: Tensor)]

    private let backend: any Backend
    private let parameters: [OptimizedParameter]
    /// All gradients as one flat float32 tensor.
    public let gradients: Tensor
    private let state: Tensor
    private let workspace: Tensor
    private let groups: [AdamWGroup]
    private let updateWork = RepeatedWork()

    /// Bytes of the moments of parameters with these element counts.
    public static func byteCount(_ counts: [Int]) -> Int {
        var plan = ArenaPlan()
        for count in counts {
            _ = plan.reserve(.float32, [count])
            _ = plan.reserve(.float32, [count])
        }
        return plan.byteCount
    }

    /// - Parameters:
    ///   - parameters: what is updated, each with its gradient
    ///   - gradients: all gradients as one flat float32 tensor
    ///   - state: `[StepState.count]` float64
    ///   - workspace: `globalNormWorkspace` bytes or more
    ///   - options: betas, decay and clipping
    ///   - backend: where the moments are allocated
    /// - Throws: `MemoryError`.
    public init(
        _ parameters: [OptimizedParameter], gradients: Tensor, state: Tensor, workspace: Tensor, options: AdamWOptions,
        on backend: any Backend
    ) throws {
        self.parameters = parameters
        self.gradients = gradients
        self.state = state
        self.workspace = workspace
        self.options = options
        self.backend = backend
        groups = parameters.map {
            AdamWGroup(
                beta1: options.beta1, beta2: options.beta2, epsilon: options.epsilon,
                weightDecay: $0.decays ? options.weightDecay : 0, learningRateMultiplier: $0.learningRateMultiplier)
        }
        var plan = ArenaPlan()
        let slots = parameters.map { (plan.reserve(.float32, $0.master.shape), plan.reserve(.float32, $0.master.shape)) }
        let memory = try backend.allocate(byteCount: plan.byteCount)
        moments = zip(parameters, slots).flatMap { parameter, slot in
            [
                (parameter.name + ".exp_avg", slot.0.tensor(in: memory)),
                (parameter.name + ".exp_avg_sq", slot.1.tensor(in: memory)),
            ]
        }
        backend.writeScalar(options.gradClip, to: state, .gradClip)
    }

    /// Prepares an update: gradients and loss are zero after it.
    public func beginStep() {
        backend.fillZero(gradients)
        backend.writeScalar(0, to: state, .loss)
    }

    /// Clips the summed gradients and applies them; does nothing to the weights when loss or norm is not finite.
    public func update(learningRate: Double) {
        backend.writeScalar(learningRate, to: state, .learningRate)
        backend.repeated(updateWork) { applyUpdate() }
    }

    /// All of an update that is the same every time.
    private func applyUpdate() {
        backend.globalNorm(state: state, gradients: gradients, workspace: workspace)
        backend.beginUpdate(state: state)
        for (index, parameter) in parameters.enumerated() {
            backend.adamwUpdate(
                parameter: parameter.master, gradient: parameter.gradient, expAvg: moments[2 * index].tensor,
                expAvgSq: moments[2 * index + 1].tensor, copy: parameter.copy, state: state, group: groups[index])
        }
    }
}
