// SPDX-License-Identifier: MIT
import Compute
import Storage

/// Writes an llm.c model: one `.bin` file, or a folder with the model and llm.c's own form of the tokenizer.
package struct LLMCExporter: ModelExporter {
    package let dtypes: [ExportDType] = [.float32, .bfloat16]
    /// Without one it is not known which rows of the vocabulary matrix are padding.
    package let wantsTokenizer = true
    /// What train_gpt2.c and train_gpt2.cu open.
    static let tokenizerFile = "gpt2_tokenizer.bin"
    static let modelFile = "model.bin"

    package func write(_ model: ModelExport, dtype: ExportDType, to path: String, calls: FileCalls) throws -> ExportResult {
        let cut = model.withoutPadding()
        var notes: [String] = []
        if path.hasSuffix(".bin") {
            let bytes = try write(cut, dtype, path, calls, &notes)
            return ExportResult(bytes: bytes, notes: notes)
        }
        let folder = try ExportFolder(path: path, calls: calls)
        let bytes = try write(cut, dtype, folder.temporaryPath + "/" + Self.modelFile, calls, &notes)
        if let tokenizer = cut.tokenizer {
            if let note = try Self.writeTokenizer(tokenizer, to: folder, calls: calls) { notes.append(note) }
        }
        try folder.commit()
        return ExportResult(bytes: bytes, notes: notes)
    }

    /// Writes a tokenizer in llm.c's form, and as `tokenizer.json`, so that the folder stays usable with Apus as well.
    ///
    /// - Returns: why llm.c's form was left out, if it was.
    /// - Throws: `FileError` when a file cannot be written.
    package static func writeTokenizer(
        _ tokenizer: ExportTokenizer, to folder: ExportFolder, calls: FileCalls
    ) throws -> String? {
        try folder.write(tokenizer.json, to: "tokenizer.json")
        let table: [UInt8]
        do {
            table = try LLMCTokenizer.bytes(tokenizer)
        } catch {
            return "without \(tokenizerFile): \(error.reason)"
        }
        let file = try AtomicFileWriter(path: folder.temporaryPath + "/" + tokenizerFile, calls: calls)
        try table.withUnsafeBytes { try file.write($0) }
        try file.commit(synchronizeFolder: false)
        return nil
    }

    /// Writes the model file.
    private func write(
        _ model: ModelExport, _ dtype: ExportDType, _ path: String, _ calls: FileCalls, _ notes: inout [String]
    ) throws -> Int {
        var facts = model.facts
        try facts.check(path: path)
        if !facts.bias { notes.append("the model has no biases; llm.c always has them, so zeros were written") }
        if facts.activation == "gelu" {
            notes.append(
                "the model was trained with the exact GELU (erf) and llm.c computes the tanh form: its logits differ by up to about "
                    + "0.01 in small models; train with --activation gelu_tanh to have the same")
        }
        facts.bias = true
        let multiple = LLMCModel.vocabularyMultiple
        let form = LLMCModel(facts: facts, paddedVocabSize: (facts.vocabSize + multiple - 1) / multiple * multiple)
        let sources = try sources(model, form, path: path)
        guard let type = dtype.dtype, let version = LLMCModel.versions.first(where: { $0.value == type })?.key else {
            throw FileError(path: path, operation: "write", reason: "llm.c's model files hold no \(dtype.rawValue)")
        }
        let file = try AtomicFileWriter(path: path, calls: calls)
        try form.header(version: version).withUnsafeBytes { try file.write($0) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: SafetensorsWriter.pieceSize, alignment: 64)
        defer { buffer.deallocate() }
        for source in sources {
            let rounded = source.rounded(to: type), size = rounded.byteCount ?? 0
            var offset = 0
            while offset < size {
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[0..<min(buffer.count, size - offset)])
                try rounded.fill(piece, offset)
                try file.write(UnsafeRawBufferPointer(piece))
                offset += piece.count
            }
        }
        try file.commit()
        return file.count
    }

    /// The tensors in the order of the file; the vocabulary matrix is followed by rows of zeros.
    private func sources(_ model: ModelExport, _ form: LLMCModel, path: String) throws -> [TensorSource] {
        let given = Dictionary(model.tensors.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        let shapes = Dictionary(form.facts.parameters.map { ($0.name, $0.shape) }, uniquingKeysWith: { $1 })
        return try form.layout.flatMap { parameter -> [TensorSource] in
            if given[parameter.name] == nil, !model.facts.bias, parameter.name.hasSuffix(".bias") {
                return [.zeros(name: parameter.name, shape: parameter.shape)]
            }
            guard let source = given[parameter.name], source.shape == shapes[parameter.name], source.dtype == .float32 else {
                throw FileError(
                    path: path, operation: "write",
                    reason: "the tensor '\(parameter.name)' is missing or is not float32 of shape \(shapes[parameter.name] ?? [])"
                )
            }
            guard source.shape != parameter.shape else { return [source] }
            return [source, .zeros(name: "padding", shape: [parameter.shape[0] - source.shape[0], form.facts.nEmbd])]
        }
    }
}

/// llm.c's table of tokens: 256 int32 words, then for every id one byte of length and its bytes.
///
/// - Note: Source: llm.c, train_gpt2.py (`write_tokenizer`) and llmc/tokenizer.h.
enum LLMCTokenizer {
    /// Why a tokenizer cannot be written.
    struct Problem: Error { let reason: String }

    private static let magic: Int32 = 20_240_328

    /// - Throws: when a token is longer than the form can say, or there is no end of text.
    static func bytes(_ tokenizer: ExportTokenizer) throws(Problem) -> [UInt8] {
        guard let end = tokenizer.endOfText else {
            throw Problem(reason: "the tokenizer has no end of text, with which llm.c begins its samples")
        }
        var words = [Int32](repeating: 0, count: 256)
        words[0] = magic
        words[1] = 2
        words[2] = Int32(clamping: tokenizer.tokens.count)
        words[3] = Int32(clamping: end)
        var bytes = words.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } }
        let added = Set(tokenizer.added.map(\.id))
        for (id, text) in tokenizer.tokens.enumerated() {
            // llm.c wants at least a byte for every id; no text ever has one of these.
            let token = text.isEmpty ? Array("?".utf8) : added.contains(id) ? Array(text.utf8) : raw(text)
            guard token.count < 256 else {
                throw Problem(reason: "token \(id) has \(token.count) bytes, and the form ends at 255")
            }
            bytes.append(UInt8(token.count))
            bytes += token
        }
        return bytes
    }

    /// The bytes that a token in GPT-2's alphabet stands for: printable Latin-1 as it is, the other bytes from U+0100 on.
    private static func raw(_ text: String) -> [UInt8] {
        text.unicodeScalars.flatMap { scalar in
            if scalar.value < 0x100 { return [UInt8(scalar.value)] }
            let place = Int(scalar.value) - 0x100
            return others.indices.contains(place) ? [others[place]] : Array(String(scalar).utf8)
        }
    }

    private static let others: [UInt8] = (UInt8.min...UInt8.max).filter {
        !((33...126).contains($0) || (161...172).contains($0) || $0 >= 174)
    }
}
