// SPDX-License-Identifier: MIT
import Checkpoints
import Foundation
import RunLog
import Storage
import TestKit
import Testing

/// Users who arrive with nanoGPT's or Hugging Face's files and habits, on the command line.
@Suite(.serialized) struct ComingInTests {
    /// A text of ten letters as nanoGPT's data/shakespeare_char/prepare.py leaves it, in `data/letters` below the folder.
    private func letters() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try Folder.create(folder("data/letters"))
        var generator = SeededGenerator(5), letter = 0
        let ids = (0..<6000).map { _ -> UInt16 in
            letter = Bool.random(using: &generator) ? (letter * 3 + 1) % 10 : Int.random(in: 0..<10, using: &generator)
            return UInt16(letter)
        }
        try folder.write("data/letters/train.bin", ids.withUnsafeBytes { Data($0) })
        try folder.write("data/letters/val.bin", Array(ids.prefix(2000)).withUnsafeBytes { Data($0) })
        // {'vocab_size': 10, 'itos': {0: 'j', 1: 'i', ...}}: ids not in the order of the letters.
        var pickle: [UInt8] =
            [0x80, 4, 0x7d, 0x28, 0x8c, 10] + Array("vocab_size".utf8) + [0x4b, 10, 0x8c, 4] + Array("itos".utf8)
        pickle +=
            [0x7d, 0x28] + (0..<10).flatMap { [0x4b, UInt8($0), 0x8c, 1, UInt8(ascii: "j") - UInt8($0)] } + [0x75, 0x75, 0x2e]
        try folder.write("data/letters/meta.pkl", Data(pickle))
        return folder
    }

    private static let configuration = """
        # small, as nanoGPT's configurations are written
        import time
        out_dir = 'out-letters'
        eval_interval = 2
        eval_iters = 2
        log_interval = 1
        always_save_checkpoint = False
        eval_only = False
        backend = 'gloo'
        wandb_log = False
        wandb_run_name = 'run-' + str(time.time())
        dataset = 'letters'
        width = 16 # a name of the file's own
        n_layer = 1
        n_head = 2
        n_embd = width * 2
        gradient_accumulation_steps = 1
        batch_size = 12
        block_size = 32
        dropout = 0.0
        learning_rate = 1e-3
        max_iters = 4
        lr_decay_iters = max_iters
        min_lr = 1e-4
        warmup_iters = 0
        compile = True
        """

    @Test func nanoGPTsConfigurationAndData() throws {
        let folder = try letters()
        try folder.write("train_letters.py", Self.configuration)
        let dry = try Program.run("train", "train_letters.py", "--dry-run", folder: folder.path)
        #expect(dry.code == 0 && dry.errors.contains("vocabulary 10"), "\(dry.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder("out-letters")))
        let result = try Program.run(
            "train", "train_letters.py", "--batch_size=8", "--compile=False", "--device=cpu", folder: folder.path)
        #expect(result.code == 0, "\(result.errors)")
        for key in ["compile", "backend", "wandb_log", "wandb_run_name", "always_save_checkpoint", "eval_only"] {
            let lines = result.errors.split(separator: "\n").filter { $0.contains("'\(key)' has no meaning here") }
            #expect(lines.count == (key == "compile" ? 2 : 1), "\(key): \(result.errors)")
        }
        let config = try RunFolder(folder("out-letters")).readRecord().config
        #expect(config.batchSize == 8 && config.nEmbd == 32 && config.vocabSize == 10 && config.lrDecayIters == 4)
        // What the file leaves out has nanoGPT's value.
        #expect(config.weightDecay == 0.1 && config.beta2 == 0.95 && config.dataset == "letters")
        // Samples are the letters of meta.pkl, which the run keeps.
        let sample = try Program.run(
            "sample", "--out_dir=out-letters", "--num_samples=1", "--max_new_tokens=30", "--start=j", "--compile=False",
            folder: folder.path)
        #expect(sample.code == 0, "\(sample.errors)")
        #expect(sample.output.filter { $0 != "\n" }.count == 31 && sample.output.allSatisfy { "abcdefghij\n".contains($0) })
        try FileManager.default.removeItem(atPath: folder("data/letters/meta.pkl"))
        let again = try Program.run(
            "sample", "--out_dir=out-letters", "--max_new_tokens=30", "--start=j", folder: folder.path)
        #expect(again.output == sample.output)
    }

    @Test func whatIsNotPlainIsRefusedWithFileAndLine() throws {
        let folder = try letters()
        for (line, reason) in [
            ("n_layer = int('3')", "'int' would have to be executed"), ("n_layer = [1, 2]", "cannot read '[1, 2]'"),
            ("if True: n_layer = 3", "only lines like `n_layer = 12` are read"), ("    n_layer = 3", "indented code is not read"),
            ("n_layer = 3; n_head = 2", "cannot read '; n_head = 2'"), ("n_layer = missing", "'missing' is not assigned before"),
            ("n_layer = 6 if True else 3", "cannot read 'if True else 3'"), ("n_layers = 6", "did you mean 'n_layer'?"),
            ("n_layer = __import__('os').system('touch harm')", "would have to be executed"),
            ("n_layer += 1", "is not an assignment"),
        ] {
            try folder.write("x.py", "# a comment\n\nbatch_size = 4\n\(line)\n")
            let result = try Program.run("train", "x.py", "--out", "run", folder: folder.path)
            #expect(
                result.code == 2 && result.errors.contains("x.py:4: ") && result.errors.contains(reason),
                "\(line): \(result.errors)")
        }
        #expect(!FileManager.default.fileExists(atPath: folder("harm")))
        try folder.write("eval.py", Self.configuration + "\neval_only = True\n")
        let evaluation = try Program.run("train", "eval.py", folder: folder.path)
        #expect(evaluation.code == 2 && evaluation.errors.contains("measure with `apus eval"), "\(evaluation.errors)")
        try folder.write("data/letters/meta.pkl", Data([0x80, 2] + Array("cos\nsystem\n.".utf8)))
        try folder.write("train_letters.py", Self.configuration)
        let evil = try Program.run("train", "train_letters.py", folder: folder.path)
        #expect(evil.code == 1 && evil.errors.contains("it asks for 'os.system'"), "\(evil.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder("out-letters")))
    }

    // MARK: A run of nanoGPT's

    private func checkpoint(_ folder: TemporaryFolder, _ name: String) throws {
        let facts = ModelFacts(nLayer: 1, nHead: 2, nEmbd: 16, blockSize: 16, vocabSize: 10, bias: false)
        var generator = SeededGenerator(9)
        let model = facts.parameters.map {
            TensorSource(name: $0.name, shape: $0.shape, values: generator.floats($0.shape.reduce(1, *), -0.05...0.05))
        }
        let moments = facts.parameters.flatMap { parameter in
            ["exp_avg", "exp_avg_sq"].map {
                TensorSource(
                    name: "\(parameter.name).\($0)", shape: parameter.shape,
                    values: [Float](repeating: 1e-6, count: parameter.shape.reduce(1, *)))
            }
        }
        try Folder.create(folder(name))
        try NanoGPTCheckpointWriter(
            facts: facts, iterNum: 20, bestValLoss: 9,
            config: [
                ("dataset", .string("letters")), ("batch_size", .integer(4)), ("gradient_accumulation_steps", .integer(1)),
                ("max_iters", .integer(24)), ("lr_decay_iters", .integer(24)), ("eval_interval", .integer(2)),
                ("eval_iters", .integer(2)), ("warmup_iters", .integer(0)), ("device", .string("cuda")),
                ("out_dir", .string("gone")),
            ]
        ).write(path: folder(name) + "/ckpt.pt", model: model, optimizer: moments)
    }

    @Test func resumeGoesOnWithNanoGPTsRun() throws {
        let folder = try letters()
        try checkpoint(folder, "out-x")
        let before = FileManager.default.contents(atPath: folder("out-x/ckpt.pt"))
        // As nanoGPT's sample.py: the letters come from data/NAME/meta.pkl.
        let sample = try Program.run("sample", "--out_dir=out-x", "--max_new_tokens=12", "--start=a", folder: folder.path)
        let nowhere = try Program.run("sample", "--out_dir=out-x", folder: folder.path)
        #expect(nowhere.code == 2 && nowhere.errors.contains("add --start TEXT"), "\(nowhere.errors)")
        #expect(sample.code == 0 && sample.output.allSatisfy { "abcdefghij\n".contains($0) }, "\(sample.errors)")
        let fresh = try Program.run("train", "--out_dir=out-x", "--dataset=letters", "--max_iters=3", folder: folder.path)
        #expect(fresh.code == 2 && fresh.errors.contains("add --init_from=resume to go on with it"), "\(fresh.errors)")
        let other = try Program.run("train", "--init_from=resume", "--out_dir=out-x", "--n_layer=2", folder: folder.path)
        #expect(other.code == 2 && other.errors.contains("n-layer is 2, but the run was started with 1"), "\(other.errors)")
        #expect(Folder.names(folder("out-x")) == ["ckpt.pt"])
        let result = try Program.run("train", "--init_from=resume", "--out_dir=out-x", "--eval_iters=3", folder: folder.path)
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.errors.contains("is nanoGPT's, at iteration 20") && result.errors.contains("ckpt.pt stays as it is"))
        #expect(result.errors.contains("resume  step 20"))
        let run = RunFolder(folder("out-x"))
        #expect(try run.readMetrics().events.filter { $0.event == .step }.map(\.step) == [21, 22, 23, 24])
        #expect(try run.readRecord().config.evalIters == 3)
        // nanoGPT's best loss was 9, ours is near ln 10: the evaluation at 20 comes first, as in nanoGPT.
        #expect(try run.readMetrics().events.first { $0.event == .eval }?.step == 20)
        #expect(FileManager.default.contents(atPath: folder("out-x/ckpt.pt")) == before)
        let more = try Program.run("train", "--init_from=resume", "--out_dir=out-x", "--max_iters=26", folder: folder.path)
        #expect(more.code == 0 && more.errors.contains("resume  step 24"), "\(more.errors)")
        let after = try Program.run("sample", "--out_dir=out-x", "--max_new_tokens=12", "--start=a", folder: folder.path)
        #expect(after.code == 0 && after.errors.contains("at step"), "\(after.errors)")
        #expect(try Program.run("report", "out-x", folder: folder.path).code == 0)
    }

    /// nanoGPT's own checkpoints go on with nanoGPT's own losses, through the program.
    @Test(arguments: ["nobias", "bias"]) func goldenLossesGoOn(model: String) throws {
        guard let golden = Places.shared("golden/nanogpt-tiny-\(model)", for: "continuing nanoGPT's checkpoints") else { return }
        let folder = try TemporaryFolder()
        try Folder.create(folder("out"))
        try Folder.create(folder("data"))
        try folder.write("out/ckpt.pt", try #require(FileManager.default.contents(atPath: golden + "/ckpt_mid.pt")))
        try folder.write("data/train.bin", try #require(FileManager.default.contents(atPath: golden + "/tokens.bin")))
        let result = try Program.run(
            "train", "--init_from=resume", "--out_dir=" + folder("out"), "--data=" + folder("data"), "--data_order=sequential",
            "--dtype=float32", "--eval_iters=1")
        #expect(result.code == 0, "\(result.errors)")
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: golden + "/golden.json")))
        let losses = try #require((object as? [String: Any])?["loss"] as? [Double])
        let steps = try RunFolder(folder("out")).readMetrics().events.filter { $0.event == .step }
        #expect(steps.map(\.step) == Array(16...30))
        for event in steps { #expect(abs((event.loss ?? 0) - losses[event.step - 1]) < 2e-5, "step \(event.step)") }
    }

    // MARK: Hugging Face

    /// A small GPT-2 as transformers saves it: Linear weights [in, out], with the tokenizer of the data.
    private func huggingFaceModel(_ tokenizer: String, vocabulary: Int, to path: String) throws {
        let facts = ModelFacts(nLayer: 2, nHead: 2, nEmbd: 16, blockSize: 32, vocabSize: vocabulary, bias: true)
        let flipped = [".attn.c_attn.weight", ".attn.c_proj.weight", ".mlp.c_fc.weight", ".mlp.c_proj.weight"]
        var generator = SeededGenerator(3)
        let sources = facts.parameters.map { parameter in
            let isFlipped = flipped.contains { parameter.name.hasSuffix($0) }
            let shape = isFlipped ? parameter.shape.reversed() : parameter.shape, count = shape.reduce(1, *)
            let isNorm = parameter.name.contains("ln_") && parameter.name.hasSuffix("weight")
            return TensorSource(
                name: String(parameter.name.dropFirst("transformer.".count)), shape: shape,
                values: isNorm ? [Float](repeating: 1, count: count) : generator.floats(count, -0.04...0.04))
        }
        try Folder.create(path)
        try SafetensorsWriter.write(path: path + "/model.safetensors", sources: sources)
        let config = """
            {"model_type": "gpt2", "n_layer": 2, "n_head": 2, "n_embd": 16, "n_positions": 32, "n_ctx": 32,
             "vocab_size": \(vocabulary), "activation_function": "gelu_new", "layer_norm_epsilon": 1e-05}
            """
        try Data(config.utf8).write(to: URL(fileURLWithPath: path + "/config.json"))
        try FileManager.default.copyItem(atPath: tokenizer, toPath: path + "/tokenizer.json")
    }

    private func loss(_ arguments: [String], _ environment: [String: String] = [:]) throws -> Double {
        let result = try Program.start(["eval"] + arguments + ["--json", "--quiet"], environment: environment).1()
        #expect(result.code == 0, "\(result.errors)")
        return try #require(try result.object["loss"] as? Double)
    }

    @Test func fineTuningAFolder() throws {
        let folder = try WholePathTests.prepared(), model = folder("gpt"), data = folder("data")
        let ids = try DatasetManifest.read(path: data + "/dataset.json").tokenizer.vocabSize
        try huggingFaceModel(data + "/tokenizer.json", vocabulary: ids, to: model)
        let before = try loss([model, "--data", data])
        #expect(abs(before - log(Double(ids))) < 0.2)
        let tuning = [
            "train", "--init-from", model, "--data", data, "--max-iters", "30", "--batch-size", "4", "--learning-rate", "5e-3",
            "--eval-interval", "0", "--eval-iters", "4", "--dropout", "0.1", "--n-layer", "7", "--threads", "1",
        ]
        let result = try Program.start(tuning + ["--out", folder("run")]).1()
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.errors.contains("n_layer is 2, as in the model to start from; 7 is ignored"))
        let config = try RunFolder(folder("run")).readRecord().config
        #expect(config.nLayer == 2 && config.blockSize == 32 && config.bias && config.activation == "gelu_tanh")
        #expect(config.vocabSize == ids && config.dropout == 0.1 && config.initFrom == model)
        #expect(try loss([folder("run"), "--data", data]) < before - 0.5)
        // A run that ended before its first checkpoint starts again from the same model, not from random weights.
        let again = try Program.start(tuning + ["--out", folder("again"), "--max-iters", "30"]).1()
        #expect(again.code == 0, "\(again.errors)")
        for name in ["checkpoints", "latest", "best", "metrics.jsonl"] {
            try? FileManager.default.removeItem(atPath: folder("again") + "/" + name)
        }
        let resumed = try Program.run("train", "--resume", "--out", folder("again"))
        #expect(resumed.code == 0, "\(resumed.errors)")
        let weights = ["run", "again"].map {
            FileManager.default.contents(atPath: folder($0) + "/checkpoints/step-00000030/model.safetensors")
        }
        #expect(weights[0] != nil && weights[0] == weights[1])
        // A shorter context, as nanoGPT's crop_block_size; a longer one there is not.
        let cut = try Program.start(tuning + ["--out", folder("cut"), "--block_size=16", "--max_iters=2"]).1()
        #expect(cut.code == 0, "\(cut.errors)")
        #expect(try RunFolder(folder("cut")).readRecord().config.blockSize == 16)
        let long = try Program.start(tuning + ["--out", folder("long"), "--block_size=64"]).1()
        #expect(long.code == 1 && long.errors.contains("a context can be cut, not lengthened"), "\(long.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder("long")))
    }

    @Test func gpt2ComesFromTheHub() throws {
        let folder = try WholePathTests.prepared(), model = folder("gpt"), data = folder("data")
        let ids = try DatasetManifest.read(path: data + "/dataset.json").tokenizer.vocabSize
        try huggingFaceModel(data + "/tokenizer.json", vocabulary: ids, to: model)
        let commit = "0123456789abcdef0123456789abcdef01234567"
        let server = try LocalServer { request in
            let api = "/api/models/openai-community/gpt2", files = "/openai-community/gpt2/resolve/\(commit)/"
            if request.path == "\(api)/revision/main" { return ServedResponse(body: Array("{\"sha\":\"\(commit)\"}".utf8)) }
            func bytes(_ name: String) -> [UInt8]? { FileManager.default.contents(atPath: model + "/" + name).map { Array($0) } }
            if request.path.hasPrefix("\(api)/tree/\(commit)") {
                let entries = ["config.json", "model.safetensors", "tokenizer.json"].map { name in
                    let content = bytes(name) ?? []
                    return
                        "{\"type\":\"file\",\"path\":\"\(name)\",\"size\":\(content.count),\"lfs\":{\"oid\":\"\(SHA256.hex(of: content))\"}}"
                }
                return ServedResponse(body: Array("[\(entries.joined(separator: ","))]".utf8))
            }
            guard request.path.hasPrefix(files), let content = bytes(String(request.path.dropFirst(files.count))) else {
                return ServedResponse(status: 404)
            }
            return .file(content, request)
        }
        let environment = ["HF_ENDPOINT": server.address, "XDG_CACHE_HOME": folder("cache")]
        func run(_ arguments: [String]) throws -> Program.Result {
            try Program.start(arguments, folder: folder.path, environment: environment).1()
        }
        let tuning = ["train", "--init_from=gpt2", "--data", data, "--batch-size", "4", "--max-iters", "3", "--eval-iters", "2"]
        // Looking at what would run downloads nothing: OpenAI's sizes are known.
        let dry = try run(tuning + ["--dry-run", "--block_size=64", "--batch-size", "1"])
        #expect(
            dry.code == 0 && dry.errors.contains("124M parameters: 12 layers, 12 heads, 768 wide, context 64"), "\(dry.errors)")
        #expect(server.requests.isEmpty)
        let tuned = try run(tuning + ["--out", "run"])
        #expect(tuned.code == 0 && tuned.errors.contains("downloading hf://openai-community/gpt2"), "\(tuned.errors)")
        #expect(try RunFolder(folder("run")).readRecord().config.initFrom == "gpt2")
        let asked = server.requests.count
        let sample = try run(["sample", "--init_from=gpt2", "--out_dir=run", "--max_new_tokens=5", "--ignore-end"])
        #expect(sample.code == 0 && sample.errors.contains("openai-community--gpt2"), "\(sample.errors)")
        let fromHub = try loss(["gpt2", "--data", data], environment), fromFolder = try loss([model, "--data", data])
        #expect(fromHub == fromFolder)
        // It came once; a folder of that name comes first.
        #expect(server.requests.count == asked)
        try FileManager.default.moveItem(atPath: model, toPath: folder("gpt2-xl"))
        let local = try run(["sample", "gpt2-xl", "--max_new_tokens=5", "--ignore-end"])
        #expect(local.code == 0 && local.errors.contains("(gpt2-xl,"), "\(local.errors)")
        let missing = try run(["sample", "--init_from=gpt2-large"])
        #expect(missing.code == 1 && missing.errors.contains("there is no such file on the server (404)"), "\(missing.errors)")
    }
}
