// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import ComputeCPU
import ComputeCUDA
import FakeCUDA
import Foundation
import Modeling
import Optimization
import RunLog
import TestKit
import Testing
import Training

/// A dataset of a few hundred tokens and a model that the emulation trains in moments.
struct TinyRun {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder("data"), withIntermediateDirectories: true)
        var generator = SeededGenerator(1)
        var word: UInt16 = 0
        let tokens = (0..<2000).map { _ -> UInt16 in
            word = Bool.random(using: &generator) ? (word &* 7 &+ 3) % 40 : UInt16.random(in: 0..<40, using: &generator)
            return word
        }
        try folder.write("data/train.bin", tokens.withUnsafeBytes { Data($0) })
        try folder.write("data/val.bin", Array(tokens.suffix(200)).withUnsafeBytes { Data($0) })
    }

    func config(_ name: String = "run", _ change: (inout RunConfig) -> Void = { _ in }) -> RunConfig {
        var config = RunConfig()
        config.data = folder("data")
        config.outDir = folder(name)
        (config.nLayer, config.nHead, config.nEmbd, config.blockSize, config.vocabSize) = (1, 2, 32, 16, 40)
        (config.batchSize, config.gradientAccumulationSteps, config.maxIters, config.warmupIters) = (2, 2, 4, 1)
        config.learningRate = 5e-3
        (config.evalInterval, config.evalIters, config.checkpointMinutes) = (2, 1, 0)
        config.dtype = "float32"
        change(&config)
        return config
    }

    struct Outcome {
        let trainer: Trainer
        var events: [RunEvent]
        var losses: [Double] { events.filter { $0.event == .step }.compactMap(\.loss) }
        var evaluations: [Double] { events.filter { $0.event == .eval }.compactMap(\.valLoss) }

        func weights() throws -> [Float] { try Bench(trainer.weights.backend).values(trainer.weights.masters.flat) }
    }

    /// - Parameter watch: gets every event with the trainer, before the next update is begun or goes on
    func start(
        _ config: RunConfig, _ backend: any Backend, stopAfter: Int? = nil, watch: (RunEvent, Trainer) -> Void = { _, _ in }
    ) throws -> Outcome {
        let trainer = try Trainer(try RunSetup(config), backend: backend)
        trainer.initialize()
        let record = RunRecord(version: "test", created: "2026-01-01T00:00:00.000Z", command: [], config: config, data: nil)
        return try drive(trainer, try RunSession.create(config.outDir, record: record), stopAfter, watch)
    }

    func resume(_ path: String, _ backend: any Backend, stopAfter: Int? = nil) throws -> Outcome {
        let resumption = try RunSession.resume(path)
        let trainer = try Trainer(try RunSetup(resumption.session.record.config), backend: backend)
        if let checkpoint = resumption.checkpoint {
            try trainer.restore(checkpoint, events: resumption.events)
        } else {
            trainer.initialize()
        }
        return try drive(trainer, resumption.session, stopAfter)
    }

    private func drive(
        _ trainer: Trainer, _ session: RunSession, _ stopAfter: Int?, _ watch: (RunEvent, Trainer) -> Void = { _, _ in }
    ) throws -> Outcome {
        var events: [RunEvent] = []
        _ = try trainer.run(session: session, stop: { stopAfter.map { trainer.step >= $0 } ?? false }) {
            events.append(try session.log($0))
            watch($0, trainer)
        }
        return Outcome(trainer: trainer, events: events)
    }
}

/// The largest difference of two lists of losses; infinite when they are not of one length.
func difference(_ a: [Double], _ b: [Double]) -> Double {
    a.count == b.count && !a.isEmpty ? zip(a, b).map { abs($0 - $1) }.max() ?? .infinity : .infinity
}

extension OnFakeCard {
    @Suite struct TrainingTests {
        /// Whole runs against the portable CPU kernels: float32 to 2e-5 nats (sums in other orders), bfloat16 to 2e-2, as for the
        /// CPU's own kernels against PyTorch. Dropout masks are the same on both.
        @Test(arguments: ["float32", "bfloat16"], [false, true])
        func lossesAreTheCPUs(dtype: String, isRich: Bool) throws {
            let run = try TinyRun()
            func config(_ name: String) -> RunConfig {
                run.config(name) {
                    $0.dtype = dtype
                    if isRich { ($0.dropout, $0.bias, $0.recompute, $0.activation) = (0.2, true, "block", "gelu_tanh") }
                }
            }
            let expected = try run.start(config("cpu"), try CPUBackend(threads: 1, isa: .portable))
            FakeCard.insert { $0.memory_bytes = 128 << 20 }
            do {
                let found = try run.start(config("cuda"), try FakeCard.backend())
                let tolerance = dtype == "float32" ? 2e-5 : 2e-2
                #expect(difference(found.losses, expected.losses) < tolerance, "\(found.losses) \(expected.losses)")
                #expect(difference(found.evaluations, expected.evaluations) < tolerance)
                #expect(found.losses.count == 4 && found.evaluations.count == 3)
                // Micro-steps and updates were recorded once and launched from then on; evaluations too.
                let counts = FakeCard.counts
                #expect(counts.graphs == 3 && counts.graph_launches == 7 + 3 + 5)
            }
            #expect(FakeCard.misuses == "" && FakeCard.counts.live_handles == 0)
        }

        /// Without a fixed order of sums: as near to the CPU as with one.
        @Test func fastRunsAreNearTheCPU() throws {
            let run = try TinyRun()
            func config(_ name: String) -> RunConfig {
                run.config(name) { ($0.dtype, $0.dropout) = ("bfloat16", 0.1) }
            }
            let expected = try run.start(config("cpu"), try CPUBackend(threads: 1, isa: .portable))
            FakeCard.insert { ($0.memory_bytes, $0.reverse) = (128 << 20, 1) }
            do {
                let found = try run.start(config("cuda"), try FakeCard.backend { $0.deterministic = false })
                #expect(difference(found.losses, expected.losses) < 2e-2, "\(found.losses) \(expected.losses)")
                #expect(FakeCard.counts.graphs == 3)
            }
            #expect(FakeCard.misuses == "" && FakeCard.counts.live_handles == 0)
        }

        /// The same bits from run to run, with graphs and without, and whatever order the card does things in.
        @Test func runsRepeatBitForBit() throws {
            let run = try TinyRun()
            func weights(_ name: String, graphs: Bool, refuses: Bool = false, eager: Bool = false) throws -> [UInt32] {
                FakeCard.insert {
                    $0.memory_bytes = 128 << 20
                    $0.refuse_capture = refuses ? 1 : 0
                    ($0.eager, $0.reverse) = eager ? (1, 1) : (0, 0)
                }
                let backend = try FakeCard.backend { $0.graphs = graphs }
                let config = run.config(name) { ($0.dtype, $0.dropout) = ("bfloat16", 0.1) }
                let bits = try run.start(config, backend).weights().map(\.bitPattern)
                #expect(FakeCard.misuses == "" && FakeCard.counts.graphs == (graphs && !refuses ? 3 : 0))
                return bits
            }
            let first = try weights("a", graphs: true)
            #expect(try weights("b", graphs: true) == first)
            #expect(try weights("c", graphs: false) == first)
            #expect(try weights("d", graphs: true, refuses: true) == first)
            #expect(try weights("e", graphs: true, eager: true) == first)
        }

        /// A run goes from the CPU to the card and back by its checkpoints.
        @Test func movesBetweenDevices() throws {
            let run = try TinyRun()
            let whole = try run.start(run.config("whole"), try CPUBackend(threads: 1, isa: .portable))
            FakeCard.insert { $0.memory_bytes = 128 << 20 }
            var losses = try run.start(run.config("moved"), try CPUBackend(threads: 1, isa: .portable), stopAfter: 1).losses
            losses += try run.resume(run.folder("moved"), try FakeCard.backend(), stopAfter: 3).losses
            let last = try run.resume(run.folder("moved"), try CPUBackend(threads: 1, isa: .portable))
            #expect(difference(losses + last.losses, whole.losses) < 2e-5)
            #expect(relativeError(try last.weights(), try whole.weights()) < 1e-4)
            #expect(FakeCard.misuses == "")
        }

        // MARK: What goes wrong

        /// A card that is lost in an update: the run says so, and what was saved before is whole and can be gone on with.
        @Test(arguments: [0.1, 0.5, 0.9]) func aLostCard(at share: Double) throws {
            let run = try TinyRun()
            let whole = try run.start(run.config("whole"), try CPUBackend(threads: 1, isa: .portable))
            FakeCard.insert { $0.memory_bytes = 128 << 20 }
            _ = try run.start(run.config("complete") { $0.checkpointInterval = 1 }, try FakeCard.backend())
            let kernels = Int(Double(FakeCard.counts.kernels) * share)
            FakeCard.insert {
                $0.memory_bytes = 128 << 20
                $0.lose_card = kernels
            }
            let config = run.config("lost") { $0.checkpointInterval = 1 }
            var sentence = ""
            do { _ = try run.start(config, try FakeCard.backend()) } catch { sentence = "\(error)" }
            #expect(sentence.hasPrefix("the graphics card failed while it was to "), "\(sentence)")
            #expect(sentence.contains("(CUDA_ERROR_LAUNCH_FAILED); checkpoints are intact"))
            let store = CheckpointStore(runFolder: config.outDir)
            if let found = try? store.latestValid() { #expect(found.skipped.isEmpty && found.info.step >= 1) }
            FakeCard.insert { $0.memory_bytes = 128 << 20 }
            let rest = try run.resume(config.outDir, try FakeCard.backend())
            #expect(rest.trainer.step == 4 && difference(rest.losses, Array(whole.losses.suffix(rest.losses.count))) < 2e-5)
        }

        @Test func aRefusedLaunchAndAFailedCompilation() throws {
            let run = try TinyRun()
            func sentence(_ name: String, _ change: (inout apus_fake_card_t) -> Void) -> String {
                FakeCard.insert {
                    $0.memory_bytes = 128 << 20
                    change(&$0)
                }
                do { _ = try run.start(run.config(name), try FakeCard.backend()) } catch { return "\(error)" }
                return ""
            }
            #expect(sentence("launch") { $0.fail_launch = 30 }.hasPrefix("the graphics card failed while it was to run "))
            #expect(
                sentence("memory") {
                    $0.fail_launch = 30
                    $0.failure = 2
                }.hasPrefix("the graphics card ran out of memory while it was to run "))
            #expect(
                sentence("compile") { $0.compile_error = 1 }.hasPrefix(
                    "the kernels in step_state.cu could not be compiled for this card: NVRTC_ERROR_COMPILATION: prelude.cu(1): error"
                ))
            #expect(sentence("products") { $0.propose_nothing = 1 }.hasPrefix("cuBLASLt has no algorithm for the product"))
            #expect(FakeCard.misuses == "")
        }

        /// Memory is refused before anything runs, with the limit as with a card of that size.
        @Test func memoryIsPlannedAndLimited() throws {
            let run = try TinyRun()
            FakeCard.insert {
                $0.memory_bytes = 128 << 20
                $0.used_bytes = 4 << 20
            }
            let backend = try FakeCard.backend { $0.memoryLimit = 44 << 20 }
            // The products' scratch memory, the landing places of tokens and what others use count.
            #expect(backend.availableBytes == 4 << 20)
            let setup = try RunSetup(run.config())
            let plan = RunMemory.plan(setup, backend: backend)
            #expect(throws: MemoryError.self) { try plan.check(backend) }
            #expect(throws: MemoryError.self) { try backend.allocate(byteCount: 5 << 20) }
            let open = try FakeCard.backend()
            let before = try #require(open.availableBytes)
            let trainer = try Trainer(setup, backend: open)
            let after = try #require(open.availableBytes)
            // To the byte, but for the step state, which has a block of its own.
            #expect(before - after == plan.model.total + plan.optimizer + max(256, StepState.count * 8))
            withExtendedLifetime(trainer) {}
        }

        /// What a 12 GB card holds, 600 MB of it taken by the driver's context and the desktop: the plan's own arithmetic.
        @Test func targetsOfA12GBCard() throws {
            FakeCard.insert {
                $0.memory_bytes = 12_000_000_000
                $0.used_bytes = 600_000_000
            }
            let backend = try FakeCard.backend(), available = try #require(backend.availableBytes)
            func bytes(_ layers: Int, _ heads: Int, _ width: Int, batch: Int, _ recompute: Recompute) throws -> Int {
                let model = try GPTConfig(nLayer: layers, nHead: heads, nEmbd: width, blockSize: 1024, vocabSize: 50304)
                let sizes = BatchSizes(model, batch: batch, length: 1024, dtype: .bfloat16)
                return GPT.memory(sizes, recompute: recompute, gradients: true, backend: backend).total
                    + AdamW.byteCount(model.parameters.map(\.count))
            }
            // 40M, 124M without and with recomputation of blocks, 350M.
            #expect(try bytes(12, 12, 384, batch: 48, .none) < available)
            #expect(try bytes(12, 12, 768, batch: 16, .none) < available)
            #expect(try bytes(12, 12, 768, batch: 48, .block) < available)
            #expect(try bytes(24, 16, 1024, batch: 4, .none) < available)
            // The figures in docs/gpu.md.
            #expect(try bytes(12, 12, 384, batch: 48, .none) / 10_000_000 == 999)
            #expect(try bytes(12, 12, 768, batch: 16, .none) / 10_000_000 == 857)
            #expect(try bytes(12, 12, 768, batch: 48, .block) / 10_000_000 == 685)
            #expect(try bytes(24, 16, 1024, batch: 4, .none) / 10_000_000 == 1066)
        }

        /// The largest that fits is a divisor of the update's sequences, and recomputation comes last.
        @Test func batchSizesThatFit() throws {
            let run = try TinyRun()
            FakeCard.insert()
            let backend = try FakeCard.backend()
            let setup = try RunSetup(run.config { ($0.batchSize, $0.gradientAccumulationSteps, $0.nLayer) = (6, 4, 3) })
            func sizes(_ available: Int?) throws -> [Int] {
                try BatchSizeChoice.candidates(setup, backend: backend, available: available).map {
                    #expect($0.setup.config.batchSize * $0.setup.config.gradientAccumulationSteps == 24)
                    #expect($0.memory == RunMemory.plan($0.setup, backend: backend) && $0.memory.total <= available ?? Int.max)
                    // The evaluation still reads 6 blocks.
                    #expect($0.setup.config.evalTokens == 6 * 16)
                    return $0.setup.config.batchSize
                }
            }
            #expect(try sizes(nil) == [1, 2, 4, 8, 12, 24])
            let all = try BatchSizeChoice.candidates(setup, backend: backend, available: nil)
            #expect(all.allSatisfy { $0.setup.recompute == .none })
            let eight = try #require(all.first { $0.setup.config.batchSize == 8 })
            // What lies between two of those is tried when the larger does not fit.
            #expect(try sizes(eight.memory.total).last == 8)
            let one = try #require(all.first)
            let squeezed = try BatchSizeChoice.candidates(setup, backend: backend, available: one.memory.total - 1)
            #expect(squeezed.allSatisfy { $0.setup.recompute != .none })
            #expect(throws: MemoryError.self) { try sizes(1000) }
        }
    }
}
