// SPDX-License-Identifier: MIT
import Storage

extension ModelSource {
    /// The same model with a shorter context: nanoGPT's `crop_block_size`.
    ///
    /// Positions beyond it lose their embeddings; all else stays as it is.
    /// - Throws: `FileError` when the model's context is shorter than that.
    public func cropped(blockSize: Int) throws -> ModelSource {
        if blockSize == facts.blockSize { return self }
        guard blockSize >= 1, blockSize < facts.blockSize else {
            throw FileError(
                path: path, operation: "use the model",
                reason:
                    "its context is \(facts.blockSize) tokens and block_size \(blockSize) is asked for; a context can be cut, not"
                    + " lengthened: give block_size \(facts.blockSize) or less")
        }
        var facts = facts
        facts.blockSize = blockSize
        let given = Dictionary(tensors.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        var cut = try ModelSource(
            path: path, kind: kind, facts: facts, step: step, skipped: skipped, tokenizerJSON: tokenizerJSON
        ) { name in
            guard let source = given[name] else {
                throw FileError(path: path, operation: "use the model", reason: "it has no tensor '\(name)'")
            }
            guard name == "transformer.wpe.weight" else { return source }
            // [block_size, C]: the first rows are the first bytes.
            return TensorSource(
                name: name, dtype: source.dtype, shape: [blockSize] + source.shape.dropFirst(), fill: source.fill)
        }
        cut.dataset = dataset
        return cut
    }
}
