// SPDX-License-Identifier: MIT

/// A public training run's end point, with its source.
public struct ReferenceRun: Sendable, Equatable {
    /// GPT-2's body; the same with rotary positions; RoPE with RMSNorm, QK-norm and the like.
    public enum Architecture: String, Sendable { case gpt2, rope, modern }

    /// Project, size and date or record, for people.
    public let name: String
    /// As in n_layer, n_head and n_embd.
    public let layers, heads, width: Int
    /// "AdamW", "Muon", "SOAP"; the expectation's recipe is told from it.
    public let optimizer: String
    /// Peak learning rate of AdamW runs, where it is known.
    public let rate: Double?
    /// With AdamW or Muon it decides which offset from the law is expected.
    public let architecture: Architecture
    /// As `DatasetKind` reads names.
    public let dataset: String
    /// Tokens a step.
    public let batch: Double
    /// Training tokens by the end of the decay.
    public let tokens: Double
    /// Validation loss, nats per GPT-2 token.
    public let loss: Double
    /// Whether the law was fitted to it.
    public let isFitted: Bool
    /// Whether it uses parts that no offset describes: extra embeddings, skips, document masks, other context lengths.
    public let isSpecial: Bool
    /// How surely the source states the loss and the settings.
    public let confidence: Confidence
    /// The log, script or page that states the end point.
    public let source: String

    init(
        _ name: String, layers: Int, heads: Int, width: Int, _ optimizer: String, rate: Double?, _ architecture: Architecture,
        _ dataset: String, batch: Double, tokens: Double, loss: Double, isFitted: Bool, isSpecial: Bool, _ confidence: Confidence,
        _ source: String
    ) {
        self.name = name
        self.layers = layers
        self.heads = heads
        self.width = width
        self.optimizer = optimizer
        self.rate = rate
        self.architecture = architecture
        self.dataset = dataset
        self.batch = batch
        self.tokens = tokens
        self.loss = loss
        self.isFitted = isFitted
        self.isSpecial = isSpecial
        self.confidence = confidence
        self.source = source
    }

    /// Those the law was fitted to, and those that check it.
    public static var all: [ReferenceRun] { table }

    /// The run as facts, as far as the source tells, for holding the expectation against it.
    package var facts: RunFacts {
        var facts = RunFacts(source: .csv, name: name)
        facts.config.nLayer = Fact(layers, .log)
        facts.config.nHead = Fact(heads, .log)
        facts.config.nEmbd = Fact(width, .log)
        facts.config.blockSize = Fact(1024, .log)
        facts.config.vocabSize = Fact(50304, .log)
        facts.config.bias = Fact(architecture == .gpt2, .log)
        facts.config.tokensPerStep = Fact(batch, .log)
        facts.config.optimizer = Fact(optimizer, .log)
        facts.config.architecture = Fact(architecture.rawValue, .log)
        if let rate { facts.config.learningRate = Fact(rate, .log) }
        facts.config.parameters = facts.config.shape.map { Fact(Double($0.parameters), .derived) }
        facts.dataset.name = Fact(dataset, .log)
        facts.dataset.tokenizer = Fact("gpt2", .log)
        return facts
    }
}
