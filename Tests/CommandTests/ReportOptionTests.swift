// SPDX-License-Identifier: MIT
import Foundation
import TestKit
import Testing

/// What `apus report`, `plan --hours`, `convert` and `sample` say of facts and sizes.
@Suite(.serialized) struct ReportOptionTests {
    private func table() throws -> (TemporaryFolder, String) {
        let folder = try TemporaryFolder()
        return (folder, try folder.write("x.csv", "step,train_loss,val_loss\n0,4.2,4.2\n100,3.0,3.1\n200,2.5,2.6\n"))
    }

    @Test(arguments: [
        (["--parameters", "-5"], "--parameters -5 is not valid"), (["--parameters", "abc"], "--parameters 'abc' is not valid"),
        (["--parameters", "1e300"], "is not valid: a number from 1 to 1e15"),
        (["--train-tokens=0"], "--train-tokens 0 is not valid"), (["--total-batch-size", "nan"], "is not valid"),
        (["--vocab-size", "-1"], "vocab_size = -1 is not valid"), (["--n-layer", "six"], "n_layer = \"six\" is not valid"),
        (["--architecture", "foo"], "one of gpt2, modern"), (["--architecture", "gpt"], "did you mean gpt2?"),
        (["--lr-schedule", "cosin"], "cosine, linear, constant, wsd"), (["--data", "/nonexistent"], "is no folder"),
        (["--device", "RTX 407"], "close names:"), (["--dataset", "finweb"], "did you mean fineweb?"),
    ])
    func factsThatNoRunHasAreRefused(options: [String], sentence: String) throws {
        let (folder, path) = try table()
        _ = folder
        try Program.expect(2, sentence, ["report", path] + options)
    }

    @Test(arguments: [
        ["--parameters", "40.6e6"], ["--parameters", "124000000", "--architecture", "modern"], ["--device", "cpu"],
        ["--device", "NVIDIA GeForce RTX 4070"], ["--dataset", "my-own-texts"], ["--dataset", "data/fineweb10B"],
        ["--tokenizer", "gpt2", "--optimizer", "Muon"], ["--n-layer", "6", "--dtype", "float16", "--warmup-iters", "-1"],
    ])
    func factsThatRunsHaveAreTaken(options: [String]) throws {
        let (folder, path) = try table()
        _ = folder
        let result = try Program.start(["report", path] + options).1()
        #expect(result.code == 0, "\(options): \(result.errors)")
    }

    /// Another model than was asked for is no answer.
    @Test func aTimeWithoutAModelPlansNone() throws {
        for hours in ["1e-4", "1e9"] {
            let result = try Program.run("plan", "--hours", hours, "--device", "RTX 4070")
            #expect(result.code == 1 && result.output.isEmpty)
            #expect(result.errors.hasPrefix("error: no model can be recommended for"), "\(result.errors)")
        }
        try Program.expect(1, "up to about", ["plan", "--hours", "1e9", "--device", "RTX 4070"])
        try Program.expect(1, "would do (--hours)", ["plan", "--hours", "1e-4", "--device", "RTX 4070", "--json"])
    }

    /// A model has as many parameters for `convert` as for `train` and `report`.
    @Test func oneCountOfParameters() throws {
        let folder = try WholePathTests.prepared()
        let run = try WholePathTests.train(folder, "--max-iters", "2")
        let report = try Program.run("report", run, "--json").object
        let model = try #require(report["model"] as? [String: Any])
        let converted = try Program.run("convert", run, "--to", "safetensors", "--out", folder("x.safetensors"), "--json").object
        let count = try #require(converted["parameters"] as? Int), total = try #require(converted["parameters_total"] as? Int)
        let reported = model["parameters"] as? Int
        #expect(count == reported && total > count)
        let sample = try Program.run("sample", run, "--max-new-tokens", "3")
        let isTimed = sample.errors.contains(#/ in ([1-9][0-9]* ms|[0-9]\.[0-9]s), /#)
        #expect(isTimed, "\(sample.errors)")
    }
}
