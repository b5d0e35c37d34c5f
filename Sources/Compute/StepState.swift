// SPDX-License-Identifier: MIT

/// The scalars of a training step that live on the device, so that a step never waits for the host.
///
/// They are elements of one float64 tensor of shape `[count]`; whole numbers are exact up to 2^53.
public enum StepState: Int, Sendable, CaseIterable {
    /// Sum of the micro-batches' losses, each times its scale: the update's mean loss, nats per token.
    case loss
    /// Global gradient norm before clipping.
    case gradNorm
    /// What gradients are multiplied by: min(1, gradClip / (gradNorm + 1e-6)) as PyTorch's clip_grad_norm_, or 1.
    case clipFactor
    /// Learning rate of this update, written by the host before it.
    case learningRate
    /// Updates that AdamW has applied; the update kernel increases it.
    case updates
    /// 1 when loss and gradient norm are finite; the update kernel does nothing otherwise.
    case finite
    /// Largest gradient norm; 0 turns clipping off. Written by the host once.
    case gradClip
    /// Global index of the micro-batch's first sample, from which dropout masks follow.
    case sampleIndex

    /// Elements of the state tensor; those behind the last case are spare.
    public static let count = 16
}
