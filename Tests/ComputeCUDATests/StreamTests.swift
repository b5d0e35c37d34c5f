// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import ComputeCPU
import ComputeCUDA
import FakeCUDA
import Foundation
import RunLog
import TestKit
import Testing
import Training

extension OnFakeCard {
    /// What runs beside the operations: tokens on their way in, numbers and checkpoints on their way out.
    @Suite struct StreamTests {
        // MARK: Order between streams

        /// Many writes to one tensor without the host waiting for anything: each is in order with what reads it.
        private func uploads() throws -> [[Float]] {
            let bench = Bench(try FakeCard.backend())
            let tensor = try bench.empty([1000]), copies = try (0..<20).map { _ in try bench.empty([1000]) }
            for (index, copy) in copies.enumerated() {
                let values = [Float](repeating: Float(index), count: 1000)
                values.withUnsafeBytes { bench.backend.write($0, to: tensor) }
                bench.backend.convert(from: tensor, to: copy)
            }
            return try copies.map(bench.values)
        }

        @Test(arguments: [false, true]) func uploadsAreInOrder(eager: Bool) throws {
            FakeCard.insert { $0.eager = eager ? 1 : 0 }
            let found = try uploads()
            #expect(found.indices.allSatisfy { index in found[index].allSatisfy { $0 == Float(index) } })
            // One for the new memory; one of the operations for each copy, and one of a copy for its landing place, used before.
            #expect(FakeCard.counts.waits == 1 + 20 + 12 && FakeCard.misuses == "")
        }

        /// Every wait between streams is needed: without any one of them two streams race, and the fake says so.
        @Test func everyWaitOfUploadsIsNeeded() throws {
            for wait in 1...33 {
                FakeCard.insert { $0.ignore_wait = wait }
                _ = try? uploads()
                #expect(FakeCard.misuses.contains("race: "), "wait \(wait) is not needed")
            }
        }

        /// Copies to the host go beside the work, and what would change the tensors waits.
        private func readback() throws -> [Float] {
            let backend = try FakeCard.backend(), bench = Bench(backend)
            let x = try bench.tensor((0..<500).map(Float.init), [500]), other = try bench.empty([500])
            let room = try backend.makeReadback(byteCount: 2000, besideWork: true)
            room.begin([(x, 0)])
            // Reading beside it is no race; writing is.
            backend.convert(from: x, to: other)
            room.holdBack()
            backend.fillZero(x)
            backend.synchronize()
            try room.finish()
            var values = [Float](repeating: -1, count: 500)
            values.withUnsafeMutableBytes { room.read(offset: 0, into: $0) }
            #expect(try bench.values(x).allSatisfy { $0 == 0 })
            return values
        }

        @Test func everyWaitOfReadbacksIsNeeded() throws {
            FakeCard.insert()
            #expect(try readback() == (0..<500).map(Float.init))
            #expect(FakeCard.misuses == "" && FakeCard.counts.waits == 4)
            for wait in 1...4 {
                FakeCard.insert { $0.ignore_wait = wait }
                _ = try? readback()
                #expect(FakeCard.misuses.contains("race: "), "wait \(wait) is not needed")
            }
        }

        // MARK: Working ahead

        /// The same bits and the same events whether the next update is begun before the last one's numbers are read or not,
        /// also when updates go wrong and the run goes back.
        @Test func workingAheadChangesNothing() throws {
            let run = try TinyRun()
            func outcome(_ name: String, ahead: Bool) throws -> (bits: [UInt32], events: [String]) {
                FakeCard.insert { $0.memory_bytes = 128 << 20 }
                let backend = try FakeCard.backend { $0.worksAhead = ahead }
                let config = run.config(name) {
                    ($0.maxIters, $0.evalInterval, $0.checkpointInterval, $0.rollbackAfter, $0.dropout) = (12, 0, 4, 2, 0.1)
                }
                var isPoisoned = false
                let made = try run.start(config, backend) { event, trainer in
                    guard event.event == .step, event.step == 6, !isPoisoned else { return }
                    isPoisoned = true
                    let weights = trainer.weights.masters.flat
                    [Float](repeating: .nan, count: weights.count).withUnsafeBytes {
                        trainer.weights.backend.write($0, to: weights)
                    }
                }
                let events = made.events.filter { ![.checkpoint, .warning].contains($0.event) }.map {
                    "\($0.event) \($0.step) \($0.loss?.bitPattern ?? 0) \($0.gradNorm?.bitPattern ?? 0) \($0.tokens ?? 0)"
                }
                #expect(FakeCard.misuses == "")
                #expect(made.events.contains { $0.event == .rollback && $0.step == 4 })
                return (try made.weights().map(\.bitPattern), events)
            }
            let behind = try outcome("behind", ahead: false), ahead = try outcome("ahead", ahead: true)
            #expect(ahead.bits == behind.bits)
            #expect(ahead.events == behind.events)
            #expect(ahead.events.filter { $0.hasPrefix("skip") }.count == 2)
        }

        /// While the host reads and tells an update's numbers the card has work: it runs dry only at the end of a run.
        @Test func theCardDoesNotRunDry() throws {
            let run = try TinyRun()
            func starvations(_ updates: Int, ahead: Bool) throws -> Int {
                FakeCard.insert { $0.memory_bytes = 128 << 20 }
                let backend = try FakeCard.backend { $0.worksAhead = ahead }
                let config = run.config("\(updates)-\(ahead)") {
                    ($0.maxIters, $0.evalInterval, $0.checkpointMinutes) = (updates, 0, 0)
                }
                _ = try run.start(config, backend)
                return FakeCard.counts.starvations
            }
            #expect(try starvations(9, ahead: true) == starvations(4, ahead: true))
            #expect(try starvations(9, ahead: false) == starvations(4, ahead: false) + 5)
        }

        // MARK: Checkpoints

        /// Files of a run's checkpoints: name -> bytes, without what tells the time.
        private func checkpoints(_ folder: String) throws -> [String: Data] {
            var files: [String: Data] = [:]
            for info in CheckpointStore(runFolder: folder).list() {
                for name in ["model.safetensors", "optimizer.safetensors", "state.json"] {
                    files[info.name + "/" + name] = FileManager.default.contents(atPath: "\(info.path)/\(name)")
                }
            }
            return files
        }

        /// Written from a copy that is made while the next update computes, a checkpoint has the bytes of one in the foreground.
        @Test(arguments: [false, true]) func backgroundCheckpointsAreExact(eager: Bool) throws {
            let run = try TinyRun()
            func files(_ name: String, inBackground: Bool) throws -> [String: Data] {
                FakeCard.insert {
                    $0.memory_bytes = 128 << 20
                    $0.eager = eager ? 1 : 0
                }
                let config = run.config(name) {
                    ($0.checkpointInterval, $0.keepCheckpoints, $0.checkpointBackground) = (1, 0, inBackground)
                    ($0.maxIters, $0.evalInterval, $0.dtype) = (6, 3, "bfloat16")
                }
                let made = try run.start(config, try FakeCard.backend())
                #expect(made.events.filter { $0.event == .checkpoint }.count == 6 && FakeCard.misuses == "")
                return try checkpoints(config.outDir)
            }
            let foreground = try files("foreground", inBackground: false)
            let background = try files("background", inBackground: true)
            #expect(foreground.count == 18 && background == foreground)
        }

        /// A card that is lost while a checkpoint is copied: it is not committed, the ones before are whole, one sentence.
        @Test func aCardLostWhileCopying() throws {
            let run = try TinyRun()
            let whole = try run.start(run.config("whole") { $0.maxIters = 6 }, try CPUBackend(threads: 1, isa: .portable))
            var committed: Set<Int> = []
            for copy in stride(from: 3, through: 120, by: 19) {
                FakeCard.insert {
                    $0.memory_bytes = 128 << 20
                    $0.lose_copy = copy
                }
                let config = run.config("lost-\(copy)") { ($0.checkpointInterval, $0.maxIters, $0.keepCheckpoints) = (1, 6, 0) }
                var sentence = ""
                do { _ = try run.start(config, try FakeCard.backend()) } catch { sentence = "\(error)" }
                #expect(sentence.hasPrefix("the graphics card failed while it was to "), "copy \(copy): \(sentence)")
                #expect(sentence.contains("checkpoints are intact") && !sentence.contains("\n"))
                let store = CheckpointStore(runFolder: config.outDir)
                for info in store.list() { #expect(throws: Never.self) { try store.verify(info) } }
                committed.insert(store.list().count)
                FakeCard.insert { $0.memory_bytes = 128 << 20 }
                let rest = try run.resume(config.outDir, try FakeCard.backend())
                #expect(difference(rest.losses, Array(whole.losses.suffix(rest.losses.count))) < 2e-5)
            }
            #expect(committed.count > 2, "the copies lost were of several checkpoints: \(committed)")
        }

        /// A system that gives no page-locked memory for the copy costs the background, and nothing else.
        @Test func noMemoryForTheCopy() throws {
            let run = try TinyRun()
            FakeCard.insert { $0.memory_bytes = 128 << 20 }
            let config = run.config { ($0.checkpointInterval, $0.keepCheckpoints) = (1, 0) }
            let made = try run.start(config, try FakeCard.backend()) { event, _ in
                FakeCard.change {
                    $0.memory_bytes = 128 << 20
                    $0.host_memory_error = 1
                }
            }
            let warnings = made.events.filter { $0.code == "checkpoint-foreground" }
            #expect(warnings.count == 1)
            #expect(warnings.first?.message?.contains("lock 1 MB of host memory") == true, "\(warnings)")
            #expect(CheckpointStore(runFolder: config.outDir).list().count == 4)
        }

        /// The copy is planned: page-locked memory of the machine, left out where there is no room, and none of the card's.
        @Test func theCopyIsPlanned() throws {
            let run = try TinyRun()
            FakeCard.insert { $0.memory_bytes = 128 << 20 }
            let backend = try FakeCard.backend()
            let setup = try RunSetup(run.config { $0.device = "cuda" })
            let plan = RunMemory.plan(setup, backend: backend)
            let counts = setup.model.parameters.map(\.count)
            #expect(plan.hostCopy == HostCopy.byteCount(counts + counts + counts) && plan.copy == 0 && plan.savesInBackground)
            let tight = RunMemory.plan(setup, backend: backend, hostAvailable: plan.hostCopy + 500_000_000)
            #expect(tight.hostCopy == 0 && tight.copyLeftOut && !tight.savesInBackground && tight.total == plan.total)
            let before = FakeCard.counts.pinned_bytes
            _ = try run.start(run.config { $0.checkpointInterval = 1 }, backend, stopAfter: 2) { event, _ in
                guard event.event == .step, event.step == 2 else { return }
                // The scalars' 128 bytes, and the copy.
                #expect(FakeCard.counts.pinned_bytes - before == plan.hostCopy + StepState.count * 8)
            }
            #expect(FakeCard.misuses == "")
        }
    }
}
