// SPDX-License-Identifier: MIT
import Compute
import Storage

/// Writes one GGUF file of the architecture gpt2, which llama.cpp loads.
///
/// - Note: Source: llama.cpp, conversion of GPT2LMHeadModel and src/models/gpt2.cpp: names, shapes and keys; norms, biases and
///   the position embedding stay float32, the head is the token embedding.
struct GGUFExporter: ModelExporter {
    let dtypes: [ExportDType] = [.float32, .float16, .bfloat16, .q8_0]
    let wantsTokenizer = true

    func write(_ model: ModelExport, dtype: ExportDType, to path: String, calls: FileCalls) throws -> ExportResult {
        let cut = model.withoutPadding(), facts = cut.facts
        try facts.check(path: path)
        if let count = cut.tokenizer?.tokens.count, count != facts.vocabSize {
            throw FileError(
                path: path, operation: "write",
                reason:
                    "the tokenizer has \(count) ids and the model \(facts.vocabSize); name the model's own with --tokenizer FILE")
        }
        var notes: [String] = []
        if facts.vocabSize < model.facts.vocabSize {
            notes.append(
                "the vocabulary matrix's \(model.facts.vocabSize - facts.vocabSize) rows of padding, which no token has, were cut off"
            )
        }
        if !facts.bias { notes.append("the model has no biases; llama.cpp's gpt2 demands them, so zeros were written") }
        if facts.activation == "gelu" {
            notes.append(
                "the model was trained with the exact GELU (erf) and llama.cpp's gpt2 computes the tanh form: its logits differ by "
                    + "up to about 0.01 in small models; train with --activation gelu_tanh to have the same")
        }
        let tensors = try tensors(cut, dtype, path: path, notes: &notes)
        let metadata = metadata(cut, dtype) + GGUFTokenizer.metadata(cut.tokenizer, notes: &notes)
        let bytes = try GGUFWriter.write(path: path, metadata: metadata, tensors: tensors, calls: calls)
        return ExportResult(bytes: bytes, notes: notes)
    }

    private func metadata(_ model: ModelExport, _ dtype: ExportDType) -> [(key: String, value: GGUFWriter.Value)] {
        let facts = model.facts
        // `check` held every size below 2^28.
        func size(_ value: Int) -> GGUFWriter.Value { .uint32(UInt32(clamping: value)) }
        // llama.cpp's numbers of file types.
        let types: [ExportDType: UInt32] = [.float32: 0, .float16: 1, .q8_0: 7, .bfloat16: 32]
        return [
            ("general.architecture", .string("gpt2")), ("general.type", .string("model")), ("general.name", .string(model.name)),
            ("general.file_type", .uint32(types[dtype] ?? 0)), ("general.quantization_version", .uint32(2)),
            ("gpt2.block_count", size(facts.nLayer)), ("gpt2.context_length", size(facts.blockSize)),
            ("gpt2.embedding_length", size(facts.nEmbd)), ("gpt2.feed_forward_length", size(4 * facts.nEmbd)),
            ("gpt2.attention.head_count", size(facts.nHead)), ("gpt2.attention.layer_norm_epsilon", .float32(1e-5)),
            ("gpt2.vocab_size", size(facts.vocabSize)), (GGUFModel.activationKey, .string(facts.activation)),
        ]
    }

    /// The tensors in nanoGPT's order, with zeros for biases that are not there.
    private func tensors(
        _ model: ModelExport, _ dtype: ExportDType, path: String, notes: inout [String]
    ) throws -> [GGUFWriter.Tensor] {
        let types: [ExportDType: GGUFTensorType] = [.float32: .f32, .float16: .f16, .bfloat16: .bf16, .q8_0: .q8_0]
        var wanted = types[dtype] ?? .f32
        if wanted == .q8_0, model.facts.nEmbd % 32 != 0 {
            wanted = .f16
            notes.append("n_embd \(model.facts.nEmbd) is no multiple of 32, Q8_0's block: matrices were written as F16 instead")
        }
        var full = model.facts
        full.bias = true
        let given = Dictionary(model.tensors.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        return try full.parameters.map { parameter in
            let source =
                given[parameter.name]
                ?? (model.facts.bias ? nil : TensorSource.zeros(name: parameter.name, shape: parameter.shape))
            guard let source, source.shape == parameter.shape, source.dtype == .float32,
                let name = GGUFModel.name(of: parameter.name)
            else {
                throw FileError(
                    path: path, operation: "write",
                    reason: "the tensor '\(parameter.name)' is missing or is not float32 of shape \(parameter.shape)")
            }
            let isPlain = parameter.shape.count < 2 || parameter.name == "transformer.wpe.weight"
            return GGUFWriter.Tensor(name: name, type: isPlain ? .f32 : wanted, source: source)
        }
    }
}

extension TensorSource {
    /// A tensor of zeros.
    static func zeros(name: String, shape: [Int]) -> TensorSource {
        TensorSource(name: name, dtype: .float32, shape: shape) { piece, _ in
            piece.initializeMemory(as: UInt8.self, repeating: 0)
        }
    }
}
