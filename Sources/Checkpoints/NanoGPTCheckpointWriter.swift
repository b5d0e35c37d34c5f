// SPDX-License-Identifier: MIT
import Compute
import Storage

/// Writes a `ckpt.pt` that nanoGPT's sample.py and train.py (`--init_from=resume`) read.
public struct NanoGPTCheckpointWriter {
    /// Become `model_args`.
    public let facts: ModelFacts
    /// Updates completed.
    public var iterNum: Int
    /// Updates that the optimizer made: AdamW's own count, which corrects its averages for their start.
    public var optimizerStep: Int
    /// Nats per token; nil is written as nanoGPT's starting value, 1e9.
    public var bestValLoss: Double?
    /// For `model_args`: 0 or more and below 1.
    public var dropout: Double
    /// AdamW's constants; the weight decay applies to matrices and embeddings.
    public var learningRate: Double
    /// Decay of the gradients' mean.
    public var beta1: Double
    /// Decay of the squares' mean.
    public var beta2: Double
    /// Added to the root of the squares' mean.
    public var epsilon: Double
    /// Written as 0 for the group of vectors (biases and norms).
    public var weightDecay: Double
    /// train.py's settings, for its `config` entry.
    public var config: [(key: String, value: PyTorchValue)]

    /// - Parameters:
    ///   - facts: the model's sizes
    ///   - iterNum: updates completed
    ///   - optimizerStep: nil when no update was skipped, so that it is `iterNum`
    ///   - bestValLoss: nats per token; nil when there was no evaluation
    ///   - dropout: the run's
    ///   - learningRate: AdamW's current rate
    ///   - beta1: AdamW's decay of the mean
    ///   - beta2: AdamW's decay of the square
    ///   - epsilon: AdamW's
    ///   - weightDecay: of matrices and embeddings
    ///   - config: further keys of the checkpoint's configuration
    public init(
        facts: ModelFacts, iterNum: Int, optimizerStep: Int? = nil, bestValLoss: Double? = nil, dropout: Double = 0,
        learningRate: Double = 6e-4, beta1: Double = 0.9, beta2: Double = 0.95, epsilon: Double = 1e-8,
        weightDecay: Double = 0.1, config: [(key: String, value: PyTorchValue)] = []
    ) {
        self.facts = facts
        self.iterNum = iterNum
        self.optimizerStep = optimizerStep ?? iterNum
        self.bestValLoss = bestValLoss
        self.dropout = dropout
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.config = config
    }

    /// Writes the file; the memory it takes does not grow with the model.
    ///
    /// - Parameters:
    ///   - model: float32, all of `facts.parameters`
    ///   - optimizer: `<parameter>.exp_avg` and `<parameter>.exp_avg_sq`, float32, for every parameter; or empty
    ///   - path: the file, such as `out/ckpt.pt`
    ///   - calls: the system's
    /// - Throws: `FileError` when a tensor is missing or has the wrong shape, the model computes the tanh GELU, which
    ///   nanoGPT does not, or the file cannot be written.
    public func write(
        path: String, model: [TensorSource], optimizer: [TensorSource], calls: FileCalls = .system
    ) throws {
        guard facts.activation == "gelu" else {
            throw FileError(
                path: path, operation: "write a nanoGPT checkpoint",
                reason:
                    "the model's activation is \(facts.activation) and nanoGPT only computes gelu; export it for Hugging Face instead"
            )
        }
        try facts.check(path: path)
        let all = try sources(path: path, model: model, optimizer: optimizer)
        let root = "ckpt"
        let zip = try ZipWriter(path: path, calls: calls)
        try zip.add("\(root)/data.pkl", pickle(withOptimizer: !optimizer.isEmpty))
        try zip.add("\(root)/.format_version", Array("1".utf8))
        try zip.add("\(root)/.storage_alignment", Array("64".utf8))
        try zip.add("\(root)/byteorder", Array("little".utf8))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: SafetensorsWriter.pieceSize, alignment: 64)
        defer { buffer.deallocate() }
        for (index, source) in all.enumerated() {
            let total = source.byteCount ?? 0
            try zip.add("\(root)/data/\(index)", size: total) { write in
                var offset = 0
                while offset < total {
                    let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[0..<min(buffer.count, total - offset)])
                    try source.fill(piece, offset)
                    try write(UnsafeRawBufferPointer(piece))
                    offset += piece.count
                }
            }
        }
        try zip.add("\(root)/version", Array("3\n".utf8))
        try zip.commit()
    }

    /// The storages in the order of their numbers: weights, then for every optimized parameter step, exp_avg, exp_avg_sq.
    private func sources(path: String, model: [TensorSource], optimizer: [TensorSource]) throws -> [TensorSource] {
        var byName: [String: TensorSource] = [:]
        for source in model + optimizer { byName[source.name] = source }
        func find(_ name: String, _ shape: [Int]) throws -> TensorSource {
            guard let source = byName[name], source.shape == shape, source.dtype == .float32 else {
                throw FileError(
                    path: path, operation: "write a nanoGPT checkpoint",
                    reason: "the tensor '\(name)' is missing or is not float32 of shape \(shape)")
            }
            return source
        }
        var all = try facts.parameters.map { try find($0.name, $0.shape) }
        guard !optimizer.isEmpty else { return all }
        for parameter in facts.optimizerOrder {
            // float32 counts exactly up to 2^24; PyTorch keeps its step counts in float32 as well.
            all.append(TensorSource(name: "step", shape: [], values: [Float(optimizerStep)]))
            all.append(try find(parameter.name + ".exp_avg", parameter.shape))
            all.append(try find(parameter.name + ".exp_avg_sq", parameter.shape))
        }
        return all
    }

    /// data.pkl, with the keys that nanoGPT's train.py saves, in its order.
    private func pickle(withOptimizer: Bool) -> [UInt8] {
        var writer = PickleWriter()
        writer.dictionary { writer in
            writer.string("model")
            self.model(&writer)
            writer.string("optimizer")
            writer.dictionary { self.optimizer(&$0, withState: withOptimizer) }
            writer.string("model_args")
            writer.value(modelArgs)
            writer.string("iter_num")
            writer.integer(iterNum)
            writer.string("best_val_loss")
            writer.number(bestValLoss ?? 1e9)
            writer.string("config")
            writer.value(.dictionary(config.map { (key: .string($0.key), value: $0.value) }))
        }
        return writer.finish()
    }

    /// What train.py passes to GPTConfig.
    private var modelArgs: PyTorchValue {
        let sizes = [
            ("n_layer", facts.nLayer), ("n_head", facts.nHead), ("n_embd", facts.nEmbd), ("block_size", facts.blockSize),
            ("vocab_size", facts.vocabSize),
        ]
        return .dictionary(
            sizes.map { (key: .string($0.0), value: .integer($0.1)) } + [
                (key: .string("bias"), value: .bool(facts.bias)), (key: .string("dropout"), value: .number(dropout)),
            ])
    }

    /// The state dict; storages are numbered as in `sources`.
    private func model(_ writer: inout PickleWriter) {
        let parameters = facts.parameters
        writer.dictionary(ordered: true) { writer in
            for (index, parameter) in parameters.enumerated() {
                writer.string(parameter.name)
                writer.tensor(.init(key: "\(index)", shape: parameter.shape))
            }
            // The tied head is the same storage, as in nanoGPT's own files.
            writer.string("lm_head.weight")
            writer.tensor(.init(key: "0", shape: [facts.vocabSize, facts.nEmbd]))
        }
    }

    /// What torch.optim.AdamW.state_dict() gives, with the groups that nanoGPT's configure_optimizers makes.
    private func optimizer(_ writer: inout PickleWriter, withState: Bool) {
        let order = facts.optimizerOrder, first = facts.parameters.count
        writer.string("state")
        writer.dictionary { writer in
            for (index, parameter) in order.enumerated() where withState {
                writer.integer(index)
                writer.dictionary { writer in
                    for (k, (name, shape)) in [("step", []), ("exp_avg", parameter.shape), ("exp_avg_sq", parameter.shape)]
                        .enumerated()
                    {
                        writer.string(name)
                        writer.tensor(.init(key: "\(first + 3 * index + k)", shape: shape))
                    }
                }
            }
        }
        writer.string("param_groups")
        let decayed = order.prefix { $0.shape.count >= 2 }.count
        writer.list { writer in
            group(&writer, weightDecay: weightDecay, parameters: 0..<decayed)
            group(&writer, weightDecay: 0, parameters: decayed..<order.count)
        }
    }

    /// One of AdamW's param_groups, with all the keys that its load_state_dict expects.
    private func group(_ writer: inout PickleWriter, weightDecay: Double, parameters: Range<Int>) {
        writer.value(
            .dictionary([
                (.string("weight_decay"), .number(weightDecay)), (.string("lr"), .number(learningRate)),
                (.string("betas"), .tuple([.number(beta1), .number(beta2)])), (.string("eps"), .number(epsilon)),
                (.string("amsgrad"), .bool(false)), (.string("maximize"), .bool(false)), (.string("foreach"), .none),
                (.string("capturable"), .bool(false)), (.string("differentiable"), .bool(false)), (.string("fused"), .none),
                (.string("decoupled_weight_decay"), .bool(true)),
                (.string("params"), .list(parameters.map { .integer($0) })),
            ]))
    }
}
