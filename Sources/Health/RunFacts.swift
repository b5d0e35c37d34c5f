// SPDX-License-Identifier: MIT
import RunLog

/// A fact of the run with where it came from, so that a report can say what it takes on trust.
public struct Fact<Value: Sendable & Equatable>: Sendable, Equatable {
    /// In the unit of the property that holds it.
    public var value: Value
    /// Rules ask for it where a trainer's default must not count as a setting.
    public var origin: FactOrigin

    /// The origin has no default, so that every fact says where it came from.
    public init(_ value: Value, _ origin: FactOrigin) {
        self.value = value
        self.origin = origin
    }
}

/// Where a fact came from, strongest first.
public enum FactOrigin: String, Sendable, Equatable {
    /// Given by the user on the command line; wins over the others.
    case option
    /// Written in the log or run folder.
    case log
    /// Read from a configuration file given beside the log.
    case config
    /// Follows from other facts by arithmetic.
    case derived
    /// The trainer's default, which nothing in the log contradicts.
    case assumed
}

/// What wrote the record.
public enum RunSource: String, Sendable, Equatable {
    /// A run folder: run.json, its log and the data set's manifest.
    case apus
    /// What nanoGPT's train.py prints.
    case nanogpt
    /// llm.c's output or its main.log.
    case llmc = "llm.c"
    /// trainer_state.json of transformers' Trainer.
    case huggingface
    /// A table with columns for steps or tokens and losses.
    case csv
}

/// One update of the optimizer, as far as the log tells.
public struct StepPoint: Sendable, Equatable {
    /// Updates done before this loss was taken, as the log numbers them.
    public var step: Int
    /// Training tokens seen since step 0.
    public var tokens: Double?
    /// Training loss, nats per token; NaN and infinity are kept.
    public var loss: Double?
    /// Learning rate of the update; nil when the log has none.
    public var lr: Double?
    /// Global gradient norm before clipping.
    public var gradNorm: Double?
    /// Wall time of the update, milliseconds.
    public var stepMs: Double?
    /// Time the update waited for data, milliseconds.
    public var dataMs: Double?
    /// MFU as the log prints it, a share of one.
    public var mfuPrinted: Double?
    /// Share of the machine's matmul rate as the run itself measured it.
    public var ceilingFraction: Double?
    /// As logged; nil where speed must be worked out from `stepMs`.
    public var tokensPerSecond: Double?
    /// Memory of the process on the machine, bytes, also where a card does the work; only Apus's logs have it.
    public var memoryBytes: Double?

    /// All but the step is nil until the reader finds it.
    public init(step: Int) { self.step = step }
}

/// One evaluation.
public struct EvalPoint: Sendable, Equatable {
    /// Updates done before it.
    public var step: Int
    /// Training tokens seen since step 0; from `tokensPerStep` where the log has none.
    public var tokens: Double?
    /// Nats per token over the training split; nil when the log evaluates validation alone.
    public var trainLoss: Double?
    /// Nats per token; NaN and infinity are kept.
    public var valLoss: Double?
    /// Standard error of `valLoss`, nats, when the log gives it.
    public var valStderr: Double?
    /// As logged; nil where it must be worked out from `bytesPerToken`.
    public var valBitsPerByte: Double?
    /// Wall time of the evaluation, milliseconds.
    public var ms: Double?

    /// All but the step is nil until the reader finds it.
    public init(step: Int) { self.step = step }
}

/// Something that happened in the run besides steps and evaluations.
public struct RunIncident: Sendable, Equatable {
    /// Told from Apus's events or from lines of other logs.
    public enum Kind: String, Sendable {
        /// An exception's traceback in the log.
        case traceback
        /// Out of memory.
        case outOfMemory
        /// The run went on from a checkpoint.
        case resume
        /// A checkpoint was taken back after an error.
        case rollback
        /// An update skipped because a value was not finite.
        case skip
        /// The trainer's own warning; only Apus's logs have them.
        case warning
        /// The run was stopped by the user.
        case interrupted
        /// The run ended with an error of its own.
        case failed
    }

    /// Decides which rules look at it.
    public var kind: Kind
    /// The last step before it; nil before the first.
    public var step: Int?
    /// The line or reason that says it, for people.
    public var detail: String

    /// `detail` is the log's own words or its line number.
    public init(_ kind: Kind, step: Int?, detail: String) {
        self.kind = kind
        self.step = step
        self.detail = detail
    }
}

/// The configuration as far as it is known; every value says where it came from.
public struct ConfigFacts: Sendable, Equatable {
    /// Blocks, heads, channels, positions and rows of the vocabulary matrix: nanoGPT's n_layer to vocab_size.
    public var nLayer, nHead, nEmbd, blockSize, vocabSize: Fact<Int>?
    /// Whether norms and linear layers have biases; GPT-2's do.
    public var bias: Fact<Bool>?
    /// nanoGPT's count: everything but the position table, vocabulary matrix once.
    public var parameters: Fact<Double>?
    /// Sequences in a micro-batch, and micro-batches in an update over all processes.
    public var batchSize, gradientAccumulationSteps: Fact<Int>?
    /// Training tokens of one update, over all processes.
    public var tokensPerStep: Fact<Double>?
    /// Peak and final learning rate.
    public var learningRate, minLr: Fact<Double>?
    /// Updates: of the warm-up, at which the decay ends, of the whole run.
    public var warmupIters, lrDecayIters, maxIters: Fact<Int>?
    /// nil when the record does not tell the shape.
    public var schedule: Fact<ScheduleKind>?
    /// Updates of the final decay, for schedules that hold the peak first (wsd, trapezoid).
    public var cooldownIters: Fact<Int>?
    /// AdamW's decay and second beta, the gradient norm clipped to, the share dropped.
    public var weightDecay, beta2, gradClip, dropout: Fact<Double>?
    /// Updates between evaluations, and batches that one evaluation averages.
    public var evalInterval, evalIters: Fact<Int>?
    /// Tokens of the validation split that one evaluation reads.
    public var evalTokens: Fact<Double>?
    /// "scratch", "resume" or a GPT-2 to fine-tune; "bfloat16" and the like; "AdamW", "Muon".
    public var initFrom, dtype, optimizer: Fact<String>?
    /// "gpt2" for GPT-2's body, "modern" for RoPE, RMSNorm, QK-norm and the like.
    public var architecture: Fact<String>?

    /// Nothing is known yet.
    public init() {}
}

/// The shape of the learning rate after its warm-up.
public enum ScheduleKind: String, Sendable, Equatable {
    /// Half a cosine from the peak to the minimum.
    case cosine
    /// A straight line from the peak to the minimum.
    case linear
    /// The peak to the end.
    case constant
    /// Constant, then linear decay over `cooldownIters`.
    case wsd
}

/// What is known of the data set.
public struct DatasetFacts: Sendable, Equatable {
    /// A name or path; `DatasetKind` tells public sets from it.
    public var name: Fact<String>?
    /// "gpt2", "bpe", "char" and the like.
    public var tokenizer: Fact<String>?
    /// Ids that the tokenizer has, which the model's vocabulary matrix must have rows for.
    public var tokenizerSize: Fact<Int>?
    /// Size of the splits, tokens; a run may read them several times.
    public var trainTokens, valTokens: Fact<Double>?
    /// UTF-8 bytes a token of the validation texts, for bits per byte.
    public var bytesPerToken: Fact<Double>?
    /// Entropy of the training tokens' frequencies, nats per token.
    public var unigramEntropy: Fact<Double>?
    /// Standard error of a validation loss over the whole split, nats.
    public var validationStderr: Fact<Double>?
    /// The rest of the audit when there is one.
    public var audit: AuditRecord?
    /// Only Apus's data sets tell; two or fewer count as one undivided text.
    public var trainDocuments: Int?
    /// Only Apus's data sets tell.
    public var valDocuments: Int?
    /// The folder to name in commands.
    public var path: String?

    /// Nothing is known yet.
    public init() {}
}

/// The machine the run was made on.
public struct DeviceFacts: Sendable, Equatable {
    /// As the user or log names it.
    public var name: Fact<String>?
    /// The peak that the log's MFU was divided by, TFLOP/s, when it is known.
    public var printedPeakTflops: Double?
    /// Its name, for the sentence that explains the denominator.
    public var printedPeakName: String?
    /// Bytes; only Apus's logs have it: on a card what the newest start planned there, else the most that a step logged.
    public var memoryUsedBytes: Double?
    /// Whether `memoryUsedBytes` is memory of the machine, which is none of a card's.
    public var isHostMemory = false

    /// Nothing is known yet.
    public init() {}
}

/// A training run in one form, whatever wrote it; the only thing that checks see.
public struct RunFacts: Sendable, Equatable {
    /// Decides how some figures are read, such as the printed MFU.
    public var source: RunSource
    /// The folder or file to name in the report's first line and in commands.
    public var name: String
    /// The user's options win over the log, the log over defaults.
    public var config = ConfigFacts()
    /// In the order of their steps, without what a resume or restart made void.
    public var steps: [StepPoint] = []
    /// In the order of their steps.
    public var evals: [EvalPoint] = []
    /// In the order of the log.
    public var incidents: [RunIncident] = []
    /// From the log, a data folder's manifest and the user's options.
    public var dataset = DatasetFacts()
    /// From the log, or `--device`.
    public var device = DeviceFacts()
    /// Texts that the model wrote, newest checkpoint last.
    public var samples: [String] = []
    /// What the reader of the input wants said: several runs in one file, lines it could not read.
    public var notes: [Message] = []
    /// Learning rates of steps that are still to come, when the input gives them.
    public var futureRates: [(step: Int, lr: Double)] = []

    /// An empty record, for a reader to fill.
    public init(source: RunSource, name: String) {
        self.source = source
        self.name = name
    }

    public static func == (a: RunFacts, b: RunFacts) -> Bool {
        a.source == b.source && a.name == b.name && a.config == b.config && a.steps == b.steps && a.evals == b.evals
            && a.incidents == b.incidents && a.dataset == b.dataset && a.device == b.device && a.samples == b.samples
            && a.notes == b.notes && a.futureRates.elementsEqual(b.futureRates, by: ==)
    }
}
