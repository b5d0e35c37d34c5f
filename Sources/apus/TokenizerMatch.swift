// SPDX-License-Identifier: MIT
import Checkpoints
import Corpus
import Tokenization

/// Whether a model and a dataset mean the same texts by the same ids.
///
/// Ids of another tokenizer are numbers like any other: a model takes them without complaint, and its loss says nothing.
enum TokenizerMatch {
    /// Refuses data whose ids stand for other texts in the model.
    ///
    /// Compared is what every id of the data stands for, not the files: GPT-2's vocabulary has several. Where no tokenizer lies
    /// with the model, or none with the data, nothing can be compared.
    /// - Parameters:
    ///   - ours: the tokenizer of the data, where it is read already
    ///   - purpose: what to do for whoever means it, as the end of a sentence
    ///   - warn: told what could not be compared although it should be
    /// - Throws: `UsageError` naming both and the first id that differs.
    static func check(
        _ source: ModelSource, _ dataset: TokenDataset, data ours: (any Tokenizer)? = nil, purpose: String? = nil,
        warn: (String) -> Void
    ) throws {
        guard let path = dataset.tokenizerPath else { return }
        guard let place = LoadedModel.tokenizerPlace(of: source) else {
            let name = dataset.manifest?.tokenizer.name ?? dataset.meta?.tokenizer?.name ?? "gpt2"
            if LoadedModel.hasGPT2sSize(source), name != "gpt2" {
                warn(
                    "the data in '\(dataset.folder)' was made with the tokenizer '\(name)'; the model '\(source.path)' has GPT-2's number of "
                        + "ids and no tokenizer beside it: are they the same?")
            }
            return
        }
        let data: any Tokenizer, model: any Tokenizer
        do {
            data = try ours ?? LoadedModel.tokenizer(at: path)
            model = try place.load()
        } catch let error as TokenizerError {
            return warn("the tokenizers of '\(source.path)' and '\(dataset.folder)' cannot be compared: \(error)")
        }
        guard let id = firstDifference(data, model) else { return }
        // As Swift writes texts, so that a new line is seen.
        func text(_ tokenizer: any Tokenizer) -> String { String(reflecting: tokenizer.decode([id])) }
        let other = model.vocabularySize > Int(id) ? "\(text(model)) there" : "not in it"
        throw UsageError(
            "the data in '\(dataset.folder)' was made with another tokenizer than the model's (\(place.path)): id \(id) is "
                + "\(text(data)) here, \(other). Prepare the data with --tokenizer \(place.argument)"
                + (purpose.map { ", or \($0)" } ?? ""))
    }

    /// The first id of the data's tokenizer that is another text, or none, in the model's.
    static func firstDifference(_ data: any Tokenizer, _ model: any Tokenizer) -> UInt32? {
        (0..<UInt32(clamping: data.vocabularySize)).first { data.bytes(of: $0) != model.bytes(of: $0) }
    }
}
