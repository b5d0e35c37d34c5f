// SPDX-License-Identifier: MIT
import Foundation

/// One line of `metrics.jsonl`: what happened, at which step, and the numbers that belong to it.
///
/// Every line has `event`, `seq`, `step` and `time`; the other fields are there when the event has them.
/// A number that is not finite is written as the text "NaN", "Infinity" or "-Infinity".
public struct RunEvent: Codable, Sendable, Equatable {
    /// What happened.
    public enum Kind: String, Codable, Sendable {
        /// A `skip` is an update that left the weights alone because its loss or gradients were not finite.
        case start, step, eval, checkpoint, warning, skip, rollback, resume, end
    }

    /// What happened; decides which of the other fields are there.
    public var event: Kind
    /// Increases by one from line to line over the whole file.
    public var seq: Int
    /// Updates completed.
    public var step: Int
    /// ISO 8601 in UTC with milliseconds.
    public var time: String

    // step
    /// Training tokens seen since step 0.
    public var tokens: Int?
    /// Mean training loss of the update's tokens, nats per token.
    public var loss: Double?
    /// Global gradient norm before clipping.
    public var gradNorm: Double?
    /// Learning rate after warm-up, decay and rollbacks; also in eval events.
    public var lr: Double?
    /// Wall time of the update, milliseconds, evaluation and saving left out.
    public var stepMs: Double?
    /// Time the update waited for data, milliseconds.
    public var dataMs: Double?
    /// Tokens of the update divided by its wall time, evaluation and saving left out.
    public var tokensPerSecond: Double?
    /// Forward and backward, as `ModelShape.flopsPerToken` counts them.
    public var flopsPerToken: Double?
    /// Share of the device's datasheet peak for the dtype; absent when that is unknown.
    public var mfu: Double?
    /// Share of this machine's measured matmul ceiling.
    public var ceilingFraction: Double?
    /// Resident anonymous memory of the process; absent where the system does not tell.
    public var memoryBytes: Double?
    /// Whether a checkpoint was being written during the update; absent when not.
    public var saving: Bool?

    // eval
    /// Mean loss on fixed blocks of the training split, nats per token.
    public var trainLoss: Double?
    /// Mean loss on the validation split, nats per token; absent when the data has none.
    public var valLoss: Double?
    /// Standard error of `valLoss` over blocks.
    public var valStderr: Double?
    /// Standard error of `trainLoss` over blocks.
    public var trainStderr: Double?
    /// `valLoss` in bits per UTF-8 byte; absent when the bytes of the validation texts are not known.
    public var valBitsPerByte: Double?
    /// Tokens of the validation split that the evaluation read.
    public var evalTokens: Int?
    /// Wall time of the evaluation of both splits, milliseconds.
    public var evalMs: Double?

    // checkpoint, warning, skip, rollback, resume, end
    /// Name of the checkpoint's folder that was written or gone back to, such as "step-00000500".
    public var path: String?
    /// Of the checkpoint's files together.
    public var bytes: Int?
    /// From its start until the checkpoint was committed.
    public var checkpointMs: Double?
    /// How long training stood still for it: all of `checkpointMs` in the foreground, the copy in the background.
    public var stallMs: Double?
    /// A sentence for people; for `end` why the run ended: "completed", "interrupted", "failed".
    public var message: String?
    /// A short stable name of what a warning, skip or rollback is about, such as "non-finite".
    public var code: String?
    /// How many robust standard deviations a spike lies above the recent values.
    public var zscore: Double?

    // start, resume
    /// As people name it, such as "AMD EPYC 9B45, 2 threads".
    public var device: String?
    /// CPU threads in use.
    public var threads: Int?
    /// The kernels in use, such as "avx512-bf16".
    public var isa: String?
    /// The machine's measured matmul ceiling, FLOP/s; in step events where `--calibrate` asks for it.
    public var ceilingFlops: Double?
    /// Memory that the run is expected to need, bytes.
    public var plannedBytes: Int?
    /// Of the program, such as "0.1.0".
    public var version: String?

    /// `seq` and `time` are stamped when the line is written.
    public init(_ event: Kind, step: Int, seq: Int = 0, time: String = "") {
        self.event = event
        self.step = step
        self.seq = seq
        self.time = time
    }

    /// The names on disk: snake_case of the Swift names.
    public static func makeEncoder() -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    /// Reads what `makeEncoder` writes.
    public static func makeDecoder() -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return decoder
    }

    /// The time as metrics lines store it.
    public static func timestamp(_ date: Date) -> String {
        date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    /// Whether its whole numbers are such as a run can have, with room to count on from them; a file may claim any.
    var isPossible: Bool {
        let counts = [tokens, evalTokens, bytes, threads, plannedBytes].compactMap { $0 }
        return (0..<1_000_000_000_000_000).contains(step) && counts.allSatisfy { (0..<1_000_000_000_000_000_000).contains($0) }
    }

    /// `time` as a date; nil when it is none.
    public var date: Date? {
        try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(time)
    }
}
