// SPDX-License-Identifier: MIT
import Compute
import Storage

/// A `ckpt.pt` of nanoGPT's train.py: weights, sizes, optimizer state, and where the run stood.
public struct NanoGPTCheckpoint: Sendable {
    /// As it was given, for errors.
    public let path: String
    /// From `model_args`; bias is true and activation "gelu" where they do not say.
    public let facts: ModelFacts
    /// The weights under nanoGPT's names, without the prefixes that torch.compile and DDP add, without masks and the tied head.
    public let tensors: [String: PyTorchTensor]
    /// `model_args` as saved.
    public let modelArgs: PyTorchValue
    /// Updates completed; nil when the file does not say.
    public let iterNum: Int?
    /// Nats per token; nil when the file does not say.
    public let bestValLoss: Double?
    /// train.py's settings: a dictionary, or `.none` when the file has none.
    public let config: PyTorchValue
    /// AdamW's state by parameter name; empty when the file has none.
    public let optimizer: [String: Moments]
    /// The optimizer's `param_groups`, without their parameter numbers; empty when the file has none.
    public let groups: [Group]

    /// AdamW's running averages for one parameter.
    public struct Moments: Sendable {
        /// Mean of the gradients, of the parameter's shape.
        public let expAvg: PyTorchTensor
        /// Mean of the squared gradients, of the parameter's shape.
        public let expAvgSq: PyTorchTensor
        /// Updates that the averages have seen.
        public let step: Int
    }

    /// The constants of one parameter group.
    public struct Group: Sendable, Equatable {
        /// `lr`; nil when the file does not say.
        public let learningRate: Double?
        /// First of `betas`: decay of the gradients' mean; nil when the file does not say.
        public let beta1: Double?
        /// Last of `betas`: decay of the squares' mean; nil when the file does not say.
        public let beta2: Double?
        /// `eps`, added to the root of the squares' mean; nil when the file does not say.
        public let epsilon: Double?
        /// `weight_decay`; nil when the file does not say.
        public let weightDecay: Double?
    }

    /// - Throws: `FileError` when the file cannot be read, or lacks or contradicts what a nanoGPT checkpoint has.
    public init(path: String) throws {
        try self.init(PyTorchCheckpoint(path: path))
    }

    /// - Throws: `FileError`.
    public init(_ checkpoint: PyTorchCheckpoint) throws {
        path = checkpoint.path
        let root = checkpoint.root
        let refuse = { FileError(path: checkpoint.path, operation: "use as a nanoGPT checkpoint", reason: $0) }
        guard let model = root["model"], let arguments = root["model_args"] else {
            throw refuse("it lacks 'model' or 'model_args', which nanoGPT's train.py saves")
        }
        func size(_ key: String) throws -> Int {
            guard let value = arguments[key]?.integer else { throw refuse("its model_args have no number '\(key)'") }
            return value
        }
        facts = ModelFacts(
            nLayer: try size("n_layer"), nHead: try size("n_head"), nEmbd: try size("n_embd"), blockSize: try size("block_size"),
            vocabSize: try size("vocab_size"), bias: arguments["bias"]?.bool ?? true,
            activation: arguments["activation"]?.string ?? "gelu")
        try facts.check(path: path)
        modelArgs = arguments
        iterNum = root["iter_num"]?.integer
        bestValLoss = root["best_val_loss"]?.number
        config = root["config"] ?? .none
        let (tensors, order) = try Self.weights(model, refuse)
        self.tensors = tensors
        (optimizer, groups) = try Self.optimizer(root["optimizer"], tensors: tensors, order: order, refuse)
    }

    /// Cleans up the state dict: name -> tensor, and the parameters' order.
    private static func weights(
        _ model: PyTorchValue, _ refuse: (String) -> FileError
    ) throws -> (tensors: [String: PyTorchTensor], order: [String]) {
        guard case .dictionary(let pairs) = model else { throw refuse("its 'model' is no dictionary") }
        var tensors: [String: PyTorchTensor] = [:], order: [String] = []
        for (key, value) in pairs {
            guard var name = key.string, let tensor = value.tensor else {
                throw refuse("its 'model' holds something that is no tensor")
            }
            for prefix in ["module.", "_orig_mod.", "module."] where name.hasPrefix(prefix) { name.removeFirst(prefix.count) }
            // Causal masks that older versions saved with the weights.
            if name.hasSuffix(".attn.bias") || name.hasSuffix(".attn.masked_bias") { continue }
            guard tensors.updateValue(tensor, forKey: name) == nil else { throw refuse("its tensor '\(name)' comes twice") }
            order.append(name)
        }
        if let head = tensors["lm_head.weight"] {
            guard let embedding = tensors["transformer.wte.weight"], try isTied(head, embedding) else {
                throw refuse("its lm_head.weight differs from transformer.wte.weight; Apus ties them as nanoGPT does")
            }
            tensors["lm_head.weight"] = nil
            order.removeAll { $0 == "lm_head.weight" }
        }
        return (tensors, order)
    }

    private static func isTied(_ a: PyTorchTensor, _ b: PyTorchTensor) throws -> Bool {
        if a.isSame(as: b) { return true }
        guard a.shape == b.shape, a.dtype == b.dtype else { return false }
        return try a.floats() == b.floats()
    }

    /// Gives the optimizer's numbered states their parameters' names.
    ///
    /// nanoGPT makes two groups, decayed parameters (two dimensions or more) first, each in the model's order, and PyTorch
    /// numbers them through. The shapes of the averages prove the assignment.
    private static func optimizer(
        _ value: PyTorchValue?, tensors: [String: PyTorchTensor], order: [String], _ refuse: (String) -> FileError
    ) throws -> ([String: Moments], [Group]) {
        guard let value, case .dictionary(let states)? = value["state"], let groupValues = value["param_groups"]?.items else {
            return ([:], [])
        }
        let names =
            order.filter { (tensors[$0]?.shape.count ?? 0) >= 2 } + order.filter { (tensors[$0]?.shape.count ?? 0) < 2 }
        let numbers = groupValues.flatMap { $0["params"]?.items ?? [] }.map(\.integer)
        guard numbers == names.indices.map({ $0 }) else {
            throw refuse("its optimizer has \(numbers.count) parameters in another order than nanoGPT's \(names.count)")
        }
        var moments: [String: Moments] = [:]
        for (key, state) in states {
            guard let index = key.integer, names.indices.contains(index), let m = state["exp_avg"]?.tensor,
                let v = state["exp_avg_sq"]?.tensor,
                let step = state["step"]?.number, step >= 0, step < 1e15
            else { throw refuse("its optimizer state is not AdamW's") }
            let name = names[index]
            guard m.shape == tensors[name]?.shape, v.shape == m.shape else {
                throw refuse("its optimizer state \(index) has the shape \(m.shape), which is not that of '\(name)'")
            }
            moments[name] = Moments(expAvg: m, expAvgSq: v, step: Int(step))
        }
        let groups = groupValues.map { group in
            let betas = group["betas"]?.items
            return Group(
                learningRate: group["lr"]?.number, beta1: betas?.first?.number, beta2: betas?.last?.number,
                epsilon: group["eps"]?.number,
                weightDecay: group["weight_decay"]?.number)
        }
        return (moments, groups)
    }
}

extension PyTorchTensor {
    /// The tensor as float32 for a writer.
    ///
    /// - Throws: `FileError` when it holds no floating-point numbers.
    func source(_ name: String, path: String) throws -> TensorSource {
        let floats = try FloatSource(dtype: dtype, path: path)
        return TensorSource(name: name, dtype: .float32, shape: shape) { [self] piece, byteOffset in
            if floats.dtype == .float32 { return copy(to: piece, from: byteOffset / 4) }
            let values = piece.bindMemory(to: Float.self), size = floats.dtype.size
            let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, values.count * size), alignment: 64)
            defer { raw.deallocate() }
            if !values.isEmpty {
                copy(to: UnsafeMutableRawBufferPointer(rebasing: raw[0..<values.count * size]), from: byteOffset / 4)
            }
            for i in values.indices { values[i] = floats.value(UnsafeRawBufferPointer(raw), i) }
        }
    }
}

extension NanoGPTCheckpoint {
    /// Weights as float32 sources, in nanoGPT's order.
    ///
    /// - Throws: `FileError` when one is missing or has the wrong shape.
    public func modelSources() throws -> [TensorSource] {
        try facts.parameters.map { parameter in
            guard let tensor = tensors[parameter.name], tensor.shape == parameter.shape else {
                throw FileError(
                    path: path, operation: "use as a nanoGPT checkpoint",
                    reason: "its tensor '\(parameter.name)' is missing or has not the shape \(parameter.shape)")
            }
            return try tensor.source(parameter.name, path: path)
        }
    }

    /// AdamW's averages as float32 sources under the names of Apus; empty when the file has none.
    ///
    /// - Throws: `FileError` when they hold no floating-point numbers.
    public func optimizerSources() throws -> [TensorSource] {
        try facts.parameters.flatMap { parameter -> [TensorSource] in
            guard let moments = optimizer[parameter.name] else { return [] }
            return [
                try moments.expAvg.source(parameter.name + ".exp_avg", path: path),
                try moments.expAvgSq.source(parameter.name + ".exp_avg_sq", path: path),
            ]
        }
    }
}
