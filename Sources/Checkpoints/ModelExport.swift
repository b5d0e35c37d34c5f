// SPDX-License-Identifier: MIT
import Compute
import Storage

/// The forms in which a model can leave Apus.
public enum ExportFormat: String, Sendable, CaseIterable {
    /// Raw values are what `apus convert --to` takes.
    case nanoGPT = "nanogpt", huggingFace = "huggingface", safetensors, llmc, gguf

    /// What writes this form.
    public var exporter: any ModelExporter {
        switch self {
        case .safetensors: SafetensorsExporter()
        case .nanoGPT: NanoGPTExporter()
        case .huggingFace: HuggingFaceExporter()
        case .llmc: LLMCExporter()
        case .gguf: GGUFExporter()
        }
    }
}

/// The element types that exported weights can have.
public enum ExportDType: String, Sendable, CaseIterable {
    /// Raw values are what `apus convert --dtype` takes.
    case float32, bfloat16, float16
    /// GGUF's blocks of 32 eight-bit numbers with one scale.
    case q8_0

    /// The plain element type; nil for one in blocks.
    public var dtype: DType? { DType(rawValue: rawValue) }
}

/// Writes models in one form. All forms are written behind this one function, so that a new one is one file.
public protocol ModelExporter: Sendable {
    /// The element types that the form can hold, the usual one first.
    var dtypes: [ExportDType] { get }
    /// Whether a file of this form is incomplete without a tokenizer, so that one is looked for and its lack is reported.
    var wantsTokenizer: Bool { get }
    /// The file or folder that is written when the user names `path`: nanoGPT wants a file `ckpt.pt` in a folder, for instance.
    func destination(_ path: String) -> String
    /// Writes the model; `path` is what `destination` gave, does not exist, and its folder does.
    ///
    /// Nothing may be visible under `path` until it is complete: `AtomicFileWriter` for a file, `ExportFolder` for a folder.
    /// - Parameters:
    ///   - model: what is written
    ///   - dtype: one of `dtypes`
    ///   - path: what `destination` gave
    ///   - calls: the system's
    /// - Throws: `FileError` when the form cannot hold the model or a file cannot be written.
    func write(_ model: ModelExport, dtype: ExportDType, to path: String, calls: FileCalls) throws -> ExportResult
}

extension ModelExporter {
    /// Without one of its own, a form does without a tokenizer.
    public var wantsTokenizer: Bool { false }
    /// Without one of its own, a form writes to the path as it was named.
    public func destination(_ path: String) -> String { path }
}

/// What an export made.
public struct ExportResult: Sendable, Equatable {
    /// On disk, of the model's own files.
    public var bytes: Int
    /// Sentences about what the form could not hold as it is, for people: padding cut off, zeros written for biases.
    public var notes: [String]

    public init(bytes: Int, notes: [String] = []) {
        self.bytes = bytes
        self.notes = notes
    }
}

/// A model with everything that the forms may want of it.
public struct ModelExport: Sendable {
    /// What people call it: a run folder's name.
    public var name: String
    /// Sizes and activation; `tensors` follow from them.
    public var facts: ModelFacts
    /// All of `facts.parameters`, float32, in that order.
    public var tensors: [TensorSource]
    /// `<parameter>.exp_avg` and `<parameter>.exp_avg_sq`, float32, for every parameter; empty when the source has none.
    public var optimizer: [TensorSource]
    /// nil where none is known.
    public var tokenizer: ExportTokenizer?
    /// Empty when the source tells nothing.
    public var training: TrainingFacts

    public init(
        name: String, facts: ModelFacts, tensors: [TensorSource], optimizer: [TensorSource] = [],
        tokenizer: ExportTokenizer? = nil, training: TrainingFacts = TrainingFacts()
    ) {
        self.name = name
        self.facts = facts
        self.tensors = tensors
        self.optimizer = optimizer
        self.tokenizer = tokenizer
        self.training = training
    }

    /// The model without the rows of the vocabulary matrix that no token of the tokenizer has, or as it is without a tokenizer.
    ///
    /// Optimizer state is left out: it belongs to the matrix as it was trained.
    public func withoutPadding() -> ModelExport {
        guard let rows = tokenizer?.tokens.count, rows > 0, rows < facts.vocabSize else { return self }
        var cut = self
        cut.facts.vocabSize = rows
        cut.optimizer = []
        // Rows lie one after the other, so fewer of them are the same bytes, only not to the end.
        cut.tensors = zip(cut.facts.parameters, tensors).map { parameter, source in
            TensorSource(name: source.name, dtype: source.dtype, shape: parameter.shape, fill: source.fill)
        }
        return cut
    }
}

/// What is known of how a model was trained; everything may be unknown.
public struct TrainingFacts: Sendable {
    /// Updates that the weights have seen.
    public var step: Int?
    /// Updates that the optimizer made; fewer than `step` when some were skipped. nil: the same.
    public var optimizerStep: Int?
    /// Training tokens since step 0; nil where the source does not count them.
    public var tokensSeen: Int?
    /// Lowest validation loss of the run up to here, nats per token.
    public var bestValLoss: Double?
    /// The last evaluation's mean losses, nats per token, and bits per byte of the validation texts.
    public var trainLoss: Double?
    /// Mean over the validation split, nats per token.
    public var valLoss: Double?
    /// nil where the bytes of the validation texts are not known.
    public var valBitsPerByte: Double?
    /// The run's configuration, under nanoGPT's names.
    public var settings: [(key: String, value: PyTorchValue)] = []
    /// One fact a line about the data, such as ("training tokens", "3145728000").
    public var data: [(name: String, value: String)] = []
    /// The program that trained it, such as "Apus 0.1.0".
    public var program: String?

    /// Nothing is known.
    public init() {}

    /// A setting's value; nil when it is not known.
    public func setting(_ key: String) -> PyTorchValue? { settings.last { $0.key == key }?.value }
}
