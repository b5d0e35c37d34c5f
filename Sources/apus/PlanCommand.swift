// SPDX-License-Identifier: MIT
import ArgumentParser
import Compute
import Foundation
import Health
import Modeling
import Optimization
import RunLog
import Training

/// `apus plan`: parameters, memory, time and expected loss, before anything runs.
struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Say what a run will take and reach, before it runs.",
        usage: "apus plan [CONFIG] [--device NAME] [--hours H] [--unique-tokens N] [--data DIR] [--json] [--KEY VALUE ...]",
        discussion: """
            CONFIG and --KEY VALUE are those of `apus train`. --device names a graphics card ("RTX 4070", "A100"); without it the
            plan is for this machine's CPU, whose matrix rate is measured for a moment. With --hours the best models for that
            budget are searched; without a CONFIG the best of them is planned. Where no model can be recommended for those
            hours the reason and a time that would do are said, with exit code 1.

              apus plan config/fineweb-40m.toml --device "RTX 4070"
              apus plan --hours 10 --device "RTX 4070" --unique-tokens 0.75e9
            """)

    @Argument(parsing: .allUnrecognized, help: .hidden)
    var arguments: [String] = []

    @Option(help: "Graphics card to plan for, or cpu [cpu].")
    var device = "cpu"

    @Option(help: "Hours to spend: search the best model for them.")
    var hours: Double?

    @Option(name: .customLong("unique-tokens"), help: "Different tokens there are to train on, such as 0.75e9.")
    var uniqueTokens: Double?

    @Option(help: "Share of the device's peak that training reaches, above 0 and up to 1.")
    var efficiency: Double?

    @Option(help: "Language: en or de.")
    var lang = "en"

    @Option(help: "CPU kernels to measure with [the best this CPU has].")
    var isa: String?

    @Flag(help: "Print the plan as JSON: bytes, hours, nats.")
    var json = false

    func run() throws {
        for (name, value) in [("--hours", hours), ("--unique-tokens", uniqueTokens)] {
            if let value, !(value > 0 && value < 1e15) { throw UsageError("\(name) must be a number above 0") }
        }
        if let efficiency, !(efficiency > 0 && efficiency <= 1) { throw UsageError("--efficiency must be above 0 and at most 1") }
        let catalogue = try Catalogue.named(lang)
        let typed = try ConfigArguments(arguments)
        if typed.isBatchSizeAuto { throw UsageError("--batch-size auto is for `apus train`; give a number here") }
        guard !typed.given.isEmpty || hours != nil else {
            throw UsageError("nothing to plan: apus plan CONFIG, or apus plan --hours H to search the best model for a budget")
        }
        var request = PlanRequest(typed.config)
        request.uniqueTokens = uniqueTokens
        request.hours = hours
        try addData(to: &request)
        // What training would refuse is refused here, in the same words.
        var model = request.config
        if model.vocabSize == 0 { model.vocabSize = 50304 }
        _ = try RunSetup.model(model)
        let planner = RunPlanner(try planDevice(request.config))
        let found = planner.search(request)
        // Without sizes of one's own the best is the plan; where there is none, a model that nobody asked for is no answer.
        let hasOwn = !typed.files.isEmpty || !typed.given.isDisjoint(with: ["n_layer", "n_embd", "n_head", "max_iters"])
        if hours != nil, found.isEmpty, !hasOwn {
            Console.error(catalogue.withPageWords.text(planner.whyNothingWasFound(request)))
            throw ExitCode(Failure.failed)
        }
        var plan = hasOwn ? planner.plan(request) : found.first?.plan ?? planner.plan(request)
        plan.search = found
        if hours != nil, found.isEmpty { plan.notes.append(Message("plan.search.none")) }
        if json {
            Console.print(String(decoding: try plan.json(catalogue: catalogue), as: UTF8.self))
        } else {
            let name = typed.files.last.map { URL(fileURLWithPath: $0).deletingPathExtension().lastPathComponent } ?? "apus plan"
            let columns = isatty(STDOUT_FILENO) == 1 ? Console.columns(STDOUT_FILENO) : 100
            Console.stream(plan.text(name: name, catalogue: catalogue, columns: columns))
        }
    }

    /// The vocabulary and the number of tokens come from dataset.json when a folder is named.
    private func addData(to request: inout PlanRequest) throws {
        let config = request.config
        let folder = !config.data.isEmpty ? config.data : config.dataset.isEmpty ? "" : "data/" + config.dataset
        let path = folder + "/dataset.json"
        guard !folder.isEmpty, FileManager.default.fileExists(atPath: path) else {
            if !config.data.isEmpty {
                throw UsageError(
                    "'\(config.data)' has no dataset.json; name a folder that `apus prepare` made, or leave --data out")
            }
            return
        }
        let manifest = try DatasetManifest.read(path: path)
        if request.uniqueTokens == nil { request.uniqueTokens = Double(manifest.train.tokens) }
        request.tokenizer = manifest.tokenizer.name
        if config.vocabSize == 0 {
            let ids = manifest.tokenizer.vocabSize
            request.config.vocabSize = ids >= 1024 ? (ids + 63) / 64 * 64 : ids
        }
    }

    private func planDevice(_ config: RunConfig) throws -> PlanDevice {
        guard device.lowercased() != "cpu" else { return try cpu(config) }
        guard let gpu = GPU.named(device) else {
            throw ReportFacts.unknownDevice(device)
        }
        return .gpu(gpu, dtype: config.dtype, efficiency: efficiency)
    }

    /// This machine: its memory by the engine's own plan, its matrix rate measured.
    private func cpu(_ config: RunConfig) throws -> PlanDevice {
        let backend = try Backends.make(threads: config.threads, isa: isa)
        let dtype = DType(rawValue: config.dtype) ?? .bfloat16
        return .cpu(
            name: backend.deviceName, ceilingFlops: MatmulCeiling.measure(backend, dtype: dtype),
            memoryBytes: backend.availableBytes.map(Double.init), efficiency: efficiency,
            memory: { Self.memory($0, dtype: dtype, backend: backend) })
    }

    /// The same sum as `RunMemory.plan`, which needs a data set.
    private static func memory(_ config: RunConfig, dtype: DType, backend: any Backend) -> PlanMemory {
        guard let model = try? RunSetup.model(config) else { return PlanMemory.gpu(config) }
        let sizes = BatchSizes(model, batch: config.batchSize, length: config.blockSize, dtype: dtype)
        let memory = GPT.memory(
            sizes, recompute: Recompute(rawValue: config.recompute) ?? .none, gradients: true, backend: backend)
        let classifier = backend.classifierWorkspace(
            rows: sizes.rows, width: model.nEmbd, vocabulary: model.vocabSize, dtype: dtype)
        // The classifier's logits and the other operations' workspaces share one place.
        let logits = min(classifier, memory.workspace)
        let counts = model.parameters.map(\.count)
        let copy = config.checkpointBackground ? HostCopy.byteCount(counts + counts + counts) : 0
        return PlanMemory(
            weights: Double(memory.weights), gradients: Double(memory.gradients),
            optimizer: Double(AdamW.byteCount(counts)), activations: Double(memory.activations),
            classifier: Double(logits), workspace: Double(memory.workspace - logits + copy) + programBytes)
    }

    /// The program itself, its stacks and buffers: what Training's own plan adds, measured there.
    private static let programBytes = 24_000_000.0
}
