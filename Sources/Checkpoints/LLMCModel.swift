// SPDX-License-Identifier: MIT
import Compute
import Storage

/// A model file of llm.c: 256 int32 words of header, then the tensors, each kind for all layers together.
///
/// - Note: Source: llm.c, train_gpt2.py (`write_model`) and train_gpt2.c (`gpt2_build_from_checkpoint`).
struct LLMCModel {
    static let magic: Int32 = 20_240_326
    static let headerBytes = 1024
    /// Version 3 has float32 weights, 5 bfloat16.
    static let versions: [Int32: DType] = [3: .float32, 5: .bfloat16]
    /// llm.c pads the vocabulary to a multiple of this.
    static let vocabularyMultiple = 128

    let facts: ModelFacts
    /// Rows of the vocabulary matrix in the file.
    let paddedVocabSize: Int

    /// One of the 16 runs of tensors in the file.
    struct Kind: Equatable {
        /// nanoGPT's name without layer: "wte.weight", "attn.c_attn.bias".
        let name: String
        let isInLayers: Bool

        /// nanoGPT's whole name.
        func parameter(_ layer: Int) -> String { "transformer." + (isInLayers ? "h.\(layer)." : "") + name }
    }

    /// In the order of the file.
    static let kinds: [Kind] =
        [Kind(name: "wte.weight", isInLayers: false), Kind(name: "wpe.weight", isInLayers: false)]
        + ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"].flatMap { name in
            [".weight", ".bias"].map { Kind(name: name + $0, isInLayers: true) }
        }
        + ["ln_f.weight", "ln_f.bias"].map { Kind(name: $0, isInLayers: false) }

    /// All tensors in the order of the file, with their shapes there.
    var layout: [ModelFacts.Parameter] {
        let shapes = Dictionary(facts.parameters.map { ($0.name, $0.shape) }, uniquingKeysWith: { $1 })
        return Self.kinds.flatMap { kind in
            (0..<(kind.isInLayers ? facts.nLayer : 1)).map { layer in
                let name = kind.parameter(layer), shape = shapes[name] ?? []
                return .init(name: name, shape: kind.name == "wte.weight" ? [paddedVocabSize, facts.nEmbd] : shape)
            }
        }
    }

    // MARK: Reading

    /// Whether a file begins like a model of llm.c.
    static func isOne(_ file: MappedFile) -> Bool {
        file.count >= headerBytes && Int32(littleEndian: file.bytes.loadUnaligned(as: Int32.self)) == magic
    }

    /// Opens a model; rows of padding are left out, because llm.c leaves them out of its softmax.
    ///
    /// - Throws: `FileError` when the header is impossible or the file has not the size that it makes.
    static func open(_ file: MappedFile) throws -> ModelSource {
        func refuse(_ reason: String) -> FileError {
            FileError(path: file.path, operation: "read the llm.c model", reason: reason)
        }
        guard isOne(file) else { throw refuse("it does not begin with llm.c's header") }
        func word(_ index: Int) -> Int {
            Int(Int32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: index * 4, as: Int32.self)))
        }
        guard let dtype = versions[Int32(truncatingIfNeeded: word(1))] else {
            throw refuse(
                "it has version \(word(1)); 3 (float32) and 5 (bfloat16) are read, write it again with a newer train_gpt2.py")
        }
        let facts = ModelFacts(
            nLayer: word(4), nHead: word(5), nEmbd: word(6), blockSize: word(2), vocabSize: word(3), bias: true,
            activation: "gelu_tanh")
        try facts.check(path: file.path)
        let model = LLMCModel(facts: facts, paddedVocabSize: word(7))
        guard model.paddedVocabSize >= facts.vocabSize, model.paddedVocabSize <= ModelFacts.largestSize else {
            throw refuse("its vocabulary of \(facts.vocabSize) ids is padded to \(model.paddedVocabSize)")
        }
        let places = try model.places(dtype, bytes: file.count, refuse)
        let shapes = Dictionary(facts.parameters.map { ($0.name, $0.shape) }, uniquingKeysWith: { $1 })
        let floats = try FloatSource(dtype: dtype, path: file.path)
        return try ModelSource(path: file.path, kind: .llmc, facts: facts) { name in
            guard let start = places[name], let shape = shapes[name] else { throw refuse("it has no tensor '\(name)'") }
            return TensorSource(name: name, dtype: .float32, shape: shape) { piece, offset in
                let values = piece.bindMemory(to: Float.self)
                let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[start...])
                for i in values.indices { values[i] = floats.value(bytes, offset / 4 + i) }
            }
        }
    }

    /// Where each tensor begins in a file of that many bytes.
    private func places(_ dtype: DType, bytes: Int, _ refuse: (String) -> FileError) throws -> [String: Int] {
        var places: [String: Int] = [:], end = Self.headerBytes
        for parameter in layout {
            guard let size = TensorSource.byteCount(dtype, parameter.shape),
                case let (next, overflow) = end.addingReportingOverflow(size), !overflow, next <= bytes
            else { throw refuse("its header makes more than the \(bytes) bytes that it has: it was cut off or damaged") }
            places[parameter.name] = end
            end = next
        }
        guard end == bytes else { throw refuse("its header makes \(end) bytes, but it has \(bytes): it was damaged") }
        return places
    }

    // MARK: Writing

    /// The header's 1024 bytes.
    func header(version: Int32) -> [UInt8] {
        var words = [Int32](repeating: 0, count: 256)
        let sizes = [facts.blockSize, facts.vocabSize, facts.nLayer, facts.nHead, facts.nEmbd, paddedVocabSize]
        words[0] = Self.magic
        words[1] = version
        for (i, size) in sizes.enumerated() { words[2 + i] = Int32(clamping: size) }
        return words.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } }
    }
}
