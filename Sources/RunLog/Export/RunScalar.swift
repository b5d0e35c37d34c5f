// SPDX-License-Identifier: MIT

/// A number that a run logs: how metrics.jsonl and CSV name it, how TensorBoard and W&B do, and what it means.
///
/// One table for all of them, so that a run looks the same wherever its numbers go.
package struct RunScalar: Sendable {
    /// The name in metrics.jsonl and the CSV column.
    package let key: String
    /// The name in TensorBoard and W&B; what stands before the slash groups the charts.
    package let tag: String
    /// Meaning and unit.
    package let help: String
    /// The events that carry the number.
    let kinds: Set<RunEvent.Kind>
    private let get: @Sendable (RunEvent) -> Double?

    /// The number that an event has; nil when it is not of that event.
    package func value(in event: RunEvent) -> Double? { kinds.contains(event.event) ? get(event) : nil }

    /// All of them, in the order of CSV columns.
    package static let all: [RunScalar] = [
        update("tokens", "train/tokens", "training tokens seen") { $0.tokens.map(Double.init) },
        update("loss", "train/loss", "mean loss of the update's tokens, nats per token") { $0.loss },
        update("grad_norm", "train/grad_norm", "global gradient norm before clipping") { $0.gradNorm },
        update("lr", "train/lr", "learning rate") { $0.lr },
        update("step_ms", "speed/step_ms", "wall time of an update, milliseconds") { $0.stepMs },
        update("data_ms", "speed/data_ms", "time an update waited for data, milliseconds") { $0.dataMs },
        update("tokens_per_second", "speed/tokens_per_second", "training tokens a second") { $0.tokensPerSecond },
        update("flops_per_token", "speed/flops_per_token", "FLOPs of a training token, forward and backward") {
            $0.flopsPerToken
        },
        update("mfu", "speed/mfu", "share of the device's datasheet peak") { $0.mfu },
        update("ceiling_fraction", "speed/ceiling_fraction", "share of this machine's measured matmul rate") {
            $0.ceilingFraction
        },
        update("memory_bytes", "memory/bytes", "the program's own memory, bytes") { $0.memoryBytes },
        evaluation("train_loss", "train/eval_loss", "loss on fixed blocks of the training split, nats per token") {
            $0.trainLoss
        },
        evaluation("train_stderr", "train/eval_stderr", "standard error of train/eval_loss over blocks") { $0.trainStderr },
        evaluation("val_loss", "val/loss", "loss on fixed blocks of the validation split, nats per token") { $0.valLoss },
        evaluation("val_stderr", "val/stderr", "standard error of val/loss over blocks") { $0.valStderr },
        evaluation("val_bits_per_byte", "val/bpb", "bits per UTF-8 byte of the validation split") { $0.valBitsPerByte },
        evaluation("eval_tokens", "val/tokens", "validation tokens that an evaluation read") { $0.evalTokens.map(Double.init) },
        evaluation("eval_ms", "speed/eval_ms", "wall time of an evaluation, milliseconds") { $0.evalMs },
    ]

    private static func update(
        _ key: String, _ tag: String, _ help: String, _ get: @escaping @Sendable (RunEvent) -> Double?
    ) -> RunScalar {
        // A skipped update has its loss and norm too, which are what one wants to see of it.
        RunScalar(key: key, tag: tag, help: help, kinds: [.step, .skip], get: get)
    }

    private static func evaluation(
        _ key: String, _ tag: String, _ help: String, _ get: @escaping @Sendable (RunEvent) -> Double?
    ) -> RunScalar {
        RunScalar(key: key, tag: tag, help: help, kinds: [.eval], get: get)
    }
}
