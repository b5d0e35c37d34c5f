// SPDX-License-Identifier: MIT
import Compute
import Storage

/// Writes a folder that `transformers` loads as a GPT2LMHeadModel.
struct HuggingFaceExporter: ModelExporter {
    let dtypes: [ExportDType] = [.float32, .bfloat16, .float16]
    var wantsTokenizer: Bool { true }

    func write(_ model: ModelExport, dtype: ExportDType, to path: String, calls: FileCalls) throws -> ExportResult {
        guard let type = dtype.dtype else {
            throw FileError(path: path, operation: "write", reason: "Hugging Face's GPT-2 holds no \(dtype.rawValue)")
        }
        let cut = model.withoutPadding(), facts = cut.facts
        var notes: [String] = []
        if facts.vocabSize < model.facts.vocabSize {
            notes.append(
                "\(model.facts.vocabSize - facts.vocabSize) rows of the vocabulary matrix that no token has were cut off:"
                    + " \(facts.vocabSize) remain")
        }
        if !facts.bias { notes.append("the model has no biases and GPT-2 in transformers always has them: zeros were written") }
        let folder = try ExportFolder(path: path, calls: calls)
        let written = try SafetensorsWriter.write(
            path: folder.temporaryPath + "/model.safetensors", sources: try sources(cut, path: path).map { $0.rounded(to: type) },
            calls: calls, synchronizeFolder: false)
        var files: [(name: String, text: String)] = [
            ("config.json", HuggingFaceFiles.config(cut, dtype: type)),
            ("generation_config.json", HuggingFaceFiles.generationConfig(cut)),
            ("README.md", ModelCard.text(cut, source: model.facts, dtype: dtype, notes: notes)),
        ]
        if let tokenizer = cut.tokenizer { files += HuggingFaceFiles.tokenizer(tokenizer, context: facts.blockSize) }
        var bytes = written.byteCount
        for file in files {
            try folder.write(file.text, to: file.name)
            bytes += file.text.utf8.count
        }
        try folder.commit()
        return ExportResult(bytes: bytes, notes: notes)
    }

    /// GPT-2's tensors in the order in which transformers names them; the tied head is not stored.
    private func sources(_ model: ModelExport, path: String) throws -> [TensorSource] {
        var sources: [TensorSource] = []
        for (parameter, source) in zip(model.facts.parameters, model.tensors) {
            let isTransposed = HuggingFaceFolder.transposed.contains { parameter.name.hasSuffix($0) }
            sources.append(isTransposed ? try HuggingFaceFolder.transpose(source, as: parameter.name, path: path) : source)
            // Every weight but the two embeddings has a bias there; as many as the weight has outputs.
            guard !model.facts.bias, parameter.name.hasPrefix("transformer.h.") || parameter.name.hasPrefix("transformer.ln_f")
            else { continue }
            let name = String(parameter.name.dropLast("weight".count)) + "bias"
            sources.append(
                TensorSource(name: name, dtype: .float32, shape: [parameter.shape[0]]) { piece, _ in
                    piece.initializeMemory(as: UInt8.self, repeating: 0)
                })
        }
        return sources
    }
}

/// The texts beside the weights in a Hugging Face folder.
enum HuggingFaceFiles {
    /// An object of JSON texts, one member a line.
    private static func object(_ members: [(key: String, json: String)]) -> String {
        "{\n" + members.map { "  \(StrictJSON.quote($0.key)): \($0.json)" }.joined(separator: ",\n") + "\n}\n"
    }

    private static func json(_ id: Int?) -> String { id.map { String($0) } ?? "null" }

    /// config.json: everything that GPT2Config would otherwise guess, so that no later version guesses differently.
    static func config(_ model: ModelExport, dtype: DType) -> String {
        let facts = model.facts, end = json(model.tokenizer?.endOfText)
        let dropout = "\(model.training.setting("dropout")?.number ?? 0)"
        return object([
            ("architectures", "[\"GPT2LMHeadModel\"]"), ("model_type", "\"gpt2\""),
            ("activation_function", facts.activation == "gelu" ? "\"gelu\"" : "\"gelu_new\""),
            ("attn_pdrop", dropout), ("bos_token_id", end), ("embd_pdrop", dropout), ("eos_token_id", end),
            ("initializer_range", "0.02"), ("layer_norm_epsilon", "1e-05"), ("n_ctx", "\(facts.blockSize)"),
            ("n_embd", "\(facts.nEmbd)"), ("n_head", "\(facts.nHead)"), ("n_inner", "null"), ("n_layer", "\(facts.nLayer)"),
            ("n_positions", "\(facts.blockSize)"), ("reorder_and_upcast_attn", "false"), ("resid_pdrop", dropout),
            ("scale_attn_by_inverse_layer_idx", "false"), ("scale_attn_weights", "true"), ("tie_word_embeddings", "true"),
            ("torch_dtype", "\"\(dtype.rawValue)\""), ("use_cache", "true"), ("vocab_size", "\(facts.vocabSize)"),
        ])
    }

    static func generationConfig(_ model: ModelExport) -> String {
        let end = json(model.tokenizer?.endOfText)
        // Without a padding token of its own, transformers would warn at every call and take the end of text.
        return object([("bos_token_id", end), ("eos_token_id", end), ("pad_token_id", end)])
    }

    /// tokenizer.json and what older tools read instead of it.
    static func tokenizer(_ tokenizer: ExportTokenizer, context: Int) -> [(name: String, text: String)] {
        guard tokenizer.kind == .byteLevelBPE else {
            return [
                ("tokenizer.json", characterLevel(tokenizer)),
                ("tokenizer_config.json", settings("PreTrainedTokenizerFast", tokenizer, context)),
            ]
        }
        // GPT-2's class rebuilds the splitting from vocab.json and merges.txt and adds <|endoftext|>, so it must be like that.
        let isGPT2 = tokenizer.isSplitLikeGPT2 && tokenizer.endOfText.map { tokenizer.tokens[$0] } == "<|endoftext|>"
        var files = [
            ("tokenizer.json", tokenizer.json),
            ("tokenizer_config.json", settings(isGPT2 ? "GPT2Tokenizer" : "PreTrainedTokenizerFast", tokenizer, context)),
            ("vocab.json", vocabulary(tokenizer.tokens)),
        ]
        if !tokenizer.merges.isEmpty {
            let lines = tokenizer.merges.map { $0.left + " " + $0.right }
            files.append(("merges.txt", "#version: 0.2\n" + lines.joined(separator: "\n") + "\n"))
        }
        return files
    }

    private static func settings(_ name: String, _ tokenizer: ExportTokenizer, _ context: Int) -> String {
        var members = [("tokenizer_class", "\"\(name)\""), ("model_max_length", "\(context)"), ("add_prefix_space", "false")]
        members.append(("clean_up_tokenization_spaces", "false"))
        if let end = tokenizer.endOfText.map({ StrictJSON.quote(tokenizer.tokens[$0]) }) {
            members += [("bos_token", end), ("eos_token", end), ("unk_token", end)]
        }
        return object(members)
    }

    /// Tokens and their ids on one line, as vocab.json has them.
    private static func vocabulary(_ tokens: [String]) -> String {
        let members = tokens.enumerated().filter { !$0.element.isEmpty }.map { "\(StrictJSON.quote($0.element)): \($0.offset)" }
        return "{" + members.joined(separator: ", ") + "}\n"
    }

    /// A character-level tokenizer in the terms of `tokenizers`: every character is a word. An unknown one is an error there too.
    private static func characterLevel(_ tokenizer: ExportTokenizer) -> String {
        object([
            ("version", "\"1.0\""), ("truncation", "null"), ("padding", "null"), ("added_tokens", "[]"), ("normalizer", "null"),
            (
                "pre_tokenizer",
                #"{"type": "Split", "pattern": {"Regex": "[\\s\\S]"}, "behavior": "Isolated", "invert": false}"#
            ),
            ("post_processor", "null"), ("decoder", #"{"type": "Fuse"}"#),
            (
                "model",
                #"{"type": "WordLevel", "vocab": "# + vocabulary(tokenizer.tokens).dropLast() + #", "unk_token": "<unk>"}"#
            ),
        ])
    }
}
