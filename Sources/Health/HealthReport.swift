// SPDX-License-Identifier: MIT

/// The judgement of a run as a whole.
public enum Verdict: String, Sendable, Equatable {
    case healthy, watch, unhealthy
    case cannotTell = "cannot_tell"
}

/// A range for a loss, nats per token; `mid` is the most likely value.
public struct Band: Sendable, Equatable {
    public var low: Double
    public var mid: Double
    public var high: Double

    public init(low: Double, mid: Double, high: Double) {
        self.low = low
        self.mid = mid
        self.high = high
    }

    public func shifted(by nats: Double) -> Band { Band(low: low + nats, mid: mid + nats, high: high + nats) }
}

/// Everything that the report says, before it has a language or a shape on the page.
public struct HealthReport: Sendable, Equatable {
    public static let schema = 1

    public struct Run: Sendable, Equatable {
        public var source: RunSource
        public var name: String
        /// Updates seen in the record, and updates the configuration asks for.
        public var steps: Int
        public var plannedSteps: Int?
        public var tokensSeen: Double?
        public var tokensPerStep: Double?
        public var dataset: String?
        public var finalTrainLoss: Double?
        public var finalValLoss: Double?
    }

    public struct Model: Sendable, Equatable {
        /// nanoGPT's count: everything but the position table.
        public var parameters: Double?
        public var parametersNonEmbedding: Double?
        /// "40.6M".
        public var name: String?
        /// The size the configuration was probably meant to have, such as "124M".
        public var intended: String?
        public var nLayer, nHead, nEmbd, blockSize, vocabSize: Int?
        public var flopsPerToken: Double?
    }

    /// A point of the loss curve: evaluations, or training losses averaged where there are none.
    public struct CurvePoint: Sendable, Equatable {
        public var step: Int
        public var tokens: Double?
        public var trainLoss: Double?
        public var valLoss: Double?
    }

    /// A point of the step series, thinned to what a plot can show.
    public struct SeriesPoint: Sendable, Equatable {
        public var step: Int
        public var tokens: Double?
        public var loss, lr, gradNorm, tokensPerSecond: Double?
    }

    public struct Expected: Sendable, Equatable {
        /// nil when no reference applies; `basis` then says why.
        public var valLoss: Band?
        public var basis: Message
        public var confidence: Confidence
        public var source: String
        /// Floor that any model must beat: the unigram entropy, nats.
        public var unigramEntropy: Double?
        /// The run's own loss in bits per byte, comparable over tokenizers.
        public var bitsPerByte: Double?
    }

    public struct Scenario: Sendable, Equatable {
        /// Stable name: "finish", "restart-2x", "restart-3x", "continue", "rewarm", "next-size", "smaller-batch", "better-lr",
        /// "better-data".
        public var id: String
        public var title: Message
        public var steps: Int
        /// NaN when the tokens of a step are unknown.
        public var tokens: Double
        public var valLoss: Band
        /// Hours from now on the run's device; nil when its speed is unknown.
        public var hours: Double?
        /// Where the number comes from, in a sentence.
        public var basis: Message
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
        public var step: Int
        public var tokens: Double?
        public var valLoss: Band
    }

    public struct Throughput: Sendable, Equatable {
        public var tokensPerSecond: Double?
        public var stepMsMedian: Double?
        public var stepMsP95: Double?
        /// Shares of one.
        public var mfuPrinted: Double?
        public var mfuPrintedPeakTflops: Double?
        public var mfuPrintedPeakName: String?
        public var mfu: Double?
        /// Share of the machine's matmul rate as the run measured it, where no datasheet knows the device.
        public var ceilingFraction: Double?
        /// Floating-point operations a second that the run reached.
        public var tflops: Double?
        public var device: String?
        public var devicePeakTflops: Double?
        public var memoryUsedBytes: Double?
        public var deviceMemoryBytes: Double?
        /// Hours the steps of the record took.
        public var hours: Double?
    }

    public struct NextStep: Sendable, Equatable {
        public var title: Message
        public var why: Message
        public var command: String?
        public var valLoss: Band?
        public var hours: Double?
        /// Whether this is named in order to advise against it.
        public var discouraged: Bool
        /// Whether it goes on with this run instead of starting anew.
        public var continues = false
    }

    public var run: Run
    public var model: Model
    public var verdict: Verdict
    /// The verdict in a sentence.
    public var headline: Message
    /// The lines under it, the weightiest first; at most four.
    public var reasons: [Reason]
    public var checks: [Check]
    public var curve: [CurvePoint]
    public var series: [SeriesPoint]
    public var expected: Expected
    public var forecast: [Scenario]
    public var forecastCurve: [ForecastPoint]
    public var throughput: Throughput?
    public var nextSteps: [NextStep]
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

    public init() {}
}
