// SPDX-License-Identifier: MIT
import Compute
import Modeling
import Optimization

extension AdamW {
    /// The optimizer of a model's parameters, as their descriptions say they are to be treated.
    ///
    /// - Parameter model: made for training
    /// - Throws: `MemoryError`.
    public convenience init(_ model: GPT, options: AdamWOptions) throws {
        guard let gradients = model.gradients else { preconditionFailure("a training model has gradients") }
        let weights = model.weights
        let parameters = model.config.parameters.enumerated().map { index, parameter in
            OptimizedParameter(
                name: parameter.name, master: weights.masters.tensors[index], copy: weights.copies?.tensors[index],
                gradient: gradients.tensors[index], decays: parameter.decays,
                learningRateMultiplier: parameter.learningRateMultiplier)
        }
        try self.init(
            parameters, gradients: gradients.flat, state: model.state, workspace: model.workspace, options: options,
            on: weights.backend)
    }
}
