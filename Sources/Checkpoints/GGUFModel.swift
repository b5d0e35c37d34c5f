// SPDX-License-Identifier: MIT
import Compute
import Storage

/// Reads a GGUF file of the architecture gpt2: one that Apus wrote, or llama.cpp's convert_hf_to_gguf.py.
enum GGUFModel {
    /// Where Apus notes the model's activation; llama.cpp computes the tanh form for gpt2 whatever it says.
    static let activationKey = "apus.activation"

    /// llama.cpp's name of one of nanoGPT's parameters; nil for a name that is none.
    static func name(of parameter: String) -> String? {
        let parts = parameter.split(separator: ".").map(String.init)
        guard parts.count >= 3, parts[0] == "transformer", let kind = parts.last else { return nil }
        switch parts.dropFirst().dropLast().joined(separator: ".") {
        case "wte": return "token_embd." + kind
        case "wpe": return "position_embd." + kind
        case "ln_f": return "output_norm." + kind
        default:
            let names = [
                "ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
                "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
            ]
            guard parts[1] == "h", parts.count >= 5 else { return nil }
            return names[parts.dropFirst(3).dropLast().joined(separator: ".")].map { "blk.\(parts[2]).\($0).\(kind)" }
        }
    }

    /// - Throws: `FileError` when the file is damaged, or the model is none that Apus computes.
    static func open(_ mapped: MappedFile) throws -> ModelSource {
        let file = try GGUFFile(file: mapped), facts = try facts(file)
        try checkNames(file, facts)
        try checkHead(file)
        return try ModelSource(
            path: file.path, kind: .gguf, facts: facts, tokenizerJSON: { try GGUFTokenizer.json(of: file) }
        ) { name in
            try file.source(Self.name(of: name) ?? name, as: name)
        }
    }

    private static func refuse(_ file: GGUFFile, _ reason: String) -> FileError {
        FileError(path: file.path, operation: "use the model", reason: reason)
    }

    private static func facts(_ file: GGUFFile) throws -> ModelFacts {
        let architecture = file.metadata["general.architecture"]?.string
        guard architecture == "gpt2" else {
            throw refuse(
                file, "its architecture is \(architecture.map { "'\($0.prefix(40))'" } ?? "not stated"); only gpt2 is computed")
        }
        func size(_ key: String) throws -> Int {
            guard let value = file.metadata["gpt2." + key]?.integer else { throw refuse(file, "it has no number 'gpt2.\(key)'") }
            return value
        }
        guard let embedding = file.entry("token_embd.weight"), embedding.shape.count == 2 else {
            throw refuse(file, "it has no matrix 'token_embd.weight'")
        }
        let facts = ModelFacts(
            nLayer: try size("block_count"), nHead: try size("attention.head_count"), nEmbd: try size("embedding_length"),
            blockSize: try size("context_length"), vocabSize: embedding.shape[0], bias: file.entry("output_norm.bias") != nil,
            activation: file.metadata[activationKey]?.string ?? "gelu_tanh")
        try facts.check(path: file.path)
        let inner = try size("feed_forward_length")
        guard inner == 4 * facts.nEmbd else { throw refuse(file, "feed_forward_length is \(inner); only 4 n_embd is computed") }
        if let groups = file.metadata["gpt2.attention.head_count_kv"]?.integer, groups != facts.nHead {
            throw refuse(
                file, "it has \(groups) heads of keys and values and \(facts.nHead) of queries; only equal numbers are computed")
        }
        let epsilon = file.metadata["gpt2.attention.layer_norm_epsilon"]?.number ?? 1e-5
        guard Float(epsilon) == 1e-5 else { throw refuse(file, "layer_norm_epsilon is \(epsilon); only 1e-5 is computed") }
        return facts
    }

    /// A tensor that the architecture has not would be left out of the computation: better refused.
    private static func checkNames(_ file: GGUFFile, _ facts: ModelFacts) throws {
        guard file.entries.count <= facts.parameters.count + 1 else {
            throw refuse(file, "it has \(file.entries.count) tensors, its sizes make \(facts.parameters.count)")
        }
        let known = Set(facts.parameters.compactMap { name(of: $0.name) })
        if let other = file.entries.first(where: { !known.contains($0.name) && $0.name != "output.weight" }) {
            throw refuse(file, "it has the tensor '\(other.name)', which a gpt2 of its sizes has not")
        }
    }

    /// Files of older converters repeat the token embedding as the head; Apus ties them.
    private static func checkHead(_ file: GGUFFile) throws {
        guard let head = file.entry("output.weight"), let embedding = file.entry("token_embd.weight") else { return }
        if head.type == embedding.type, head.shape == embedding.shape,
            file.bytes(head).elementsEqual(file.bytes(embedding))
        {
            return
        }
        throw refuse(
            file,
            "its output.weight (\(head.type.name)) is not the same as token_embd.weight (\(embedding.type.name)); Apus ties them")
    }
}
