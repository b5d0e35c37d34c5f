// SPDX-License-Identifier: MIT
import Checkpoints
import Foundation
import RunLog
import Storage
import TestKit
import Testing
import Training

/// Bad numbers: skipped, gone back from, and in the end stopped at, with everything kept.
@Suite struct RollbackTests {
    /// 8 samples an update: sample 8 n belongs to the update after step n as long as nothing was undone.
    private func config(_ bench: Workbench, _ name: String, _ change: (inout RunConfig) -> Void = { _ in }) -> RunConfig {
        bench.config {
            $0.outDir = bench.folder(name)
            $0.maxIters = 400
            $0.evalInterval = 100
            $0.evalIters = 30
            $0.checkpointInterval = 20
            $0.rollbackAfter = 5
            change(&$0)
        }
    }

    private func series(_ kind: Harm.Kind, from step: Int, count: Int) -> [Int: Harm.Kind] {
        Dictionary(uniqueKeysWithValues: (0..<count).map { (8 * (step + $0), kind) })
    }

    /// The promise of docs/reliability.md: a run that met faults and went back ends where the undisturbed run ends.
    @Test(arguments: ["not finite", "weights", "both"]) func endsWithinAHundredthOfANat(faults: String) throws {
        // Half an epoch: what the last updates happened to see again must not decide.
        let bench = try Workbench(tokens: 400_000)
        func long(_ name: String) -> RunConfig {
            config(bench, name) {
                $0.maxIters = 900
                $0.minLr = 0
            }
        }
        let whole = try bench.run(long("whole"), harm: Harm([:]))
        var kinds: [Int: Harm.Kind] = [:]
        if faults != "weights" {
            kinds.merge(series(.notANumber, from: 47, count: 6)) { $1 }
            kinds[8 * 90] = .infinite  // alone: skipped, and that is all
        }
        if faults != "not finite" { kinds[8 * 300] = .weights }
        let harm = Harm(kinds)
        let harmed = try bench.run(long("harmed"), harm: harm)
        #expect(harm.count >= 1 && harmed.outcome == .completed && harmed.trainer.step == 900)
        let rollbacks = harmed.events.filter { $0.event == .rollback }
        #expect(rollbacks.count == (faults == "both" ? 2 : 1))
        for event in rollbacks {
            #expect(event.path == CheckpointStore.name(step: event.step) && event.step % 20 == 0)
            #expect(event.message?.contains("going on from checkpoint \(event.path ?? "")") == true)
        }
        let last = { (result: Workbench.Result) in result.events.last { $0.event == .eval }?.valLoss ?? .nan }
        let difference = last(harmed) - last(whole)
        print("rollback (\(faults)): validation loss \(last(harmed)), undisturbed \(last(whole)), difference \(difference)")
        #expect(abs(difference) < 0.01)
    }

    @Test func theDataMovesOnAndTheStepGoesBack() throws {
        let bench = try Workbench()
        let result = try bench.run(
            config(bench, "run") { $0.rollbackLrFactor = 0.5 }, harm: Harm(series(.notANumber, from: 50, count: 5)))
        let rollback = try #require(result.events.first { $0.event == .rollback })
        // Updates 51 to 55 are not finite; the checkpoint of step 40 is the last before them.
        #expect(rollback.step == 40 && rollback.code == "non-finite" && rollback.path == "step-00000040")
        // 15 updates of 8 samples were undone and are not read again; they do not count as tokens seen.
        #expect(result.trainer.history.undoneSamples == 15 * 8)
        #expect(result.trainer.nextSample == (400 + 15) * 8)
        #expect(result.events.last { $0.event == .step }?.tokens == 400 * 8 * 24)
        // The rate is halved from there on.
        let rates = result.events.filter { $0.event == .step && $0.step == 45 }.compactMap(\.lr)
        #expect(rates.count == 2 && abs(rates[1] / rates[0] - 0.5) < 1e-12)
        // Readers of metrics.jsonl see every step once, and the story beside it.
        let standing = try RunFolder(bench.folder("run")).readMetrics().events
        #expect(standing.filter { $0.event == .step }.map(\.step) == Array(1...400))
        #expect(standing.filter { $0.event == .skip }.count == 5 && standing.filter { $0.event == .rollback }.count == 1)
    }

    /// The checkpoint that the run goes back to was written before the evaluation of its step.
    @Test func theBestStaysTheBest() throws {
        let bench = try Workbench()
        let result = try bench.run(
            config(bench, "run") {
                $0.evalInterval = 20
                $0.maxIters = 60
            }, harm: Harm(series(.notANumber, from: 42, count: 5)))
        let rollback = try #require(result.events.first { $0.event == .rollback })
        #expect(rollback.step == 40)
        let losses = result.events.filter { $0.event == .eval && $0.step > 0 }.compactMap { event in
            event.valLoss.map { (loss: $0, step: event.step) }
        }
        let best = try #require(losses.min { $0.loss < $1.loss })
        #expect(losses.contains { $0.step == 40 } && result.trainer.best?.step == best.step)
        let named = try String(contentsOfFile: bench.folder("run/best"), encoding: .utf8)
        #expect(named == CheckpointStore.name(step: best.step) + "\n")
        // Known right after going back, too, whatever comes later.
        let state = try CheckpointState.read(path: bench.folder("run/checkpoints/step-00000060/state.json"))
        let before = losses.filter { $0.step <= 40 }.min { $0.loss < $1.loss }
        #expect((state.bestValLoss ?? .infinity) <= before?.loss ?? 0)
    }

    /// An interruption between the faults or after the rollback changes nothing.
    ///
    /// One shortly before trouble may: what it saved is then the newest good checkpoint, and the run goes back less far.
    @Test func interruptedEqualsUninterrupted() throws {
        let bench = try Workbench()
        let kinds = series(.infinite, from: 30, count: 5).merging([8 * 70: .weights]) { $1 }
        func make(_ name: String) -> RunConfig { config(bench, name) { $0.maxIters = 100 } }
        let whole = try bench.run(make("whole"), harm: Harm(kinds))
        #expect(whole.events.filter { $0.event == .rollback }.count == 2)
        // Updates made before the stop: in the first series, right after going back, in the second trouble, after it.
        for stop in [32, 35, 36, 74, 88] {
            let first = try bench.run(make("parts-\(stop)"), harm: Harm(kinds), stopAfter: stop)
            #expect(first.outcome == .interrupted)
            let second = try bench.run(make("parts-\(stop)"), harm: Harm(kinds), resume: true)
            let same = try second.weights() == whole.weights()  // not in the macro, which would print a thousand numbers
            #expect(same, "stopped after \(stop) updates")
            #expect(second.trainer.history == whole.trainer.history, "stopped after \(stop) updates")
        }
    }

    @Test func atMostSoOftenAndThenAClearStop() throws {
        let bench = try Workbench()
        let config = config(bench, "run") { $0.maxRollbacks = 2 }
        // From step 50 on nothing is ever finite again.
        let harm = Harm(series(.notANumber, from: 50, count: 2000))
        #expect {
            _ = try bench.run(config, harm: harm)
        } throws: { error in
            let text = "\(error)"
            return text.contains("not finite in 5 updates in a row") && text.contains("went back 2 times already")
                && text.contains("Every checkpoint is kept")
        }
        let events = try RunFolder(config.outDir).readMetrics().lines
        #expect(events.filter { $0.event == .rollback }.map(\.step) == [40, 40])
        let store = CheckpointStore(runFolder: config.outDir)
        #expect(try store.latestValid()?.info.step == 40)
        // Without the fault the run goes on from there.
        let healed = try bench.run(config, harm: Harm([:]), resume: true)
        #expect(healed.outcome == .completed)
    }

    @Test func beforeTheFirstCheckpointItStartsAgain() throws {
        let bench = try Workbench()
        let config = config(bench, "run") { $0.maxIters = 60 }
        let result = try bench.run(config, harm: Harm(series(.notANumber, from: 3, count: 5)))
        let rollback = try #require(result.events.first { $0.event == .rollback })
        #expect(rollback.step == 0 && rollback.path == nil && rollback.message?.contains("going on from the start") == true)
        // The same weights as a run whose data begins after the undone updates.
        #expect(result.outcome == .completed && result.trainer.history.undoneSamples == 64)
        let first = try #require(result.events.first { $0.event == .step && $0.seq > rollback.seq }?.loss)
        #expect(abs(first - log(40)) < 0.2)
    }

    @Test func withoutRollbacksTenSkipsEndTheRun() throws {
        let bench = try Workbench()
        let config = config(bench, "run") { $0.rollbackAfter = 0 }
        #expect {
            _ = try bench.run(config, harm: Harm(series(.notANumber, from: 3, count: 100)))
        } throws: {
            "\($0)".contains("not finite in 10 updates in a row") && "\($0)".contains("rollback_after is 0")
        }
    }

    /// Data read in order may change for good; that is said and borne.
    @Test func aNewLevelOfSequentialDataIsNoFault() throws {
        let bench = try Workbench()
        let result = try bench.run(
            config(bench, "run") { $0.dataOrder = "sequential" }, harm: Harm([8 * 100: .weights]))
        #expect(result.outcome == .completed)
        #expect(result.events.filter { $0.event == .rollback }.isEmpty)
        #expect(result.events.contains { $0.event == .warning && $0.code == "loss-spike" && ($0.zscore ?? 0) > 8 })
    }
}

/// The statistics behind it.
@Suite struct StepJudgeTests {
    /// Feeds values and gives the verdicts that are not good.
    private func odd(_ steps: [(loss: Double, norm: Double)], warmup: Int = 0, threshold: Double = 8) -> [Int: StepVerdict] {
        var judge = StepJudge()
        var found: [Int: StepVerdict] = [:]
        for (index, step) in steps.enumerated() {
            let verdict = judge.judge(
                loss: step.loss, gradNorm: step.norm, isFinite: true, threshold: threshold, judgesNorm: index >= warmup)
            if verdict != .good { found[index] = verdict }
        }
        return found
    }

    private func noisy(_ count: Int, seed: UInt64, _ mean: (Int) -> Double, noise: Double) -> [(loss: Double, norm: Double)] {
        var generator = SeededGenerator(seed)
        return (0..<count).map { i in
            // Twelve uniform numbers less six: nearly normal.
            let normal = (0..<12).reduce(-6.0) { sum, _ in sum + Double.random(in: 0..<1, using: &generator) }
            return (mean(i) + noise * normal, exp(0.3 * normal))
        }
    }

    /// Every labelled run that nothing is wrong with, warm-up included.
    @Test func healthyRunsAreNeverSuspected() throws {
        let names = Folder.names(Places.fixture("runs")).filter { $0.hasPrefix("healthy-") }
        #expect(names.count >= 7)
        for name in names {
            let folder = RunFolder(Places.fixture("runs/\(name)"))
            let warmup = try folder.readRecord().config.warmupIters
            var judge = StepJudge()
            for event in try folder.readMetrics().events where event.event == .step {
                let verdict = judge.judge(
                    loss: event.loss ?? .nan, gradNorm: event.gradNorm ?? .nan, isFinite: true, threshold: 8,
                    judgesNorm: event.step > warmup)
                #expect(!verdict.isBad, "\(name), step \(event.step): \(verdict)")
                #expect(judge.normSpikesInARow < StepJudge.tolerableNormSpikes, "\(name), step \(event.step)")
            }
        }
    }

    @Test func longNoisyCurvesAreNeverSuspected() {
        for seed in 0..<20 as Range<UInt64> {
            let curve = noisy(5000, seed: seed, { 4 + 6 * exp(-Double($0) / 300) }, noise: 0.02 + 0.02 * Double(seed))
            #expect(odd(curve).values.filter(\.isBad).isEmpty, "seed \(seed)")
        }
    }

    @Test func aSpikeIsSeenAndNeverHidesTheNext() {
        var curve = noisy(400, seed: 1, { _ in 4 }, noise: 0.05)
        for index in [200, 201, 202, 300] { curve[index].loss += 2 }
        let found = odd(curve)
        #expect(found.filter { $0.value.isBad }.keys.sorted() == [200, 201, 202, 300])
        #expect(odd(curve, threshold: 0).isEmpty)
    }

    @Test func whatIsNotFiniteNeverEntersTheStatistics() {
        var judge = StepJudge()
        for step in noisy(100, seed: 2, { _ in 3 }, noise: 0.05) {
            _ = judge.judge(loss: step.loss, gradNorm: step.norm, isFinite: true, threshold: 8, judgesNorm: true)
        }
        let before = judge
        for (loss, norm, flag) in [
            (Double.nan, 1.0, true), (.infinity, 1, true), (-.infinity, 1, true), (3, .nan, true), (3, .infinity, true),
            (3, -1, true),
            (3, 1, false),
        ] {
            let verdict = judge.judge(loss: loss, gradNorm: norm, isFinite: flag, threshold: 8, judgesNorm: true)
            #expect(verdict == .nonFinite)
        }
        #expect(judge.losses == before.losses && judge.logNorms == before.logNorms && judge.badInARow == 7)
        // A gradient of exactly zero is a number.
        #expect(judge.judge(loss: 3, gradNorm: 0, isFinite: true, threshold: 8, judgesNorm: true) == .good)
        #expect(judge.badInARow == 0 && judge.logNorms.allSatisfy(\.isFinite))
    }

    @Test func aLevelThatStaysBecomesTheUsualOne() {
        let curve = noisy(600, seed: 3, { $0 < 300 ? 3 : 6 }, noise: 0.05)
        let bad = odd(curve).filter { $0.value.isBad }.keys.sorted()
        #expect(bad == Array(300..<364))
    }

    @Test func aHistoryReadsBackBitForBit() {
        var history = RunHistory()
        for step in noisy(300, seed: 4, { 3 + 1 / Double($0 + 1) }, noise: 0.07) {
            _ = history.judge.judge(loss: step.loss, gradNorm: step.norm, isFinite: true, threshold: 8, judgesNorm: true)
        }
        history.rollbacks = 2
        history.rateFactor = 0.1 * 0.7
        history.undoneSamples = 123
        #expect(RunHistory(text: history.text) == history)
        #expect(RunHistory(text: nil) == RunHistory() && RunHistory(text: "{broken") == RunHistory())
        // Counts that would overflow where they are added to.
        for (count, forged) in [
            ("\"rollbacks\":\(history.rollbacks)", Int.max), ("\"undoneSamples\":\(history.undoneSamples)", Int.min),
        ] {
            let key = count.prefix { $0 != ":" }
            #expect(history.text.contains(count))
            #expect(RunHistory(text: history.text.replacingOccurrences(of: count, with: "\(key):\(forged)")) == RunHistory())
        }
    }
}
