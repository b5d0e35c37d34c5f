// SPDX-License-Identifier: MIT
import ArgumentParser
import Checkpoints
import Compute
import ComputeCPU
import Corpus
import Foundation
import Modeling
import RunLog
import Storage
import Tokenization
import Training

/// `apus train`: a configuration and a dataset -> a run folder.
struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a GPT: configuration plus data -> a run folder.",
        usage: "apus train [CONFIG] --data DIR --out RUN [--max-iters N] [--KEY VALUE ...] [--resume]",
        discussion: """
            CONFIG is a .toml file, or a nanoGPT .py file of plain assignments. Every key can also be given as an option,
            spelled --n-layer 12 or --n_layer=12. --out is short for --out-dir.

            A run stops at max_iters, or after the update during which SIGINT or SIGTERM came (exit code 130); --resume goes on
            exactly where it stopped. --batch-size auto measures which micro-batch is fastest among those that fit, and keeps the
            tokens of an update as they are.

            Keys, with their defaults in brackets:
            """ + ConfigArguments.help)

    @Argument(parsing: .allUnrecognized, help: .hidden)
    var arguments: [String] = []

    @Flag(help: "Go on with the run in --out.")
    var resume = false

    @Option(help: "Kernels to use: portable, avx2, avx512, avx512-bf16, amx [the best this CPU has].")
    var isa: String?

    @OptionGroup
    var deviceOptions: DeviceOptions

    @Flag(name: .customLong("dry-run"), help: "Show what would run and what memory it takes, then stop.")
    var dryRun = false

    @Flag(help: "Write TensorBoard event files beside metrics.jsonl; a resumed run goes on with them unasked.")
    var tensorboard = false

    /// For measurements: see scripts/soak.
    @Option(help: .hidden)
    var calibrate = 0

    @Flag(help: "Print no progress.")
    var quiet = false

    @Flag(help: "Print every event as a line of JSON on standard output.")
    var json = false

    func run() throws {
        let typed = try ConfigArguments(arguments)
        let isNanoResume = typed.config.initFrom == "resume"
        guard !typed.config.outDir.isEmpty || dryRun else {
            throw UsageError("no run folder given: add --out RUN, the folder that the run will be kept in")
        }
        if !quiet { typed.notices.forEach { Console.note("note: " + $0) } }
        if resume || isNanoResume {
            if dryRun { throw UsageError("--dry-run shows a new run; leave --resume out to see it, or --dry-run to go on") }
            try adoptNanoGPTRun(typed.config.outDir)
            try resumeRun(typed.config.outDir)
        } else {
            try startRun(typed)
        }
    }

    // MARK: A new run

    private func startRun(_ typed: ConfigArguments) throws {
        if typed.evalOnly, !dryRun {
            let model = typed.config.initFrom == "scratch" ? "MODEL" : typed.config.initFrom
            throw UsageError("eval_only is set: `apus train` only trains; measure with `apus eval \(model) --data DIR`")
        }
        if !dryRun, NanoGPTRun.isIn(typed.config.outDir) {
            throw UsageError(
                "'\(typed.config.outDir)' holds a run of nanoGPT's (ckpt.pt): add --init_from=resume to go on with it, or choose "
                    + "another --out_dir")
        }
        let (config, source) = try StartingModel.prepare(typed, isDry: dryRun) { if !quiet { Console.note("note: " + $0) } }
        var setup = try RunSetup(config)
        let backend = try Backends.make(config, isa: isa, deviceOptions)
        if typed.isBatchSizeAuto { setup = try chooseBatchSize(setup, backend) }
        let (display, memory) = try open(setup, backend)
        if dryRun { return }
        let record = RunRecord(
            version: apusVersion, created: RunEvent.timestamp(Date()), command: Array(CommandLine.arguments.dropFirst()),
            config: setup.config, data: setup.dataset.runData)
        let session = try RunSession.create(setup.config.outDir, record: record)
        if let tokenizer = setup.dataset.tokenizerPath { try copyTokenizer(tokenizer, to: setup.config.outDir) }
        let trainer = try makeTrainer(setup, backend)
        if let source { try trainer.weights.load(source) } else { trainer.initialize() }
        try drive(trainer, session, display, first: RunEvent(.start, step: 0), backend, memory)
    }

    /// The fastest micro-batch that fits, by measuring; only whether it fits where nothing is to be run.
    private func chooseBatchSize(_ setup: RunSetup, _ backend: any Backend) throws -> RunSetup {
        if dryRun {
            let fitting = try BatchSizeChoice.candidates(setup, backend: backend, available: backend.availableBytes)
            return fitting.last?.setup ?? setup
        }
        try Backends.prepare(backend, dtype: setup.dtype, headSize: setup.model.headSize, training: true)
        let result = try BatchSizeChoice.fastest(setup, backend: backend)
        let config = result.setup.config
        if !quiet {
            let rates = result.measured.map { "\($0.batchSize): \(Format.count($0.tokensPerSecond)) tokens/s" }
            Console.note(
                "batch   batch_size \(config.batchSize) x gradient_accumulation_steps \(config.gradientAccumulationSteps), recompute "
                    + "\(config.recompute)" + (rates.isEmpty ? "" : " (\(rates.joined(separator: ", ")))"))
        }
        return result.setup
    }

    /// The run keeps the tokenizer, so that its samples need nothing else.
    private func copyTokenizer(_ path: String, to folder: String) throws {
        if path.hasSuffix(".pkl") {
            let json = try LoadedModel.tokenizer(at: path).tokenizerJSON()
            return try AtomicFileWriter.write(json, to: folder + "/tokenizer.json")
        }
        let file = try MappedFile(path: path)
        try AtomicFileWriter.write(Data(file.bytes), to: folder + "/tokenizer.json")
    }

    // MARK: An old run

    /// Makes a run of Apus of what nanoGPT left in a folder; does nothing for a run that is Apus's already.
    private func adoptNanoGPTRun(_ path: String) throws {
        guard NanoGPTRun.isIn(path) else { return try NanoGPTRun.importIfNeeded(path) }
        let run = try NanoGPTRun(folder: path)
        let typed = try ConfigArguments(arguments, base: run.config)
        try Self.checkChanges(from: run.config, to: typed.config, except: ["seed"])
        var config = typed.config
        config.outDir = path
        let setup = try RunSetup(config)
        // Refused before anything is written.
        let backend = try Backends.make(setup.config, isa: isa, deviceOptions)
        try RunMemory.plan(setup, backend: backend).check(backend)
        try run.adopt(
            RunRecord(
                version: apusVersion, created: RunEvent.timestamp(Date()), command: Array(CommandLine.arguments.dropFirst()),
                config: setup.config, data: setup.dataset.runData))
        if let tokenizer = setup.dataset.tokenizerPath, !FileManager.default.fileExists(atPath: path + "/tokenizer.json") {
            try copyTokenizer(tokenizer, to: path)
        }
        if quiet { return }
        Console.note(
            "note: '\(path)/ckpt.pt' is nanoGPT's, at iteration \(run.step); the run goes on as one of Apus in the same folder "
                + "(run.json, metrics.jsonl, checkpoints/), and ckpt.pt stays as it is")
        if run.step > 0, run.updates == 0 {
            Console.warning("ckpt.pt has no optimizer state: AdamW's averages start from zero")
        }
        if !run.unknownSettings.isEmpty {
            Console.note("note: settings in ckpt.pt without a meaning here: \(run.unknownSettings.joined(separator: ", "))")
        }
    }

    private func resumeRun(_ path: String) throws {
        var opened: (setup: RunSetup, backend: any Backend, display: TrainingDisplay, memory: RunMemory)?
        // All that may be refused is refused in here, before run.json is written anew.
        let resumption = try RunSession.resume(path) { stored in
            let now = try ConfigArguments(arguments, base: stored.config)
            try Self.checkChanges(from: stored.config, to: now.config)
            var record = stored
            record.config = now.config
            record.config.outDir = stored.config.outDir
            record.config.initFrom = stored.config.initFrom
            var config = record.config
            config.outDir = path
            let setup = try RunSetup(config)
            if now.given.contains("data") {
                // From now on the run is one on this data.
                record.data = setup.dataset.runData
            } else {
                try checkData(setup, stored)
            }
            let backend = try Backends.make(setup.config, isa: isa, deviceOptions)
            let (display, memory) = try open(setup, backend)
            opened = (setup, backend, display, memory)
            return record
        }
        guard let (setup, backend, display, memory) = opened else { return }
        for skipped in resumption.skipped { Console.warning("checkpoint \(skipped.name) is not used: \(skipped.reason)") }
        let trainer = try makeTrainer(setup, backend)
        if let checkpoint = resumption.checkpoint {
            try trainer.restore(checkpoint, events: resumption.events)
        } else if setup.config.initFrom == "scratch" {
            trainer.initialize()
        } else {
            // The run ended before its first checkpoint.
            try trainer.weights.load(
                try StartingModel.open(
                    setup.config.initFrom, blockSize: setup.config.blockSize, nHead: setup.config.nHead))
        }
        var event = RunEvent(.resume, step: trainer.step)
        event.path = resumption.checkpoint?.info.name
        event.message = resumption.checkpoint == nil ? "no checkpoint was written before; starting again" : nil
        try drive(trainer, resumption.session, display, first: event, backend, memory)
    }

    /// A folder whose content changed since would be another run under the same name; naming it again says that this is meant.
    private func checkData(_ setup: RunSetup, _ record: RunRecord) throws {
        guard let then = record.data else { return }
        let now = setup.dataset.runData
        guard now.trainTokens != then.trainTokens || now.tokenizer != then.tokenizer else { return }
        throw UsageError(
            "the data in '\(setup.dataset.folder)' changed since the run was started (\(then.trainTokens) training tokens then, "
                + "\(now.trainTokens) now); bring the old data back, or add --data \(setup.dataset.folder) to go on with the new")
    }

    /// What a stored run is made of cannot change under it.
    private static func checkChanges(from old: RunConfig, to new: RunConfig, except: Set<String> = []) throws {
        for key in ["n_layer", "n_head", "n_embd", "block_size", "vocab_size", "bias", "activation", "seed"]
        where !except.contains(key) {
            guard let field = RunConfig.fieldsByKey[key], field.get(old) != field.get(new) else { continue }
            throw UsageError(
                "\(field.option) is \(field.get(new)), but the run was started with \(field.get(old)); leave it out to go on with this "
                    + "run, or start another with another --out")
        }
    }

    // MARK: Both

    /// Says what will run and what it takes, and refuses what does not fit before anything is allocated.
    private func open(_ setup: RunSetup, _ backend: any Backend) throws -> (TrainingDisplay, RunMemory) {
        let display = TrainingDisplay(setup, backend: backend, quiet: quiet, json: json)
        let memory = RunMemory.plan(setup, backend: backend, hostAvailable: CPUResources().availableBytes())
        display.opening(memory)
        try memory.check(backend)
        return (display, memory)
    }

    private func makeTrainer(_ setup: RunSetup, _ backend: any Backend) throws -> Trainer {
        try Backends.prepare(backend, dtype: setup.dtype, headSize: setup.model.headSize, training: true)
        var counter: ((Range<Int>, TokenSplit) -> Int)?
        if let path = setup.dataset.tokenizerPath {
            let lengths = TokenByteLengths(try TokenizerLoader().load(spec: path))
            counter = { lengths.count($0, of: $1) }
        }
        return try Trainer(setup, backend: backend, countBytes: counter)
    }

    private func drive(
        _ trainer: Trainer, _ session: RunSession, _ display: TrainingDisplay, first: RunEvent, _ backend: any Backend,
        _ memory: RunMemory
    ) throws {
        StopSignal.listen()
        try session.openEventFile(isWanted: tensorboard)
        session.savesInBackground = memory.savesInBackground
        trainer.calibrationInterval = calibrate
        trainer.availableHostBytes = { CPUResources().availableBytes() }
        trainer.peakFlops = Backends.peakFlops(backend, dtype: trainer.setup.dtype)
        trainer.ceilingFlops = MatmulCeiling.measure(backend, dtype: trainer.setup.dtype)
        var event = first
        event.device = backend.deviceName
        event.threads = backend.threadCount
        event.isa = backend.kernelName
        event.ceilingFlops = trainer.ceilingFlops
        event.plannedBytes = memory.total
        event.version = apusVersion
        display.show(try session.log(event))
        var end = RunEvent(.end, step: trainer.step)
        do {
            let outcome = try trainer.run(session: session, stop: { StopSignal.isSet }) { display.show(try session.log($0)) }
            end.step = trainer.step
            end.message = outcome.rawValue
            display.show(try session.log(end))
            display.closing(outcome, folder: session.folder.path)
            if outcome == .interrupted { throw ExitCode(Failure.interrupted) }
        } catch let error where !(error is ExitCode) {
            end.step = trainer.step
            end.message = "failed"
            end.code = "\(error)"
            // The error itself matters more than that it could not be logged, on a full disk for instance.
            _ = try? session.log(end)
            display.finish()
            throw error
        }
    }
}
