// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import TestKit
import Testing

@Suite struct ExportTests {
    private func events() -> [RunEvent] {
        var start = RunEvent(.start, step: 0, time: "2026-01-01T00:00:00.000Z")
        start.device = "a, \"b\""
        var step = RunEvent(.step, step: 1, time: "2026-01-01T00:00:01.500Z")
        step.loss = 0.1
        step.gradNorm = .infinity
        step.tokens = 2048
        var skip = RunEvent(.skip, step: 2, time: "2026-01-01T00:00:02.000Z")
        skip.loss = .nan
        var eval = RunEvent(.eval, step: 1, time: "2026-01-01T00:00:03.000Z")
        eval.valLoss = 1.0 / 3
        eval.valBitsPerByte = 1e-7
        var end = RunEvent(.end, step: 2, time: "2026-01-01T00:00:04.000Z")
        end.message = "completed"
        return [start, step, skip, eval, end]
    }

    @Test func tableHasFixedColumnsAndExactNumbers() throws {
        let lines = MetricsTable.csv(events()).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        #expect(lines.count == 5 && lines[4].isEmpty)  // header, three rows, the last line feed
        let header = lines[0].split(separator: ",").map(String.init)
        #expect(
            header == [
                "event", "step", "time", "tokens", "loss", "grad_norm", "lr", "step_ms", "data_ms", "tokens_per_second",
                "flops_per_token", "mfu", "ceiling_fraction", "memory_bytes", "train_loss", "train_stderr", "val_loss",
                "val_stderr", "val_bits_per_byte", "eval_tokens", "eval_ms",
            ])
        let rows = lines[1...3].map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
        #expect(rows.allSatisfy { $0.count == header.count })
        #expect(Array(rows[0][0..<6]) == ["step", "1", "2026-01-01T00:00:01.500Z", "2048", "0.1", "inf"])
        #expect(rows[0][6...].allSatisfy { $0.isEmpty })
        #expect(rows[1][4] == "NaN")
        #expect(Double(rows[2][16]) == 1.0 / 3 && Double(rows[2][18]) == 1e-7)
    }

    @Test func aStrangeTimeIsQuoted() {
        var step = RunEvent(.step, step: 1, time: "a,\"b\"\nc")
        step.loss = 1
        #expect(MetricsTable.csv([step]).contains("step,1,\"a,\"\"b\"\"\nc\",,1,"))
    }

    @Test func wandbHasOneRowAStep() throws {
        var config = RunConfig()
        config.nLayer = 5
        config.data = "data/x"
        let record = RunRecord(
            version: "0.1", created: "", command: ["train", "c.toml"], config: config,
            data: RunData(tokenizer: "gpt2", trainTokens: 10, valTokens: 5))
        let folder = try TemporaryFolder()
        try WandbFolder(events(), record: record).write(to: folder("w"))
        func object(_ text: some StringProtocol) throws -> [String: Any] {
            try #require(try JSONSerialization.jsonObject(with: Data(String(text).utf8)) as? [String: Any])
        }
        let rows = try String(contentsOfFile: folder("w/history.jsonl"), encoding: .utf8).split(separator: "\n").map {
            try object($0)
        }
        #expect(rows.map { $0["_step"] as? Int } == [1, 2])
        // The update and its evaluation are one row, at the time of the later one.
        #expect(rows[0]["train/loss"] as? Double == 0.1 && rows[0]["val/loss"] as? Double == 1.0 / 3)
        #expect(rows[0]["_runtime"] as? Double == 3)
        #expect(rows[0]["train/grad_norm"] as? String == "Infinity" && rows[1]["train/loss"] as? String == "NaN")
        let summary = try object(String(contentsOfFile: folder("w/summary.json"), encoding: .utf8))
        #expect(summary["val/loss"] as? Double == 1.0 / 3 && summary["best_step"] as? Int == 1)
        #expect(summary["state"] as? String == "completed" && summary["_step"] as? Int == 2)
        let stored = try object(String(contentsOfFile: folder("w/config.json"), encoding: .utf8))
        #expect(
            stored["n_layer"] as? Int == 5 && stored["data"] as? String == "data/x"
                && stored["command"] as? String == "train c.toml")
        #expect((stored["data_facts"] as? [String: Any])?["tokenizer"] as? String == "gpt2")
    }

    @Test func aRunThatNeverEndedIsRunning() throws {
        let folder = try WandbFolder(events().filter { $0.event != .end }, record: nil)
        #expect(folder.summary["state"] as? String == "running" && folder.config.isEmpty)
    }
}
