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
        // The torn line's number is used again; empty lines and others that cannot be read are passed over.
        #expect(after.lines.map(\.seq) == [0, 1])
        try folder.write("m.jsonl", #require(FileManager.default.contents(atPath: folder("m.jsonl"))) + Data("{}\n\n\nx\n".utf8))
        #expect(try MetricsWriter(path: folder("m.jsonl")).write(step(3)).seq == 2)
        try folder.write("m.jsonl", "\n\nx")
        #expect(try MetricsWriter(path: folder("m.jsonl")).write(step(1)).seq == 0)
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

    /// Lines that count how often one is looked at.
    private struct Counted: BidirectionalCollection {
        final class Count { var value = 0 }
        let lines: [RunEvent], count = Count()
        var startIndex: Int { lines.startIndex }
        var endIndex: Int { lines.endIndex }
        func index(after index: Int) -> Int { index + 1 }
        func index(before index: Int) -> Int { index - 1 }
        subscript(index: Int) -> RunEvent {
            count.value += 1
            return lines[index]
        }
    }

    /// What `standing` means, line by line; it grows with the square of the lines, so only tests use it.
    private func standingByDefinition(_ lines: [RunEvent]) -> [RunEvent] {
        var standing: [RunEvent] = []
        for line in lines {
            if line.event == .resume || line.event == .rollback {
                standing.removeAll { $0.step > line.step && [.step, .eval, .checkpoint, .end].contains($0.event) }
                standing.removeAll { $0.event == .end || line.event == .resume && $0.step > line.step && $0.event == .skip }
            }
            standing.append(line)
        }
        return standing
    }

    @Test func whatStandsIsFoundInOneVisitOfEachLine() {
        let kinds: [RunEvent.Kind] = [.start, .step, .eval, .checkpoint, .warning, .skip, .rollback, .resume, .end]
        var random = SeededGenerator(4), found = 0
        for round in 0..<300 {
            // Few of the kinds at a time, so that files of nothing but resumes or rollbacks are among them.
            let some = (0..<1 + round % 4).map { _ in kinds.randomElement(using: &random) ?? .step }
            let lines = (0..<60).map {
                RunEvent(some.randomElement(using: &random) ?? .step, step: .random(in: -1...20, using: &random), seq: $0)
            }
            let counted = Counted(lines: lines), standing = MetricsFile.standing(counted)
            #expect(standing == standingByDefinition(lines), "\(lines.map { "\($0.event) \($0.step)" })")
            #expect(counted.count.value == lines.count)
            found += standing.count
        }
        #expect(found > 0)
    }

    @Test func theLargestNumberOfALineIsGoneOnWith() throws {
        let folder = try TemporaryFolder()
        var last = step(Int.max)
        last.seq = .max
        try folder.write("m.jsonl", RunEvent.makeEncoder().encode(last) + Data("\n".utf8))
        let writer = try MetricsWriter(path: folder("m.jsonl"))
        #expect(try [writer.write(step(1)), writer.write(step(2))].map(\.seq) == [.max, .max])
    }

    /// Numbers that no run reaches would be traps for everyone who counts on from them.
    @Test(arguments: [
        #""step":9223372036854775807"#, #""step":1000000000000000"#, #""step":-1"#, #""step":1,"tokens":-1"#,
        #""step":1,"tokens":9223372036854775807"#, #""step":1,"eval_tokens":-5"#, #""step":1,"bytes":-1"#,
        #""step":1,"planned_bytes":9223372036854775807"#, #""step":1,"threads":-9223372036854775808"#,
    ]) func impossibleNumbersAreUnreadable(fields: String) throws {
        let line = #"{"event":"resume","seq":0,"time":"","# + fields + "}"
        let sound = #"{"event":"step","seq":1,"step":999999999999999,"tokens":999999999999999999,"time":""}"#
        for text in [line + "\n" + sound + "\n", sound + "\n" + line + "\n", sound + "\n" + line] {
            let file = MetricsFile.parse(Data(text.utf8))
            #expect(file.unreadable == 1)
            #expect(file.lines.map(\.step) == [999_999_999_999_999] && file.events == file.lines)
        }
    }

    @Test func aLinkIsNotAppendedTo() throws {
        let folder = try TemporaryFolder()
        try folder.write("mine", "mine\n")
        try FileManager.default.createSymbolicLink(atPath: folder("m.jsonl"), withDestinationPath: folder("mine"))
        #expect { try MetricsWriter(path: folder("m.jsonl")) } throws: { "\($0)".contains("it is a symbolic link") }
        #expect(try String(contentsOfFile: folder("mine"), encoding: .utf8) == "mine\n")
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
