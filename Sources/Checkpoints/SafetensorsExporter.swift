// SPDX-License-Identifier: MIT
import Compute
import Storage

/// Writes one safetensors file with nanoGPT's names, and the model's sizes in its metadata, so that it can be used by itself;
/// beside it the tokenizer, which a safetensors file does not hold.
struct SafetensorsExporter: ModelExporter {
    let dtypes: [ExportDType] = [.float32, .bfloat16, .float16]

    func write(_ model: ModelExport, dtype: ExportDType, to path: String, calls: FileCalls) throws -> ExportResult {
        guard let type = dtype.dtype else {
            throw FileError(path: path, operation: "write", reason: "safetensors files hold no \(dtype.rawValue)")
        }
        let written = try SafetensorsWriter.write(
            path: path, sources: model.tensors.map { $0.rounded(to: type) },
            metadata: SafetensorsWriter.defaultMetadata.merging(model.facts.metadata) { $1 }, calls: calls)
        let note = try model.tokenizer?.write(beside: path, calls: calls)
        return ExportResult(bytes: written.byteCount, notes: [note].compactMap { $0 })
    }
}
