// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage
import TestKit
import Testing

@Suite struct MetricsTests {
    private func step(_ step: Int, loss: Double = 1) -> RunEvent {
        var event = RunEvent(.step, step: step)
        event.loss = loss
        return event
    }

    @Test func linesAreNumberedStampedAndReadBack() throws {
        let folder = try TemporaryFolder()
        let writer = try MetricsWriter(path: folder("m.jsonl")) { Date(timeIntervalSince1970: 0) }
        let written = try [step(1), step(2, loss: .nan), step(3, loss: .infinity)].map { try writer.write($0) }
        #expect(written.map(\.seq) == [0, 1, 2])
        #expect(written[0].time == "1970-01-01T00:00:00.000Z")
        let events = try MetricsFile.read(path: folder("m.jsonl")).events
        #expect(events[0] == written[0])
        #expect(events[1].loss?.isNaN == true)
        #expect(events[2].loss == .infinity)
        let text = try String(contentsOfFile: folder("m.jsonl"), encoding: .utf8)
        #expect(text.hasPrefix("{\"event\":\"step\",\"loss\":1,\"seq\":0,\"step\":1,"))
        // A second writer goes on counting.
        #expect(try MetricsWriter(path: folder("m.jsonl")).write(step(4)).seq == 3)
    }

    @Test func aTornLineIsToleratedAndClosed() throws {
        let folder = try TemporaryFolder()
        try MetricsWriter(path: folder("m.jsonl")).write(step(1))
        var bytes = try #require(FileManager.default.contents(atPath: folder("m.jsonl")))
        bytes.append(Data("{\"event\":\"step\",\"seq\":1,\"st".utf8))
        try folder.write("m.jsonl", bytes)
        let torn = try MetricsFile.read(path: folder("m.jsonl"))
        #expect(torn.events.map(\.step) == [1] && torn.unreadable == 0)
        try MetricsWriter(path: folder("m.jsonl")).write(step(2))
        let after = try MetricsFile.read(path: folder("m.jsonl"))
        #expect(after.events.map(\.step) == [1, 2])
        #expect(after.unreadable == 1)
    }

    @Test func aResumeUndoesWhatCameAfterItsStep() {
        let encoder = RunEvent.makeEncoder()
        var eval = RunEvent(.eval, step: 4)
        eval.valLoss = 3
        let events = [
            RunEvent(.start, step: 0), step(1), step(2), step(3), step(4), eval, RunEvent(.resume, step: 2), step(3, loss: 9),
        ]
        let data = Data(events.map { String(decoding: (try? encoder.encode($0)) ?? Data(), as: UTF8.self) + "\n" }.joined().utf8)
        let file = MetricsFile.parse(data)
        #expect(file.lines.count == 8)
        #expect(file.events.filter { $0.event == .step }.map(\.loss) == [1, 1, 9])
        #expect(!file.events.contains { $0.event == .eval })
    }

    @Test func aFailingDiskIsReported() throws {
        let folder = try TemporaryFolder()
        var calls = FileCalls.system
        calls.write = { _, _, _ in
            errno = ENOSPC
            return -1
        }
        let writer = try MetricsWriter(path: folder("m.jsonl"), calls: calls)
        #expect { try writer.write(step(1)) } throws: { "\($0)".contains("the disk is full") }
    }
}
