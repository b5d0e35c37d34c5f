// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage
import TestKit
import Testing

/// A model and data whose ids mean other texts: refused, for a loss of such a pair says nothing.
@Suite(.serialized) struct TokenizerMatchTests {
    /// A run on `st`, and the same texts in the ids of another tokenizer of the same size as `st2`.
    private func twoTokenizers() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        func run(_ arguments: String...) throws {
            let result = try Program.start(arguments, folder: folder.path).1()
            #expect(result.code == 0, "\(arguments): \(result.errors)")
        }
        try run("prepare", "stories:200", "--out", "st", "--tokenizer", "bpe:300", "--quiet")
        try run("tokenizer", "train", "stories:50", "--seed", "9", "--vocab-size", "300", "--out", "tk.json", "--quiet")
        try run("prepare", "stories:200", "--out", "st2", "--tokenizer", "tk.json", "--quiet")
        try run("prepare", "stories:100", "--out", "again", "--tokenizer", "st/tokenizer.json", "--quiet")
        try run(
            "train", "--data", "st", "--out", "rs", "--max-iters", "2", "--n-layer", "1", "--n-head", "2", "--n-embd", "16",
            "--block-size", "16", "--batch-size", "2", "--eval-iters", "1", "--threads", "1", "--quiet")
        return folder
    }

    @Test func dataOfAnotherTokenizerIsRefused() throws {
        let folder = try twoTokenizers()
        func run(_ arguments: String...) throws -> Program.Result { try Program.start(arguments, folder: folder.path).1() }
        let evaluated = try run("eval", "rs", "--data", "st2", "--quiet")
        #expect(evaluated.code == 2 && evaluated.output.isEmpty, "\(evaluated.errors)")
        let reason = "the data in 'st2' was made with another tokenizer than the model's"
        #expect(evaluated.errors.contains(reason), "\(evaluated.errors)")
        #expect(evaluated.errors.contains("Prepare the data with --tokenizer rs/tokenizer.json"), "\(evaluated.errors)")
        let tuning = ["--data", "st2", "--out", "tuned", "--max-iters", "2", "--batch-size", "2", "--eval-iters", "1", "--quiet"]
        let tuned = try Program.start(["train", "--init_from=rs"] + tuning, folder: folder.path).1()
        #expect(tuned.code == 2 && tuned.errors.contains("was made with another tokenizer"), "\(tuned.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder("tuned")))
        // The way out that the message names.
        #expect(tuned.errors.contains("`apus convert rs --to safetensors --tokenizer none --out FOLDER/weights.safetensors`"))
        let bare = try run(
            "convert", "rs", "--to", "safetensors", "--tokenizer", "none", "--out", "bare/weights.safetensors")
        #expect(bare.code == 0 && Folder.names(folder("bare")) == ["weights.safetensors"], "\(bare.errors)")
        let meant = try Program.start(["train", "--init_from=bare/weights.safetensors"] + tuning, folder: folder.path).1()
        #expect(meant.code == 0, "\(meant.errors)")
        // Other texts in the model's own ids are what eval and fine-tuning are for.
        for data in ["st", "again"] {
            let result = try run("eval", "rs", "--data", data, "--quiet", "--json")
            #expect(result.code == 0 && result.errors.isEmpty, "\(data): \(result.errors)")
        }
        let own = try run(
            "train", "--init_from=rs", "--data", "again", "--out", "own", "--max-iters", "1", "--batch-size", "2", "--eval-iters",
            "1", "--quiet")
        #expect(own.code == 0, "\(own.errors)")
    }

    /// What Apus writes for others it reads back, the tokenizer included.
    @Test func exportsAreSampledWithTheirTokenizer() throws {
        let folder = try twoTokenizers()
        try folder.write("text.txt", String(repeating: "abc de\n", count: 300))
        let small = [
            "--max-iters", "1", "--n-layer", "1", "--n-head", "2", "--n-embd", "16", "--block-size", "16", "--batch-size", "2",
            "--eval-iters", "1", "--threads", "1", "--quiet",
        ]
        for arguments in [
            ["prepare", "text.txt", "--out", "characters", "--tokenizer", "char", "--quiet"],
            ["train", "--data", "characters", "--out", "rc"] + small,
        ] {
            let result = try Program.start(arguments, folder: folder.path).1()
            #expect(result.code == 0, "\(arguments): \(result.errors)")
        }
        for (run, form, out, beside) in [
            ("rc", "nanogpt", "nano-char", ["ckpt.pt", "meta.pkl"]),
            ("rs", "nanogpt", "nano-bpe", ["ckpt.pt", "tokenizer.json"]),
            ("rs", "safetensors", "plain-bpe/model.safetensors", ["model.safetensors", "tokenizer.json"]),
            ("rc", "safetensors", "plain-char/model.safetensors", ["model.safetensors", "tokenizer.json"]),
        ] {
            let converted = try Program.run("convert", run, "--to", form, "--out", out, folder: folder.path)
            #expect(converted.code == 0, "\(converted.errors)")
            #expect(Folder.names(folder(form == "nanogpt" ? out : Paths.parent(of: out))) == beside)
            func text(_ model: String) throws -> String {
                let result = try Program.run(
                    "sample", model, "--start", "a", "--max-new-tokens", "20", "--seed", "3", "--quiet", "--ignore-end",
                    folder: folder.path)
                #expect(result.code == 0, "\(model): \(result.errors)")
                return result.output
            }
            #expect(try text(out) == text(run))
        }
        // A second model in the same folder is not given the first one's tokenizer in silence.
        let second = try Program.run(
            "convert", "rc", "--to", "safetensors", "--out", "plain-bpe/b.safetensors", folder: folder.path)
        #expect(second.code == 0 && second.errors.contains("exists already, is another tokenizer"), "\(second.errors)")
    }
}
