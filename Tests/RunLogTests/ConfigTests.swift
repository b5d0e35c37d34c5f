// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import TestKit
import Testing

@Suite struct ConfigTests {
    @Test func everyKeyReadsWhatItWrites() throws {
        var config = RunConfig()
        config.nLayer = 7
        config.learningRate = 3e-4
        config.bias = true
        config.dataOrder = "random"
        var copy = RunConfig()
        for (key, value) in config.values { try copy.set(key, value) }
        #expect(copy == config)
        #expect(Set(config.values.map(\.key)).count == RunConfig.fields.count)
    }

    @Test(arguments: [
        ("n_layer", ConfigValue.integer(0), "n_layer = 0 is not valid: it must be a whole number from 1 to 1000"),
        ("n_layer", .number(1.5), "n_layer = 1.5 is not valid: it must be a whole number from 1 to 1000"),
        ("dropout", .number(1), "dropout = 1.0 is not valid: it must be 0 <= dropout < 1"),
        ("bias", .text("maybe"), "bias = \"maybe\" is not valid: it must be true or false"),
        ("lr_schedule", .text("cosin"), "lr_schedule = \"cosin\" is not valid: choose one of cosine, linear, constant, wsd"),
        ("learning_rate", .text("fast"), "learning_rate = \"fast\" is not valid: it must be a number >= 0"),
        ("n_layers", .integer(3), "unknown key 'n_layers'; did you mean 'n_layer'?"),
        ("zzzzzzzz", .integer(3), "unknown key 'zzzzzzzz'; `apus train --help` lists the keys"),
    ])
    func wrongValuesAreNamed(key: String, value: ConfigValue, sentence: String) {
        var config = RunConfig()
        #expect { try config.set(key, value) } throws: { "\($0)" == sentence }
    }

    @Test func whatFollowsFromOtherKeys() {
        var config = RunConfig()
        config.maxIters = 1000
        config.learningRate = 1e-3
        let resolved = config.resolved()
        #expect(resolved.lrDecayIters == 1000)
        #expect(resolved.warmupIters == 20)
        #expect(resolved.minLr == 1e-4)
        #expect(resolved.checkpointInterval == config.evalInterval)
        #expect(resolved.resolved() == resolved)
        config.decayLr = false
        #expect(config.resolved().lrSchedule == "constant")
    }

    @Test(arguments: [
        ("6e3", ConfigValue.number(6000)), ("12", .integer(12)), ("False", .boolean(false)), ("shuffle", .text("shuffle")),
    ])
    func typedValues(text: String, value: ConfigValue) { #expect(ConfigValue(typed: text) == value) }

    /// The sizes that nanoGPT prints.
    @Test func parameterCounts() {
        let forty = ModelShape(nLayer: 12, nHead: 12, nEmbd: 384, blockSize: 1024, vocabSize: 50304, bias: false)
        #expect(forty.parameters == 40_560_000)
        #expect(forty.parametersTotal == 40_560_000 + 1024 * 384)
        let small = ModelShape(nLayer: 12, nHead: 12, nEmbd: 768, blockSize: 1024, vocabSize: 50257, bias: true)
        #expect(small.parametersTotal == 124_439_808)  // OpenAI's GPT-2 small
        #expect(abs(forty.flopsPerToken - 3.0e8) < 1e7)
        #expect(ModelShape.short(40_560_000) == "40.6M")
        #expect(ModelShape.short(1_557_611_200) == "1.56B")
        #expect(ModelShape.short(124_000_000) == "124M")
    }

    @Test func runRecordsReadWhatTheyWrite() throws {
        let folder = try TemporaryFolder()
        var config = RunConfig()
        config.learningRate = 1
        config.dropout = 0
        config.seed = 42
        var data = RunData(tokenizer: "gpt2", trainTokens: 10, valTokens: 2)
        data.unigramEntropy = 5.5
        let record = RunRecord(version: "1", created: "now", command: ["train", "a"], config: config, data: data)
        try folder.write("run.json", record.encoded())
        #expect(try RunRecord.read(path: folder("run.json")) == record)
        // To the last bit: a tenth of 6e-4, as min_lr is, and others that a decimal of 17 digits stands for.
        var generator = SeededGenerator(3)
        for rate in [0.1 * 6e-4] + (0..<200).map({ _ in Double.random(in: 1e-6..<1e-2, using: &generator) }) {
            var exact = record
            exact.config.minLr = rate
            exact.data?.unigramEntropy = rate * 1000
            try folder.write("exact.json", exact.encoded())
            #expect(try RunRecord.read(path: folder("exact.json")) == exact, "\(rate)")
        }
        try folder.write("bad.json", "[]")
        #expect { try RunRecord.read(path: folder("bad.json")) } throws: { "\($0)".contains("not a run record") }
        try folder.write("new.json", "{\"format_version\": 99, \"config\": {}}")
        #expect { try RunRecord.read(path: folder("new.json")) } throws: { "\($0)".contains("newer") }
    }
}
