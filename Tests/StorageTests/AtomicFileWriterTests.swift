// SPDX-License-Identifier: MIT
import Foundation
import Storage
import Synchronization
import Testing

/// A folder that is removed when the test ends.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "apus-storage-\(UUID().uuidString)"
        try Folder.create(path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }
}

@Suite struct AtomicFileWriterTests {
    private func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }

    @Test func theNameShowsTheOldFileUntilTheCommit() throws {
        let folder = try TemporaryFolder(), path = folder.file("a")
        try AtomicFileWriter.write("old", to: path)
        let writer = try AtomicFileWriter(path: path)
        try writer.write("new ")
        try writer.write(Data("file".utf8))
        #expect(text(path) == "old" && Folder.names(folder.path).count == 2)
        try writer.commit()
        #expect(text(path) == "new file" && Folder.names(folder.path) == ["a"])
        #expect(writer.count == 8)
        #expect(writer.checksum == Array("new file".utf8).withUnsafeBytes { CRC32C.of($0) })
        let again = #expect(throws: FileError.self) { try writer.commit() }
        #expect(again?.reason == "it was committed before")
        #expect(text(path) == "new file")
    }

    /// A user who may write in /dev would have a file there instead of the device, or of the link /dev/stdout.
    @Test func nothingTakesTheNameOfADevice() throws {
        let folder = try TemporaryFolder(), pipe = folder.file("pipe")
        #expect(mkfifo(pipe, 0o600) == 0 && symlink(pipe, folder.file("link")) == 0)
        for path in ["/dev/null", pipe, folder.file("link")] {
            let error = #expect(throws: FileError.self) { try AtomicFileWriter.write("x", to: path) }
            #expect(error?.reason.contains("a device, a pipe or a socket") == true, "\(path)")
        }
        #expect(Folder.names(folder.path) == ["link", "pipe"])
    }

    @Test func aDroppedWriterLeavesNothing() throws {
        let folder = try TemporaryFolder()
        do {
            let writer = try AtomicFileWriter(path: folder.file("a"))
            try writer.write("half")
        }
        #expect(Folder.names(folder.path).isEmpty)
    }

    @Test func aMissingFolderIsNamed() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: FileError.self) { try AtomicFileWriter(path: folder.file("none/a")) }
        #expect(error?.description == "cannot create '\(folder.file("none/a"))': no such file or folder; check the path")
    }

    /// Fails the call with this number, counted from 0, and counts all.
    private final class OneFault: Sendable {
        let count = Mutex(0)
        let failing: Int
        let code: Int32
        init(_ failing: Int, _ code: Int32) {
            self.failing = failing
            self.code = code
        }

        func fails() -> Bool {
            let number = count.withLock { count in
                defer { count += 1 }
                return count
            }
            if number == failing { errno = code }
            return number == failing
        }

        var calls: FileCalls {
            let system = FileCalls.system
            var calls = system
            calls.open = { [self] in fails() ? -1 : system.open($0, $1, $2) }
            calls.write = { [self] in fails() ? -1 : system.write($0, $1, $2) }
            calls.fsync = { [self] in fails() ? -1 : system.fsync($0) }
            calls.close = { [self] file in
                let failed = fails()
                _ = system.close(file)
                if failed { errno = code }
                return failed ? -1 : 0
            }
            calls.rename = { [self] in fails() ? -1 : system.rename($0, $1) }
            return calls
        }
    }

    @Test(arguments: [ENOSPC, EIO, EDQUOT]) func everyFailingCallKeepsTheOldFileOrPutsTheNewOne(_ code: Int32) throws {
        let counter = OneFault(-1, 0), folder = try TemporaryFolder(), path = folder.file("a")
        try AtomicFileWriter.write("new", to: path, calls: counter.calls)
        let total = counter.count.withLock { $0 }
        #expect(total == 8)  // open, write, fsync, close, rename; then the folder's open, fsync, close
        let operations = ["create", "write", "flush", "close", "rename", "open", "flush"]
        for (number, operation) in operations.enumerated() {
            try AtomicFileWriter.write("old", to: path)
            let error = #expect(throws: FileError.self) {
                try AtomicFileWriter.write("new", to: path, calls: OneFault(number, code).calls)
            }
            #expect(error?.code == code && error?.operation == operation)
            // The last two flush the folder: the new file is there, only its safety against a power cut is not sure.
            #expect(text(path) == (number < 5 ? "old" : "new"))
            #expect(Folder.names(folder.path) == ["a"])
        }
    }

    @Test func aFullDiskSaysWhatToDo() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: FileError.self) {
            try AtomicFileWriter.write("x", to: folder.file("a"), calls: OneFault(1, ENOSPC).calls)
        }
        #expect(
            error?.description == "cannot write '\(folder.file("a"))': the disk is full; free some space or choose another folder"
                + " (nothing already written is harmed)")
    }

    @Test func shortAndInterruptedWritesGoOn() throws {
        let folder = try TemporaryFolder(), system = FileCalls.system, count = Mutex(0)
        var calls = system
        calls.write = { file, bytes, size in
            let number = count.withLock { count in
                defer { count += 1 }
                return count
            }
            if number % 3 == 0 {
                errno = EINTR
                return -1
            }
            return system.write(file, bytes, min(size, 7))
        }
        let long = String((0..<200).flatMap { "\($0)," })
        try AtomicFileWriter.write(long, to: folder.file("a"), calls: calls)
        #expect(text(folder.file("a")) == long)
    }

    @Test func aWriteOfNothingIsAFullDisk() throws {
        let folder = try TemporaryFolder()
        var calls = FileCalls.system
        calls.write = { _, _, _ in 0 }
        let error = #expect(throws: FileError.self) { try AtomicFileWriter.write("x", to: folder.file("a"), calls: calls) }
        #expect(error?.code == ENOSPC)
    }
}
