// SPDX-License-Identifier: MIT
import RunLog

/// nanoGPT's lines.
extension LogReader {
    /// `iter 10: loss 9.1234, time 4370.12ms, mfu 11.50%`, the cursor behind "iter ".
    mutating func nanoIter(_ cursor: inout LineCursor) -> Bool {
        guard let number = cursor.integer(), cursor.take(": loss "), let loss = cursor.real() else { return false }
        expect(step: number, cursor)
        var point = StepPoint(step: number)
        point.loss = loss
        if cursor.take(", time ") || cursor.skip(past: "time "), let ms = cursor.real(), cursor.take("ms") { point.stepMs = ms }
        // nanoGPT prints -100 % until it has measured.
        if cursor.take(", mfu ") || cursor.skip(past: "mfu "), let mfu = cursor.real(), cursor.take("%"), mfu >= 0 {
            point.mfuPrinted = mfu / 100
        }
        current.steps.append(point)
        nanoLines += 1
        return true
    }

    /// `step 500: train loss 5.8600, val loss 5.8600`, the cursor at the colon.
    mutating func nanoEval(_ cursor: inout LineCursor, step: Int) -> Bool {
        guard cursor.take(": train loss "), let train = cursor.real() else { return false }
        // Forks print further numbers between the two.
        guard cursor.take(", val loss ") || cursor.skip(past: "val loss "), let val = cursor.real() else { return false }
        if let last = current.evals.last?.step, step < last { expectEval(step: step, cursor) }
        var point = EvalPoint(step: step)
        point.trainLoss = train
        point.valLoss = val
        // The same evaluation printed twice (at the seam of a resume) counts once.
        if current.evals.last?.step == step { current.evals.removeLast() }
        current.evals.append(point)
        nanoLines += 1
        return true
    }

    private mutating func expectEval(step: Int, _ cursor: LineCursor) {
        let last = current.steps.last?.step
        expect(step: step, cursor)
        // A log of evaluations only has no step to fall back from.
        if last == nil {
            let config = current.config, parameters = current.parameters, tokens = current.tokensPerStep
            segments.append(current)
            current = LogSegment()
            (current.config, current.parameters, current.tokensPerStep, current.firstLine) = (
                config, parameters, tokens, cursor.number
            )
        }
    }
}

/// The lines of modded-nanogpt and its kin.
extension LogReader {
    /// `step:125/5100 val_loss:6.2 train_time:...` or `step:1/5100 train_loss:16.0 ...`, the cursor behind "step:".
    mutating func moddedLine(_ cursor: inout LineCursor) -> Bool {
        guard let step = cursor.integer() else { return false }
        if cursor.take("/"), let total = cursor.integer() { current.config["max_iters"] = .integer(total) }
        cursor.skipSpaces()
        if cursor.take("val_loss:"), let loss = cursor.real() {
            if let last = current.evals.last?.step, step < last { expect(step: step, cursor) }
            var point = EvalPoint(step: step)
            point.valLoss = loss
            if current.evals.last?.step == step { current.evals.removeLast() }
            current.evals.append(point)
        } else if cursor.take("train_loss:"), let loss = cursor.real() {
            expect(step: step, cursor)
            var point = StepPoint(step: step)
            point.loss = loss
            if cursor.skip(past: "lr:") { point.lr = cursor.real() }
            current.steps.append(point)
        } else {
            return false
        }
        nanoLines += 1
        moddedLines += 1
        return true
    }
}

/// llm.c's lines.
extension LogReader {
    /// `step    1/19560 | loss 11.009 (+nanz)| norm 15.3 (+nanz)| lr 8.57e-07 | 1960.10 ms | 45.2% bf16 MFU | 262144 tok/s`,
    /// the cursor at the slash.
    mutating func llmcStep(_ cursor: inout LineCursor, step: Int) -> Bool {
        guard cursor.take("/"), let total = cursor.integer(), cursor.skip(past: "loss ", within: 40), let loss = cursor.real()
        else {
            return false
        }
        expect(step: step, cursor)
        var point = StepPoint(step: step)
        point.loss = loss
        if cursor.skip(past: "norm ") { point.gradNorm = cursor.real() }
        if cursor.skip(past: "lr ") { point.lr = cursor.real() }
        if cursor.skip(past: "| "), let ms = cursor.real(), cursor.take(" ms") { point.stepMs = ms }
        if cursor.skip(past: "| "), let mfu = cursor.real(), cursor.take("%"), mfu > 0 { point.mfuPrinted = mfu / 100 }
        if cursor.skip(past: "| "), let speed = cursor.real() { point.tokensPerSecond = speed }
        current.config["max_iters"] = .integer(total)
        current.steps.append(point)
        llmcLines += 1
        return true
    }

    /// `val loss 3.2722`, the cursor behind the words; it stands before the step that follows.
    mutating func llmcEval(_ cursor: inout LineCursor) -> Bool {
        guard let loss = cursor.real() else { return false }
        var point = EvalPoint(step: current.steps.last?.step ?? 0)
        point.valLoss = loss
        current.evals.append(point)
        llmcLines += 1
        return true
    }

    /// `s:250 tel:6.46`, `s:1 trl:11.0 lr:8.5e-07 norm:15.4`, `s:250 hel:0.25`, the cursor behind "s:".
    mutating func mainLog(_ cursor: inout LineCursor) -> Bool {
        guard let step = cursor.integer() else { return false }
        cursor.skipSpaces()
        if cursor.take("tel:"), let loss = cursor.real() {
            if let last = current.evals.last?.step, step < last { expect(step: step, cursor) }
            var point = EvalPoint(step: step)
            point.valLoss = loss
            if current.evals.last?.step == step { current.evals.removeLast() }
            current.evals.append(point)
        } else if cursor.take("trl:"), let loss = cursor.real() {
            expect(step: step, cursor)
            var point = StepPoint(step: step)
            point.loss = loss
            if cursor.skip(past: "lr:") { point.lr = cursor.real() }
            if cursor.skip(past: "norm:") { point.gradNorm = cursor.real() }
            current.steps.append(point)
        } else if !cursor.take("hel:") {
            return false
        }
        mainLogLines += 1
        return true
    }

    /// A row of llm.c's table: `| channels C            | 768      |`.
    mutating func llmcTable(_ cursor: inout LineCursor) {
        let cells = cursor.line(300).split(separator: "|").map { trim($0) }
        guard cells.count >= 2 else { return }
        let name = cells[0], value = cells[1]
        if let key = Self.llmcKeys[name] {
            begin(cursor)
            current.config[key] = ConfigValue(typed: value)
            return
        }
        switch name {
        case "train data pattern":
            begin(cursor)
            current.trainPath = value
        case "resume": if value == "1" { current.saysResumed = true }
        case "device": current.deviceName = value
        case "peak TFlops": current.devicePeakTflops = Double(value)
        case "num_parameters": current.parameters = Double(value)
        case "total batch size": current.tokensPerStep = Double(value)
        case "final LR fraction": current.config["final_lr_fraction"] = ConfigValue(typed: value)
        case "LR scheduler": current.config["lr_schedule"] = .text(value)
        default: return
        }
        llmcLines += 1
    }

    private static let llmcKeys = [
        "micro batch size B": "batch_size", "sequence length T": "block_size", "learning rate (LR)": "learning_rate",
        "warmup iterations": "warmup_iters", "weight decay": "weight_decay", "val_loss_every": "eval_interval",
        "val_num_batches": "eval_iters", "padded_vocab_size Vp": "vocab_size", "num_layers L": "n_layer",
        "num_heads NH": "n_head",
        "channels C": "n_embd", "train_num_batches": "max_iters", "precision": "dtype",
    ]

    private func trim(_ text: Substring) -> String {
        var text = text
        while text.first == " " { text.removeFirst() }
        while let last = text.last, last == " " || last == "\r" { text.removeLast() }
        return String(text)
    }
}
