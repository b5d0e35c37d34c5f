// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import ComputeCPU
import Corpus
import Foundation
import Modeling
import RunLog
import Storage
import TestKit
import Testing
import Training

/// Going on with what nanoGPT's train.py left behind.
@Suite struct NanoGPTResumeTests {
    /// Takes a folder over and trains to the end.
    private func goOn(_ folder: String, threads: Int = 2, change: (inout RunConfig) -> Void) throws -> Workbench.Result {
        let run = try NanoGPTRun(folder: folder)
        var config = run.config
        change(&config)
        try run.adopt(Workbench.record(try RunSetup(config).config))
        return try Workbench().resume(folder, threads: threads)
    }

    /// nanoGPT's own checkpoints before the first and in the middle of 30 updates: the losses that nanoGPT had from there on.
    @Test(arguments: ["nobias", "bias"], ["ckpt", "ckpt_mid"]) func goldenLossesGoOn(model: String, file: String) throws {
        guard let golden = Places.shared("golden/nanogpt-tiny-\(model)", for: "continuing nanoGPT's checkpoints") else { return }
        let folder = try TemporaryFolder()
        let copy = try folder.write("ckpt.pt", try #require(FileManager.default.contents(atPath: "\(golden)/\(file).pt")))
        try Folder.create(folder("data"))
        for split in ["train", "val"] {
            try folder.write("data/\(split).bin", try #require(FileManager.default.contents(atPath: golden + "/tokens.bin")))
        }
        let result = try goOn(folder.path) {
            $0.data = folder("data")
            $0.dataOrder = "sequential"
            $0.dtype = "float32"
            $0.evalInterval = 0
            $0.evalIters = 1
        }
        let json = try Data(contentsOf: URL(fileURLWithPath: golden + "/golden.json"))
        let object = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
        let losses = try #require(object["loss"] as? [Double])
        let first = file == "ckpt" ? 0 : 15
        #expect(result.losses.count == losses.count - first)
        // Two float32 programs; the project's bound for 30 losses.
        for (step, loss) in result.losses { #expect(abs(loss - losses[step - 1]) < 2e-5, "step \(step)") }
        let rates = try #require(object["lr"] as? [Double])
        for event in result.events where event.event == .step {
            #expect(abs((event.lr ?? 0) - rates[event.step - 1]) < 1e-12)
        }
        #expect(FileManager.default.contents(atPath: copy) == FileManager.default.contents(atPath: "\(golden)/\(file).pt"))
    }

    /// A run of Apus, exported as nanoGPT's in the middle and gone on with from there, ends with the same bits.
    private func exported(_ bench: Workbench, at step: Int, updates: Int? = nil, optimizer: Bool = true) throws -> String {
        let config = bench.config {
            $0.outDir = bench.folder("first")
            $0.checkpointInterval = step
            $0.keepCheckpoints = 0
        }
        if !Folder.exists(config.outDir) { _ = try bench.start(config) }
        let store = CheckpointStore(runFolder: config.outDir)
        let loaded = try store.open(try store.checkpoint(step: step))
        let folder = bench.folder("out-\(UUID().uuidString)")
        try Folder.create(folder)
        func sources(_ file: SafetensorsFile) throws -> [TensorSource] { try file.entries.map { try file.source($0.name) } }
        let facts = ModelFacts(nLayer: 2, nHead: 2, nEmbd: 32, blockSize: 24, vocabSize: 40, bias: false)
        let settings: [(key: String, value: PyTorchValue)] = [
            ("batch_size", .integer(4)), ("gradient_accumulation_steps", .integer(2)), ("block_size", .integer(24)),
            ("learning_rate", .number(5e-3)), ("max_iters", .integer(12)), ("lr_decay_iters", .integer(12)),
            ("warmup_iters", .integer(2)), ("min_lr", .number(5e-4)), ("eval_interval", .integer(4)), ("eval_iters", .integer(2)),
            ("dtype", .string("float32")), ("device", .string("cuda")), ("compile", .bool(true)), ("mine", .integer(3)),
            ("wandb_run_name", .string("x")), ("out_dir", .string("elsewhere")), ("dataset", .string("nowhere")),
        ]
        try NanoGPTCheckpointWriter(
            facts: facts, iterNum: step, bestValLoss: 3.3, learningRate: 1e-3, beta1: 0.9, beta2: 0.95, weightDecay: 0.1,
            config: settings
        ).write(path: folder + "/ckpt.pt", model: sources(loaded.model), optimizer: optimizer ? sources(loaded.optimizer) : [])
        return folder
    }

    @Test func theExportedMiddleOfARunEndsAsTheRunItself() throws {
        let bench = try Workbench()
        let folder = try exported(bench, at: 4)
        let before = FileManager.default.contents(atPath: folder + "/ckpt.pt")
        let run = try NanoGPTRun(folder: folder)
        #expect(run.step == 4 && run.updates == 4 && run.unknownSettings == ["mine"])
        #expect(run.config.device == "cpu" && run.config.outDir == folder && run.config.learningRate == 5e-3)
        #expect(NanoGPTRun.isIn(folder))
        let result = try goOn(folder) { $0.data = bench.folder("data") }
        #expect(result.outcome == .completed && result.trainer.step == 12)
        #expect(Set(result.losses.keys) == Set(5...12))
        let whole = try CheckpointStore(runFolder: bench.folder("first")).checkpoint(step: 12)
        let parts = try CheckpointStore(runFolder: folder).checkpoint(step: 12)
        for file in ["model.safetensors", "optimizer.safetensors"] {
            let both = [whole, parts].map { FileManager.default.contents(atPath: $0.path + "/" + file) }
            #expect(both[0] != nil && both[0] == both[1], "\(file)")
        }
        // nanoGPT's file is as it was, its best loss is remembered, and the folder is a run of Apus from now on.
        #expect(FileManager.default.contents(atPath: folder + "/ckpt.pt") == before)
        let first = try CheckpointStore(runFolder: folder).latestValid()
        #expect(first?.info.step == 12 && !NanoGPTRun.isIn(folder))
        let record = try RunFolder(folder).readRecord()
        #expect(record.config.initFrom == "resume" && record.config.maxIters == 12)
        // Nothing is left to import.
        try NanoGPTRun.importIfNeeded(folder)
        #expect(try CheckpointStore(runFolder: folder).latestValid()?.info.step == 12)
    }

    @Test func theBestLossBeforeCounts() throws {
        let bench = try Workbench()
        let folder = try exported(bench, at: 4)
        let result = try goOn(folder) {
            $0.data = bench.folder("data")
            $0.maxIters = 4
        }
        // Nothing was left to do; what nanoGPT called its best is the best.
        #expect(result.losses.isEmpty)
        let state = try #require(try CheckpointStore(runFolder: folder).latestValid()).info
        #expect(state.step == 4)
        #expect(try String(contentsOfFile: folder + "/best", encoding: .utf8) == "step-00000004\n")
        let source = try ModelSource.open(path: folder)
        #expect(source.kind == .run && source.step == 4)
    }

    @Test func anAdoptionThatWasCutShortIsEnded() throws {
        let bench = try Workbench()
        let folder = try exported(bench, at: 4)
        let run = try NanoGPTRun(folder: folder)
        var config = run.config
        config.data = bench.folder("data")
        let record = Workbench.record(try RunSetup(config).config)
        // Every write of a tensor file fails: run.json is there, the checkpoint is not.
        var calls = FileCalls.system
        calls.write = { file, bytes, count in
            guard count > 4096 else { return write(file, bytes, count) }
            errno = ENOSPC
            return -1
        }
        #expect(throws: FileError.self) { try run.adopt(record, calls: calls) }
        #expect(!NanoGPTRun.isIn(folder))
        try NanoGPTRun.importIfNeeded(folder)
        let result = try bench.resume(folder)
        #expect(Set(result.losses.keys) == Set(5...12))
    }

    @Test func whatCannotBeGoneOnWithIsExplained() throws {
        let bench = try Workbench()
        let folder = try exported(bench, at: 4, optimizer: false)
        #expect(try NanoGPTRun(folder: folder).updates == 0)
        let record = Workbench.record(bench.config())
        try Folder.create(folder + "/checkpoints")
        #expect {
            try NanoGPTRun(folder: folder).adopt(record)
        } throws: { "\($0)".contains("and also 'checkpoints', which a run of Apus would need to write") }
        #expect(!FileManager.default.fileExists(atPath: folder + "/run.json"))
        #expect(!NanoGPTRun.isIn(bench.folder("data")))
        #expect(throws: FileError.self) { try NanoGPTRun(folder: bench.folder("data")) }
    }

    // MARK: Starting from another model

    @Test func aShorterContextKeepsTheRest() throws {
        let bench = try Workbench()
        _ = try bench.start(bench.config { $0.outDir = bench.folder("first") })
        let source = try ModelSource.open(path: bench.folder("first"))
        let cut = try source.cropped(blockSize: 8)
        #expect(cut.facts.blockSize == 8)
        for (a, b) in zip(source.tensors, cut.tensors) {
            let values = try a.floats()
            #expect(try b.floats() == (a.name == "transformer.wpe.weight" ? Array(values.prefix(8 * 32)) : values))
        }
        #expect(throws: FileError.self) { try source.cropped(blockSize: 25) }
        #expect(throws: FileError.self) { try source.cropped(blockSize: 0) }
        // Predictions inside the shorter context are the same.
        let backend = try CPUBackend(threads: 1)
        let tokens: [Int32] = [3, 24, 11, 0, 39, 8, 8, 1], targets = Array(tokens.dropFirst()) + [5]
        let losses = try [source, cut].map { model -> [Float] in
            var config = RunConfig()
            config.take(model.facts)
            let weights = try GPTWeights(RunSetup.model(config), dtype: .float32, on: backend)
            try weights.load(model)
            let gpt = try GPT(weights: weights, batch: 1, length: 8, training: false)
            tokens.withUnsafeBufferPointer { t in targets.withUnsafeBufferPointer { gpt.load(tokens: t, targets: $0) } }
            gpt.evaluateMicroBatch()
            var values = [Float](repeating: 0, count: 8)
            values.withUnsafeMutableBytes { backend.read(gpt.losses, into: $0) }
            return values
        }
        #expect(losses[0] == losses[1] && losses[0].allSatisfy { $0 > 0 })
    }

    // MARK: How many ids

    /// Writes a manifest that says 40 ids, beside data of which one id far behind the evaluated blocks is beyond that.
    @Test func onlyWhatEvaluationReadsIsLookedAtBeforeTheStart() throws {
        let bench = try Workbench()
        var tokens = [UInt16](repeating: 1, count: 20_000)
        tokens[19_000] = 41
        try bench.folder.write("data/train.bin", tokens.withUnsafeBytes { Data($0) })
        var manifest = DatasetManifest(
            version: "test", tokenizer: .init(name: "bpe", vocabSize: 40, endOfText: nil, sha256: ""), dtype: "uint16")
        manifest.files = [
            .init(name: "train.bin", split: "train", tokens: 20_000, bytes: 40_000, crc32c: ""),
            .init(name: "val.bin", split: "val", tokens: 3000, bytes: 6000, crc32c: ""),
        ]
        try bench.folder.write("data/dataset.json", try manifest.encoded())
        let config = bench.config {
            $0.dataOrder = "sequential"
            $0.maxIters = 200
            $0.evalInterval = 0
            $0.vocabSize = 0
        }
        #expect(try RunSetup(config).config.vocabSize == 40)
        // The loader meets it: sample 791 covers tokens 18984..<19008, in update 98 of 8 samples.
        let trainer = try Trainer(try RunSetup(config), backend: try CPUBackend(threads: 2))
        trainer.initialize()
        #expect {
            _ = try trainer.run { _ in }
        } throws: { "\($0)".contains("token id 41 in") && "\($0)".contains("is not below vocab_size 40") }
        #expect(trainer.step == 98)
        // Where evaluation reads it is refused at once: it has no check of its own.
        tokens[100] = 41
        try bench.folder.write("data/train.bin", tokens.withUnsafeBytes { Data($0) })
        #expect { try RunSetup(config) } throws: { "\($0)".contains("token 100 is id 41, but the vocabulary has 40 ids") }
        tokens[100] = 1
        tokens[192] = 41
        try bench.folder.write("data/train.bin", tokens.withUnsafeBytes { Data($0) })
        // 2 x 4 blocks of 24 tokens and the target behind them.
        #expect(throws: (any Error).self) { try RunSetup(config) }
        tokens[192] = 1
        tokens[193] = 41
        try bench.folder.write("data/train.bin", tokens.withUnsafeBytes { Data($0) })
        #expect(throws: Never.self) { try RunSetup(config) }
    }

    @Test func withoutADescriptionTheLookIsBounded() throws {
        let bench = try Workbench()
        let dataset = try TokenDataset.open(folder: bench.folder("data"))
        let config = bench.config { $0.vocabSize = 0 }
        #expect(try VocabularyCheck.ids(of: dataset, config) == 40)
        #expect {
            try VocabularyCheck.ids(of: dataset, config, mostTokens: 5000)
        } throws: { "\($0)".contains("has 20000 tokens and neither") && "\($0)".contains("--vocab-size N") }
        // GPT-2's ids are known by their size, also from a part of them.
        let tokens = (0..<20_000).map { UInt16($0 % 25 * 2000) }
        try bench.folder.write("data/train.bin", tokens.withUnsafeBytes { Data($0) })
        #expect(try VocabularyCheck.ids(of: TokenDataset.open(folder: bench.folder("data")), config, mostTokens: 5000) == 50_257)
    }

    @Test func theVocabularyOfNanoGPTsDataIsItsMeta() throws {
        let bench = try Workbench()
        // {'vocab_size': 57}: more ids than occur, as for a character that only the validation text has.
        let pickle: [UInt8] = [0x80, 4, 0x7d, 0x8c, 10] + Array("vocab_size".utf8) + [0x4b, 57, 0x73, 0x2e]
        try bench.folder.write("data/meta.pkl", Data(pickle))
        #expect(try RunSetup(bench.config { $0.vocabSize = 0 }).config.vocabSize == 57)
        try bench.folder.write(
            "data/meta.pkl", Data([0x80, 4, 0x7d, 0x8c, 10] + Array("vocab_size".utf8) + [0x4b, 20, 0x73, 0x2e]))
        #expect { try RunSetup(bench.config { $0.vocabSize = 0 }) } throws: { "\($0)".contains("the vocabulary has 20 ids") }
        try bench.folder.write("data/meta.pkl", Data([0x80, 2] + Array("cos\nsystem\n.".utf8)))
        #expect { try RunSetup(bench.config()) } throws: { "\($0)".contains("it asks for 'os.system'") }
    }

    @Test func aConstantRateWithoutWarmUp() throws {
        let bench = try Workbench()
        // nanoGPT's decay_lr = False computes no schedule at all; its default min_lr may lie above the rate.
        let setup = try RunSetup(
            bench.config {
                $0.decayLr = false
                $0.learningRate = 3e-5
                $0.minLr = 6e-5
            })
        #expect([0, 1, 5, 11].map { setup.schedule.rate($0) } == [3e-5, 3e-5, 3e-5, 3e-5])
    }
}
