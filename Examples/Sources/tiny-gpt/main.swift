// SPDX-License-Identifier: MIT
// From made-up stories to a trained model and a text of its own, with the libraries that the program `apus` is made of.
import ComputeCPU
import Corpus
import Foundation
import Generation
import RunLog
import Tokenization
import Training

let folder = FileManager.default.temporaryDirectory.path + "/apus-example-\(ProcessInfo.processInfo.processIdentifier)"
defer { try? FileManager.default.removeItem(atPath: folder) }

// Text -> tokens: a vocabulary of 512 is learned from the stories themselves.
let options = PrepareOptions(sources: ["stories:1500"], out: folder, tokenizer: try TokenizerChoice("bpe:512"))
let manifest = try Preparer(options: options).run()
print("\(manifest.train.tokens) training tokens, \(manifest.val.tokens) for validation")

// The configuration's keys are those of `apus train`.
var config = RunConfig()
config.data = folder
config.nLayer = 2
config.nHead = 4
config.nEmbd = 64
config.blockSize = 64
config.batchSize = 16
config.maxIters = 150
config.learningRate = 5e-3
config.evalInterval = 50
config.evalIters = 10

let setup = try RunSetup(config)
let trainer = try Trainer(setup, backend: CPUBackend())
trainer.initialize()
var losses: [Double] = []
// Without a session nothing is kept on disk; `RunSession.create` gives a run folder with checkpoints that can be resumed.
let outcome = try trainer.run { event in
    guard event.event == .eval, let loss = event.valLoss else { return }
    losses.append(loss)
    print("step \(event.step): validation loss \(loss) nats per token")
}

// A text token by token, with a KV cache.
let tokenizer = try TokenizerLoader().load(spec: folder + "/tokenizer.json")
let prompt = try tokenizer.encode("One day").map { Int32($0) }
let generator = TextGenerator(
    try GPTDecoder(weights: trainer.weights), sampling: SamplingOptions(temperature: 0.8, topK: 50, seed: 1),
    vocabularySize: tokenizer.vocabularySize, stopToken: tokenizer.endOfText.map { Int32($0) })
var ids = prompt.map { UInt32($0) }
try generator.generate(prompt: prompt, maxNewTokens: 60) { _, token in ids.append(UInt32(token)) }
print(tokenizer.decode(ids))

// An example that stopped working should not look as if it worked.
guard outcome == .completed, let first = losses.first, let last = losses.last, last < first - 1 else {
    print("error: the model did not learn: validation losses \(losses)")
    exit(1)
}
