// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage
import TestKit
import Testing

@Suite struct TensorBoardTests {
    private let time = RunEvent.timestamp(Date(timeIntervalSince1970: 1_700_000_000.25))

    private func step(_ step: Int, loss: Double) -> RunEvent {
        var event = RunEvent(.step, step: step, time: time)
        event.loss = loss
        event.gradNorm = 0.5
        event.lr = 1e-3
        event.tokens = step * 1024
        return event
    }

    private func evaluation(_ step: Int, val: Double) -> RunEvent {
        var event = RunEvent(.eval, step: step, time: time)
        event.valLoss = val
        event.trainLoss = val - 0.1
        return event
    }

    private var record: RunRecord {
        var config = RunConfig()
        config.nLayer = 3
        config.data = "data/a|b"
        return RunRecord(version: "0", created: time, command: ["train"], config: config, data: nil)
    }

    private func read(_ path: String) throws -> EventFileReader {
        try EventFileReader(try #require(FileManager.default.contents(atPath: path)))
    }

    @Test func everyNumberIsThereUnderItsTag() throws {
        let folder = try TemporaryFolder()
        let log = try TensorBoardLog(folder: folder.path, record: record, history: [])
        try log.write(RunEvent(.start, step: 0, time: time))
        try log.write(evaluation(0, val: 10.8))
        for number in 1...300 { try log.write(step(number, loss: 10 / Double(number))) }
        try log.write(step(301, loss: .nan))
        try log.write(RunEvent(.checkpoint, step: 301, time: time))
        let file = try read(log.path)
        #expect(file.torn == 0)
        #expect(file.records.first?.version == "brain.Event:2")
        #expect(file.records[1].isSessionStart && file.records[1].step == 0)
        #expect(file.records[2].texts["configuration"]?.contains("| n_layer | 3 |") == true)
        #expect(file.records[2].texts["configuration"]?.contains("data/a\\|b") == true)
        #expect(file.records.count == 3 + 1 + 301)
        #expect(file.records.dropFirst(3).allSatisfy { $0.time == 1_700_000_000.25 })
        for (number, value) in file.scalars("train/loss") where number <= 300 { #expect(value == Float(10 / Double(number))) }
        #expect(file.scalars("train/loss").count == 301 && file.scalars("train/loss")[301]?.isNaN == true)
        #expect(file.scalars("train/tokens")[200] == 204800)
        #expect(file.scalars("val/loss") == [0: 10.8])
        #expect(file.scalars("train/eval_loss").count == 1)
        // What the events do not have is not made up.
        #expect(file.scalars("speed/mfu").isEmpty)
        // A tag is explained once.
        #expect(file.records.filter { $0.described.contains("train/loss") }.count == 1)
        #expect(file.records[4].described == ["train/loss", "train/grad_norm", "train/lr", "train/tokens"])
    }

    @Test func aResumeAppendsAFileThatUndoesLaterSteps() throws {
        let folder = try TemporaryFolder()
        var first: TensorBoardLog? = try TensorBoardLog(folder: folder.path, record: record, history: []) { .distantFuture }
        for number in 1...4 { try first?.write(step(number, loss: 1)) }
        let firstPath = try #require(first?.path)
        first = nil
        // The clock went back; names must not.
        let second = try TensorBoardLog(folder: folder.path, record: record, history: [step(1, loss: 7)]) {
            Date(timeIntervalSince1970: 5)
        }
        try second.write(RunEvent(.resume, step: 2, time: time))
        try second.write(step(3, loss: 2))
        #expect(TensorBoardLog.files(in: folder.path).map { folder($0) } == [firstPath, second.path])
        #expect(try read(firstPath).scalars("train/loss").count == 4)
        let file = try read(second.path)
        #expect(file.records.filter(\.isSessionStart).map(\.step) == [3])
        #expect(file.scalars("train/loss") == [3: 2])  // the history is in the first file
        #expect(file.records.contains { $0.texts["configuration"] != nil && $0.step == 2 })
    }

    @Test func theFirstFileOfAnOlderRunHasItsHistory() throws {
        let folder = try TemporaryFolder()
        let history = [RunEvent(.start, step: 0, time: time), evaluation(0, val: 9), step(1, loss: 8), step(2, loss: 7)]
        let log = try TensorBoardLog(folder: folder.path, record: nil, history: history)
        try log.write(RunEvent(.resume, step: 2, time: time))
        try log.write(step(3, loss: 6))
        let file = try read(log.path)
        #expect(file.scalars("train/loss") == [1: 8, 2: 7, 3: 6])
        // The first start is the one that readers ignore.
        #expect(file.records.filter(\.isSessionStart).map(\.step) == [0, 3])
        #expect(file.records.allSatisfy { $0.texts.isEmpty })
    }

    /// What a process that was killed between or within writes leaves: whole records, then at most a part of one.
    @Test func aTornFileGivesTheRecordsBeforeTheTear() throws {
        let folder = try TemporaryFolder()
        let log = try TensorBoardLog(folder: folder.path, record: nil, history: [])
        for number in 1...3 { try log.write(step(number, loss: 1)) }
        let bytes = try #require(FileManager.default.contents(atPath: log.path))
        for missing in [1, 20, 60] {
            let file = try EventFileReader(bytes.dropLast(missing))
            #expect(file.scalars("train/loss").keys.sorted() == [1, 2] && file.torn > 0)
        }
        var damaged = bytes
        damaged[bytes.count - 10] ^= 1
        #expect(throws: EventFileReader.Malformed.self) { try EventFileReader(damaged) }
    }

    @Test func anExportIsOneFileAndRefusesToDouble() throws {
        let folder = try TemporaryFolder()
        let events = [step(1, loss: 3), step(2, loss: 2), evaluation(2, val: 2.5)]
        let path = try TensorBoardLog.export(events, record: record, to: folder("logs/a"))
        #expect(Folder.names(folder("logs/a")).count == 1)
        #expect(try read(path).scalars("train/loss") == [1: 3, 2: 2])
        #expect { try TensorBoardLog.export(events, record: record, to: folder("logs/a")) } throws: {
            "\($0)".contains("would show the run twice; choose another folder")
        }
    }

    @Test func aFullDiskIsReported() throws {
        let folder = try TemporaryFolder()
        var calls = FileCalls.system
        calls.write = { _, _, _ in
            errno = ENOSPC
            return -1
        }
        #expect { try TensorBoardLog(folder: folder.path, record: nil, history: [], calls: calls) } throws: {
            "\($0)".contains("the disk is full")
        }
    }
}
