// SPDX-License-Identifier: MIT

/// The judgement of a run as a whole.
public enum Verdict: String, Sendable, Equatable {
    /// By the worst check that is not about speed: none, a warning, a failure.
    case healthy, watch, unhealthy
    /// Fewer than 20 steps, or fewer than 20 points where an evaluation counts as five, and no failure.
    case cannotTell = "cannot_tell"
}

/// A range for a loss, nats per token; `mid` is the most likely value.
public struct Band: Sendable, Equatable {
    /// Lower end, nats per token.
    public var low: Double
    /// Most likely value, nats per token; not always halfway between the ends.
    public var mid: Double
    /// Upper end, nats per token.
    public var high: Double

    /// Ends in rising order; nothing is sorted or checked.
    public init(low: Double, mid: Double, high: Double) {
        self.low = low
        self.mid = mid
        self.high = high
    }

    /// The band moved as a whole; a positive number of nats makes it worse.
    public func shifted(by nats: Double) -> Band { Band(low: low + nats, mid: mid + nats, high: high + nats) }
}

/// Everything that the report says, before it has a language or a shape on the page.
public struct HealthReport: Sendable, Equatable {
    /// Version of the JSON's layout, written under its key `schema`.
    public static let schema = 1

    /// What ran and how far it came; `run` in the JSON.
    public struct Run: Sendable, Equatable {
        /// The program whose record was read.
        public var source: RunSource
        /// The folder or file that was read, as it was given.
        public var name: String
        /// Updates seen in the record, and updates the configuration asks for.
        public var steps: Int
        /// nil when neither the configuration nor a schedule tells; a trainer's default does not count.
        public var plannedSteps: Int?
        /// Training tokens by the last step; nil when the tokens of a step are unknown too.
        public var tokensSeen: Double?
        /// Training tokens of one update over all processes; nil when unknown.
        public var tokensPerStep: Double?
        /// "FineWeb", "FineWeb-Edu" or "OpenWebText" for those, else the name in the record; nil without one.
        public var dataset: String?
        /// Nats per token: of the last evaluation, else the mean of the last steps; nil without losses.
        public var finalTrainLoss: Double?
        /// Nats per token, of the last evaluation with a finite one; nil without.
        public var finalValLoss: Double?
    }

    /// The model's size; its sizes are nil when the record does not tell the shape.
    public struct Model: Sendable, Equatable {
        /// nanoGPT's count: everything but the position table.
        public var parameters: Double?
        /// The blocks and the final norm alone; nil when the shape is unknown.
        public var parametersNonEmbedding: Double?
        /// "40.6M".
        public var name: String?
        /// The size the configuration was probably meant to have, such as "124M".
        public var intended: String?
        /// From the configuration; all nil unless the shape is known as a whole.
        public var nLayer, nHead, nEmbd, blockSize, vocabSize: Int?
        /// Forward and backward: 6 N + 12 L C T as nanoGPT counts, 6 N when only the size is known.
        public var flopsPerToken: Double?
    }

    /// A point of the loss curve: evaluations, or training losses averaged where there are none.
    public struct CurvePoint: Sendable, Equatable {
        /// Updates done before it.
        public var step: Int
        /// Training tokens seen by then; nil when the tokens of a step are unknown.
        public var tokens: Double?
        /// Nats per token; a window's median where there are no evaluations.
        public var trainLoss: Double?
        /// Nats per token; nil where the point is a window of training losses.
        public var valLoss: Double?
    }

    /// A point of the step series, thinned to what a plot can show.
    public struct SeriesPoint: Sendable, Equatable {
        /// The update, as the log numbers it.
        public var step: Int
        /// Training tokens seen by then; nil when the tokens of a step are unknown.
        public var tokens: Double?
        /// Nats per token, rate (logged, else by the schedule), norm before clipping, speed (logged, else from the step's time).
        public var loss, lr, gradNorm, tokensPerSecond: Double?
    }

    /// What runs of this size and length reach by the reference law; `expected` in the JSON.
    public struct Expected: Sendable, Equatable {
        /// nil when no reference applies; `basis` then says why.
        public var valLoss: Band?
        /// The law with its inputs in a sentence, or the reason why there is no band.
        public var basis: Message
        /// By the band's width: low above 0.09 nats of standard deviation or outside the law's range, good up to 0.045.
        public var confidence: Confidence
        /// Where the law was fitted; the same in every report.
        public var source: String
        /// Floor that any model must beat: the unigram entropy, nats.
        public var unigramEntropy: Double?
        /// The run's own loss in bits per byte, comparable over tokenizers.
        public var bitsPerByte: Double?
    }

    /// Something that could be done next, with the loss it should reach and its price.
    public struct Scenario: Sendable, Equatable {
        /// Stable name: "finish", "restart-2x", "restart-3x", "continue", "rewarm", "next-size", "smaller-batch", "better-lr",
        /// "better-data".
        public var id: String
        /// The template `scenario.<id>` with its numbers.
        public var title: Message
        /// Updates by its end; those already made count when it continues the run.
        public var steps: Int
        /// NaN when the tokens of a step are unknown.
        public var tokens: Double
        /// Nats per token at its end; of the training loss where the run has no validation.
        public var valLoss: Band
        /// Hours from now on the run's device; nil when its speed is unknown.
        public var hours: Double?
        /// Where the number comes from, in a sentence.
        public var basis: Message
        /// good for the end of the run's own curve; fair or low where a law carries it elsewhere.
        public var confidence: Confidence
        /// Whether it continues the run instead of starting a new one.
        public var continues: Bool
        /// The command to type, when one line can say it.
        public var command: String?
        /// Whether it is what the next ten hours are best spent on.
        public var best: Bool
    }

    /// A predicted point of the rest of the run.
    public struct ForecastPoint: Sendable, Equatable {
        /// Between the record's last step and the planned end.
        public var step: Int
        /// Training tokens by then; nil when the tokens of a step are unknown.
        public var tokens: Double?
        /// Nats per token; nine runs in ten stay inside.
        public var valLoss: Band
    }

    /// Speed and efficiency, medians over the record without its first steps.
    public struct Throughput: Sendable, Equatable {
        /// Logged, else from step times, else from the printed MFU; nil when none tells.
        public var tokensPerSecond: Double?
        /// Milliseconds; nil when the log has no step times.
        public var stepMsMedian: Double?
        /// Milliseconds; one step in twenty takes longer.
        public var stepMsP95: Double?
        /// Shares of one.
        public var mfuPrinted: Double?
        /// What `mfuPrinted` was divided by, TFLOP/s; nil for Apus runs, whose MFU is taken as it is.
        public var mfuPrintedPeakTflops: Double?
        /// The card of that peak: "A100" in nanoGPT's logs; nil when unknown.
        public var mfuPrintedPeakName: String?
        /// Share of one: `tflops` over `devicePeakTflops`; an Apus run's printed MFU where the table lacks the device.
        public var mfu: Double?
        /// Share of the machine's matmul rate as the run measured it, where no datasheet knows the device.
        public var ceilingFraction: Double?
        /// Floating-point operations a second that the run reached.
        public var tflops: Double?
        /// The card's name in the table, else as the record or user names it.
        public var device: String?
        /// Dense peak for the run's dtype, TFLOP/s; nil when the table lacks the device.
        public var devicePeakTflops: Double?
        /// The most that a step logged, bytes; only Apus's logs have it.
        public var memoryUsedBytes: Double?
        /// Of the card's largest variant in the table, bytes; nil when it is not there.
        public var deviceMemoryBytes: Double?
        /// Hours the steps of the record took.
        public var hours: Double?
    }

    /// An action for the reader: a check's advice or a scenario.
    public struct NextStep: Sendable, Equatable {
        /// What to do, as a command to the reader.
        public var title: Message
        /// The finding that calls for it, or where the scenario's loss comes from.
        public var why: Message
        /// A line to type; nil when no single line does it.
        public var command: String?
        /// nil for a check's advice, whose effect has no figure.
        public var valLoss: Band?
        /// On the run's own device; nil for a check's advice or when the speed is unknown.
        public var hours: Double?
        /// Whether this is named in order to advise against it.
        public var discouraged: Bool
        /// Whether it goes on with this run instead of starting anew.
        public var continues = false
    }

    /// Whose record it is and how far it came.
    public var run: Run
    /// Size and shape as far as the record or the user's options tell.
    public var model: Model
    /// Speed has no part in it.
    public var verdict: Verdict
    /// The verdict in a sentence.
    public var headline: Message
    /// The lines under it, the weightiest first; at most four.
    public var reasons: [Reason]
    /// All rules, in the order of `HealthRules.all`; those that lack facts are `cannotTell`.
    public var checks: [Check]
    /// At most 400 evaluations, or about sixty windows of training losses when there are fewer than two.
    public var curve: [CurvePoint]
    /// At most 600 updates, evenly spaced.
    public var series: [SeriesPoint]
    /// For the planned end of a run under way, else for the tokens seen.
    public var expected: Expected
    /// Empty when the run broke down or has no loss to carry forward.
    public var forecast: [Scenario]
    /// 41 points to the planned end; empty unless the run is under way and its curve could be fitted.
    public var forecastCurve: [ForecastPoint]
    /// nil when the record has neither speed, step times nor MFU.
    public var throughput: Throughput?
    /// The most useful first; what is broken comes before any plan.
    public var nextSteps: [NextStep]
    /// From the reader of the input: lines it could not read, other runs in the file.
    public var notes: [Message]

    /// How many checks have a status.
    public func count(_ status: CheckStatus) -> Int { checks.count { $0.status == status } }
}

/// What the caller of the report decides.
public struct HealthOptions: Sendable, Equatable {
    /// The command's name in what the report tells people to type.
    public var program = "apus"
    /// Path of the data folder to name in commands, when known.
    public var dataPath: String?
    /// The configuration file to name in commands.
    public var configPath: String?

    /// "apus" in commands, and placeholders for paths that the record does not tell.
    public init() {}
}
