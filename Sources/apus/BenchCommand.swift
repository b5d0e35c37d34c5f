// SPDX-License-Identifier: MIT
import ArgumentParser
import Compute
import ComputeCPU
import Modeling
import RunLog
import Training

/// `apus bench`: the engine's own measurements on this machine.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure this machine: ceilings, matrix products, one training step by operation, generation.",
        usage: "apus bench [CONFIG] [--KEY VALUE ...] [--json]",
        discussion: """
            Without CONFIG the model is that of config/fineweb-40m.toml at micro-batch 4. Keys are those of `apus train`. Machines
            are noisy: the fastest of several repetitions is reported for ceilings and products, the median for steps.
            """)

    @Argument(parsing: .allUnrecognized, help: .hidden)
    var arguments: [String] = []

    @Option(help: "Kernels to use [the best this CPU has].")
    var isa: String?

    @OptionGroup
    var deviceOptions: DeviceOptions

    @Option(help: "Updates to measure.")
    var steps = 5

    @Option(help: "Tokens to generate, in one text and in 16 side by side.")
    var tokens = 128

    @Flag(help: "Print the measurements as JSON.")
    var json = false

    func run() throws {
        let most = 1_000_000
        guard (1...most).contains(steps), (1...most).contains(tokens) else {
            throw UsageError("--steps and --tokens take 1 to \(most)")
        }
        var base = RunConfig()
        (base.nLayer, base.nHead, base.nEmbd, base.batchSize, base.vocabSize) = (12, 12, 384, 4, 50304)
        let typed = try ConfigArguments(arguments, base: base), config = typed.config
        if typed.isBatchSizeAuto { throw UsageError("--batch-size auto is for `apus train`; give a number here") }
        var model = config
        if model.vocabSize == 0 { model.vocabSize = 50304 }
        let gpt = try RunSetup.model(model)
        guard let dtype = DType(rawValue: config.dtype), let recompute = Recompute(rawValue: config.recompute) else {
            throw UsageError("dtype '\(config.dtype)' or recompute '\(config.recompute)' is not known")
        }
        let backend = try Backends.make(config, isa: isa, deviceOptions)
        try Backends.prepare(backend, dtype: dtype, headSize: gpt.headSize, training: true)
        Console.note("\(backend.deviceName), \(backend.kernelName), \(dtype.rawValue)")
        let measurements = BenchMeasurements(
            model: gpt, config: config, dtype: dtype, recompute: recompute, backend: backend, steps: steps, tokens: tokens)
        let report = BenchReport(result: try measurements.run(shape: model.shape))
        if json { Console.print(try report.json()) } else { report.lines().forEach { Console.print($0) } }
    }
}
