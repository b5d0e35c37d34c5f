// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Testing

@Suite struct LogParserTests {
    private func parse(_ text: String, _ options: InputOptions = InputOptions()) throws -> RunFacts {
        try HealthInput.parse(Data(text.utf8), name: "log.txt", options: options)
    }

    private func steps(_ range: StrideThrough<Int>, from loss: Double = 10) -> String {
        range.map { "iter \($0): loss \(loss - Double($0) / 1000), time 250.50ms, mfu 33.10%\n" }.joined()
    }

    @Test func nanoGPTsHead() throws {
        let facts = try HealthInput.load(path: ReferenceRunTests.log)
        #expect(facts.source == .nanogpt)
        #expect(facts.config.nEmbd == Fact(384, .log))
        #expect(facts.config.learningRate == Fact(5e-4, .log))
        #expect(facts.config.beta2 == Fact(0.99, .log))
        #expect(facts.config.tokensPerStep == Fact(524_288, .log))
        #expect(facts.config.parameters == Fact(40.56e6, .log))
        #expect(facts.config.vocabSize == Fact(50304, .log))
        #expect(facts.dataset.name == Fact("fineweb", .log))
        #expect(facts.evals.count == 8)
        #expect(facts.evals.last?.valLoss == 4.17)
        #expect(facts.evals.last?.tokens == 3_145_728_000)
        // nanoGPT's -100 % before it has measured is no value.
        #expect(facts.steps.first?.mfuPrinted == nil)
        #expect(facts.steps.last?.mfuPrinted != nil)
    }

    @Test func overridesWinOverTheFile() throws {
        let facts = try parse(
            "Overriding config with a.py:\nn_embd = 384\nlearning_rate = 1e-3\n\nOverriding: n_embd = 512\nOverriding: dataset = fineweb\n"
                + steps(stride(from: 0, through: 50, by: 10)))
        #expect(facts.config.nEmbd?.value == 512)
        #expect(facts.config.learningRate?.value == 1e-3)
        #expect(facts.dataset.name?.value == "fineweb")
    }

    @Test func arithmeticOfEarlierNames() throws {
        let facts = try parse(
            "batch_size = 8\nblock_size = 512\ngradient_accumulation_steps = 5 * 8 # on one card\n"
                + steps(stride(from: 0, through: 50, by: 10)))
        #expect(facts.config.tokensPerStep?.value == Double(8 * 512 * 40))
    }

    @Test func theCommandLine() throws {
        let facts = try parse(
            "$ python train.py config/x.py --n_embd=256 --max_iters=100 --compile=False\n"
                + steps(stride(from: 0, through: 50, by: 10)))
        #expect(facts.config.nEmbd?.value == 256)
        #expect(facts.config.maxIters == Fact(100, .log))
    }

    @Test func noiseAndTornLines() throws {
        let text = """
            W0101 12:00:00 torch/_inductor] warning = nothing
            iter 0: loss 10.9, time 100.00ms, mfu -100.00%
            [rank0]: iter 10: loss 9.5, time 100.00ms, mfu 30.00%
            2026-01-01 10:00:00 INFO iter 20: loss 9.0, time 100.00ms, mfu 30.00%
            iter 30: lo
            iter 30: loss 8.5, time 1
            saving checkpoint to out
            step 40: train loss 8.2, val loss 8.3
            step : train loss
            iter 40: loss nan, time 100.00ms, mfu 30.00%
            iter 50: loss inf, time 100.00ms, mfu 30.00%
            iter 60: loss 8.1, time 100.00ms, mfu 30.00%\r
            """
        let facts = try parse(text)
        #expect(facts.steps.map(\.step) == [0, 10, 20, 30, 40, 50, 60])
        #expect(facts.steps[3].loss == 8.5)
        #expect(facts.steps[4].loss?.isNaN == true)
        #expect(facts.steps[5].loss == .infinity)
        #expect(facts.steps[6].mfuPrinted == 0.3)
        #expect(facts.evals.map(\.step) == [40])
    }

    @Test func progressBarsThatOverwriteThemselves() throws {
        let facts = try parse(
            "10%|#\riter 5: loss 9.25, time 10.00ms, mfu 1.00%\r20%|##\riter 6: loss 9.20, time 10.00ms, mfu 1.00%\n")
        #expect(facts.steps.map(\.loss) == [9.25, 9.20])
    }

    /// Reading takes time in proportion to the bytes, whatever ends the lines and however often steps fall back.
    @Test(arguments: [
        ("iter 5: loss 9.25, time 10.00ms, mfu 1.00%\r", 20_000), ("iter 60: loss 9\niter 50: loss 9\n", 2000),
    ]) func hostileLogsAreReadInLinearTime(piece: String, count: Int) throws {
        func seconds(_ text: String) throws -> Double {
            let start = ContinuousClock.now
            _ = try parse(text)
            let time = (ContinuousClock.now - start).components
            return Double(time.seconds) + Double(time.attoseconds) * 1e-18
        }
        let short = try seconds(String(repeating: piece, count: count))
        let long = try seconds(String(repeating: piece, count: count * 8))
        // Eight times the bytes take eight times as long, and 64 times where the time grows with the square; the rest is for a
        // busy machine.
        #expect(long < 24 * short + 0.2)
    }

    @Test func tracebacks() throws {
        let text =
            steps(stride(from: 0, through: 30, by: 10)) + """
                Traceback (most recent call last):
                  File "train.py", line 300, in <module>
                    scaler.scale(loss).backward()
                torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB
                """
        let facts = try parse(text)
        #expect(facts.incidents.map(\.kind) == [.outOfMemory])
        #expect(facts.incidents.first?.step == 30)
    }

    @Test func severalRunsInOneFile() throws {
        let head = "tokens per iteration will be: 1,000\nnumber of parameters: 10.65M\n"
        let text =
            head + steps(stride(from: 0, through: 900, by: 10), from: 11) + head
            + steps(stride(from: 0, through: 1000, by: 10), from: 10)
        let facts = try parse(text)
        #expect(facts.steps.count == 101)
        #expect(facts.steps.first?.loss == 10)
        #expect(facts.notes.first?.key == "note.several-runs-last")
    }

    /// A short try at the end does not hide the run before it.
    @Test func aShortRestartAtTheEnd() throws {
        let head = "tokens per iteration will be: 1,000\n"
        let text =
            head + steps(stride(from: 0, through: 1000, by: 10), from: 11) + head
            + steps(stride(from: 0, through: 50, by: 10), from: 10)
        let facts = try parse(text)
        #expect(facts.steps.last?.step == 1000)
        #expect(facts.steps.first?.loss == 11)
        #expect(facts.notes.first?.key == "note.several-runs")
    }

    @Test func aResumedRunIsOneRun() throws {
        let head = "learning_rate = 1e-3\ntokens per iteration will be: 1,000\n"
        let text =
            head + steps(stride(from: 0, through: 1000, by: 10)) + head
            + "Resuming training from out\nnumber of parameters: 10.65M\n"
            + "step 900: train loss 9.0, val loss 9.1\n" + steps(stride(from: 900, through: 2000, by: 10), from: 10.5)
        let facts = try parse(text)
        #expect(facts.steps.count == 201)
        #expect(facts.steps.map(\.step) == Array(stride(from: 0, through: 2000, by: 10)))
        // What the resume repeated counts as the resume has it.
        #expect(facts.steps.first { $0.step == 950 }?.loss == 10.5 - 0.95)
        #expect(facts.incidents.first == RunIncident(.resume, step: 900, detail: "line \(104)"))
        #expect(facts.notes.map(\.key) == ["note.resumed"])
    }

    @Test func tokensOfARunThatWasResumedWithAnotherBatch() throws {
        let text =
            "tokens per iteration will be: 1,000\n" + steps(stride(from: 0, through: 1000, by: 10))
            + "tokens per iteration will be: 3,000\nResuming training from out\n"
            + steps(stride(from: 900, through: 2000, by: 10)) + "step 2000: train loss 8.0, val loss 8.1\n"
        let facts = try parse(text)
        #expect(facts.config.tokensPerStep?.value == 3000)
        #expect(facts.steps.first { $0.step == 500 }?.tokens == 500_000)
        #expect(facts.steps.first { $0.step == 900 }?.tokens == 900_000)
        #expect(facts.steps.last?.tokens == 4_200_000.0)
        #expect(facts.evals.last?.tokens == 4_200_000.0)
    }

    /// What a resume made good is remembered, but the run goes on.
    @Test func aCrashedRunThatWasResumedIsUnderWay() throws {
        let head = "learning_rate = 1e-3\nmax_iters = 2000\nlr_decay_iters = 2000\nwarmup_iters = 100\n"
        let crash = "Traceback (most recent call last):\nRuntimeError: lost the disk\n"
        let crashed = head + steps(stride(from: 0, through: 1000, by: 1)) + crash
        let broken = HealthReport.make(facts: try parse(crashed)).checks.first { $0.id == "schedule-end" }
        #expect(broken?.status == .warn)
        #expect(broken.map { Catalogue.english.text($0.why) }?.contains("lost the disk") == true)
        let resumed = try parse(crashed + "Resuming training from out\n" + steps(stride(from: 1000, through: 1001, by: 1)))
        let report = HealthReport.make(facts: resumed)
        #expect(report.status("schedule-end") == .info)
        #expect(report.checks.first { $0.id == "interruptions" }?.value == 1)
    }

    @Test func aRunThatFallsBackWithoutAHead() throws {
        let text = steps(stride(from: 0, through: 1000, by: 10)) + steps(stride(from: 800, through: 1500, by: 10), from: 10.2)
        let facts = try parse(text)
        #expect(facts.steps.last?.step == 1500)
        #expect(facts.steps.count == 151)
        #expect(facts.incidents.map(\.kind) == [.resume])
    }

    @Test func theShapeFollowsFromThePrintedCount() throws {
        let facts = try parse("number of parameters: 40.56M\n" + steps(stride(from: 0, through: 50, by: 10)))
        #expect(facts.config.nEmbd == Fact(384, .derived))
        #expect(facts.config.nLayer?.value == 12)
        let standard = try parse("number of parameters: 123.59M\n" + steps(stride(from: 0, through: 50, by: 10)))
        #expect(standard.config.nEmbd?.value == 768)
    }

    /// What a printed configuration leaves out has nanoGPT's defaults, its schedule trap included.
    @Test func defaultsOfAPrintedConfiguration() throws {
        let head = "Overriding config with config/x.py:\nmax_iters = 6000\nbatch_size = 12\n\n"
        let facts = try parse(head + steps(stride(from: 0, through: 6000, by: 10), from: 11))
        #expect(facts.config.learningRate == Fact(6e-4, .derived))
        #expect(facts.config.lrDecayIters?.value == 600_000)
        #expect(DatasetKind(facts.dataset.name?.value) == .openwebtext)
        let report = HealthReport.make(facts: facts)
        #expect(report.checks.first { $0.id == "schedule-end" }?.why.key == "schedule-end.late")
        // Without a printed configuration the same default is no ground for a judgement.
        var options = InputOptions()
        options.overrides = ["max_iters": .integer(6000)]
        let bare = try parse(steps(stride(from: 0, through: 6000, by: 10), from: 11), options)
        #expect(bare.config.lrDecayIters?.value == 6000)
        #expect(bare.config.learningRate?.origin == .assumed)
        #expect(bare.dataset.name == nil)
    }

    /// Rates that were logged stand in for a configuration.
    @Test func loggedRatesAreASchedule() throws {
        var text = ""
        for step in 1...2000 {
            text +=
                "s:\(step) trl:\(3.5 + 7 * exp(-Double(step) / 100)) lr:\(6e-4 * min(Double(step) / 100, Double(2001 - step) / 1900)) norm:0.3\n"
        }
        let facts = try parse(text)
        #expect(abs((facts.config.learningRate?.value ?? 0) - 6e-4) < 1e-6)
        let schedule = try #require(RateSchedule.of(facts))
        #expect(schedule.total == 2000)
        #expect(abs(schedule.rate(1050) - 6e-4 * 951 / 1900) < 1e-6)
    }

    @Test func optionsWinOverTheLog() throws {
        var options = InputOptions()
        options.overrides = ["n_embd": .integer(640), "learning_rate": .number(1e-3)]
        options.dataset = "openwebtext"
        let facts = try parse("n_embd = 384\ndataset = 'fineweb'\n" + steps(stride(from: 0, through: 50, by: 10)), options)
        #expect(facts.config.nEmbd == Fact(640, .option))
        #expect(facts.config.learningRate == Fact(1e-3, .option))
        #expect(facts.dataset.name == Fact("openwebtext", .option))
    }

    @Test func llmcStandardOutput() throws {
        let text = """
            +-----------------------+----------------------------------------------------+
            | Parameter             | Value                                              |
            +-----------------------+----------------------------------------------------+
            | train data pattern    | dev/data/fineweb10B/fineweb_train_*.bin            |
            | micro batch size B    | 64                                                 |
            | sequence length T     | 1024                                               |
            | total batch size      | 524288                                             |
            | LR scheduler          | cosine                                             |
            | learning rate (LR)    | 6.000000e-04                                       |
            | warmup iterations     | 700                                                |
            | final LR fraction     | 0.000000e+00                                       |
            | weight decay          | 1.000000e-01                                       |
            | val_loss_every        | 250                                                |
            | device                | NVIDIA A100-SXM4-80GB                              |
            | peak TFlops           | 312.0                                              |
            | padded_vocab_size Vp  | 50304                                              |
            | num_layers L          | 12                                                 |
            | num_heads NH          | 12                                                 |
            | channels C            | 768                                                |
            | num_parameters        | 124475904                                          |
            | train_num_batches     | 19560                                              |
            | val_num_batches       | 20                                                 |
            +-----------------------+----------------------------------------------------+
            val loss 11.009354
            step    1/19560 | loss 11.009000 (+nanz)| norm 15.3700 (+nanz)| lr 8.57e-07 | 1960.40 ms | 45.2% bf16 MFU | 267440 tok/s
            step    2/19560 | loss 10.950000 (+nanz)| norm 15.1000 (+nanz)| lr 1.71e-06 | 1950.00 ms | 45.4% bf16 MFU | 268000 tok/s
            val loss 9.500000
            step    3/19560 | loss 9.900000 (-1.20z)| norm 14.0000 (+0.10z)| lr 2.57e-06 | 1950.00 ms | 45.4% bf16 MFU | 268000 tok/s
            """
        let facts = try parse(text)
        #expect(facts.source == .llmc)
        #expect(facts.config.nEmbd?.value == 768 && facts.config.nLayer?.value == 12)
        #expect(facts.config.tokensPerStep?.value == 524_288)
        #expect(facts.config.maxIters == Fact(19560, .log))
        #expect(facts.config.minLr?.value == 0)
        #expect(facts.config.warmupIters?.value == 700)
        #expect(facts.steps.map(\.step) == [1, 2, 3])
        #expect(facts.steps[2].loss == 9.9 && facts.steps[2].gradNorm == 14 && facts.steps[2].lr == 2.57e-6)
        #expect(
            facts.steps[0].stepMs == 1960.4 && facts.steps[0].mfuPrinted == 0.452 && facts.steps[0].tokensPerSecond == 267_440)
        #expect(facts.evals.map(\.step) == [0, 2])
        #expect(facts.evals.map(\.valLoss) == [11.009354, 9.5])
        #expect(DatasetKind(facts.dataset.name?.value) == .fineweb)
        #expect(facts.device.name?.value == "NVIDIA A100-SXM4-80GB")
        let report = HealthReport.make(facts: facts)
        #expect(report.throughput?.devicePeakTflops == 312)
        #expect(abs((report.throughput?.mfu ?? 0) - 0.454) < 0.002)
    }

    @Test func llmcMainLog() throws {
        var text = "s:0 tel:11.0092\n"
        for step in 1...300 {
            text += "s:\(step) trl:\(11 - Double(step) / 100) lr:6.00e-04 norm:0.5\n"
            if step % 100 == 0 { text += "s:\(step) tel:\(11 - Double(step) / 100)\ns:\(step) hel:0.2531\n" }
        }
        let facts = try parse(text)
        #expect(facts.source == .llmc)
        #expect(facts.steps.count == 300)
        #expect(facts.steps.last?.gradNorm == 0.5)
        #expect(facts.evals.map(\.step) == [0, 100, 200, 300])
    }

    @Test func moddedNanoGPT() throws {
        var text = "step:0/5100 val_loss:16.0058 train_time:261ms step_avg:nanms\n"
        for step in 1...250 {
            text += "step:\(step)/5100 train_loss:\(16 - Double(step) / 50) train_time:1ms step_avg:142.00ms\n"
        }
        text += "step:125/5100 val_loss:6.5 train_time:1ms step_avg:1ms\n"
        let facts = try parse(text.replacingOccurrences(of: "step:125/5100 val", with: "step:250/5100 val"))
        #expect(facts.evals.map(\.valLoss) == [16.0058, 6.5])
        #expect(facts.steps.count == 250)
        #expect(facts.config.maxIters?.value == 5100)
        // Their starts at 16 are no fault.
        #expect(HealthReport.make(facts: facts).checks.first { $0.id == "init-loss" }?.status == .info)
    }

    @Test func numbersAsPythonPrintsThem() throws {
        let facts = try parse(
            "iter 1: loss 1.25e+01, time 3ms\niter 2: loss -0.5, time 3ms\niter 3: loss 12345678.9012345678901234, time 1ms\niter 4: loss .5\niter 5: loss NaN\n"
        )
        #expect(facts.steps.prefix(2).map(\.loss) == [12.5, -0.5])
        #expect(abs((facts.steps[2].loss ?? 0) - 12345678.901234567) < 1e-6)
        #expect(facts.steps[3].loss == 0.5)
        #expect(facts.steps[4].loss?.isNaN == true)
    }

    /// Every cut of a log is read without a trap, and whatever is read is part of it.
    @Test func everyCutOfALog() throws {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: ReferenceRunTests.log))
        for end in stride(from: 1, to: bytes.count, by: 37) {
            if let facts = try? HealthInput.parse(bytes.prefix(end), name: "cut") {
                #expect(facts.evals.count <= 8)
                _ = HealthReport.make(facts: facts)
            }
        }
    }

    /// Bytes changed at random give an error or facts, never a trap; the report of whatever comes out is made as well.
    @Test func mutations() throws {
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: ReferenceRunTests.log)))
        var random = TestRandom(77)
        for _ in 0..<300 {
            var copy = bytes
            for _ in 0..<20 { copy[Int(random.uniform() * Double(copy.count))] = UInt8(random.uniform() * 255) }
            if let facts = try? HealthInput.parse(Data(copy), name: "mutated") {
                _ = TerminalRenderer().render(HealthReport.make(facts: facts), all: true)
            }
        }
    }

    @Test(arguments: [
        ("", "the file is empty"), ("hello\nworld\n", "no line of a training run"), ("{\"a\": 1}", "no line of a training run"),
        ("step,foo\n1,2\n", "no line of a training run"), ("step,loss\n", "it holds no loss yet"),
    ]) func garbage(text: String, sentence: String) {
        #expect { try parse(text) } throws: { error in
            "\(error)".contains(sentence) && "\(error)".split(separator: "\n").count == 1
        }
    }

    @Test func binary() {
        var random = TestRandom(1)
        let data = Data((0..<100_000).map { _ in UInt8(random.uniform() * 256) })
        #expect { try HealthInput.parse(data, name: "x") } throws: { "\($0)".contains("it is a binary file") }
        #expect { try HealthInput.load(path: "/nonexistent/file") } throws: { "\($0)".contains("no such file") }
    }
}
