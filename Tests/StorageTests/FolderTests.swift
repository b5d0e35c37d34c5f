// SPDX-License-Identifier: MIT
import Foundation
import Storage
import Testing

@Suite struct FolderTests {
    @Test func foldersAreMadeWithThoseAbove() throws {
        let folder = try TemporaryFolder()
        try Folder.create(folder.file("a/b/c"))
        try Folder.create(folder.file("a/b/c"))
        #expect(Folder.exists(folder.file("a/b/c")) && !Folder.exists(folder.file("x")))
        try AtomicFileWriter.write("", to: folder.file("file"))
        #expect(!Folder.exists(folder.file("file")))
        #expect(Folder.names(folder.path) == ["a", "file"] && Folder.names(folder.file("x")).isEmpty)
        let error = #expect(throws: FileError.self) { try Folder.create(folder.file("file/below")) }
        #expect(error?.reason == "'\(folder.file("file"))' is a file; choose another place")
    }

    @Test func foldersThatCannotBeFlushedAreTolerated() throws {
        let folder = try TemporaryFolder()
        try Folder.synchronize(folder.path)
        var calls = FileCalls.system
        // What some network file systems answer; any other error counts.
        calls.fsync = { _ in
            errno = EINVAL
            return -1
        }
        try Folder.synchronize(folder.path, calls: calls)
        calls.fsync = { _ in
            errno = EIO
            return -1
        }
        #expect(throws: FileError.self) { try Folder.synchronize(folder.path, calls: calls) }
        #expect(throws: FileError.self) { try Folder.synchronize(folder.file("none")) }
    }

    @Test func freeSpaceIsKnownOfRealPlacesOnly() throws {
        let folder = try TemporaryFolder()
        let free = try #require(Folder.freeBytes(folder.path))
        #expect(free > 0)
        #expect(Folder.freeBytes(folder.file("none")) == nil)
    }
}

@Suite struct FolderLockTests {
    @Test func oneHolderAtATime() throws {
        let folder = try TemporaryFolder()
        do {
            let lock = try FolderLock(folder: folder.path)
            let error = #expect(throws: FileError.self) { try FolderLock(folder: folder.path) }
            #expect(
                error?.description == "cannot use '\(folder.path)': another process (\(getpid())) is using it;"
                    + " wait for it or choose another folder")
            withExtendedLifetime(lock) {}
        }
        _ = try FolderLock(folder: folder.path)
        #expect(throws: FileError.self) { try FolderLock(folder: folder.file("none")) }
    }

    @Test func aLinkInPlaceOfTheLockIsNotWrittenThrough() throws {
        let folder = try TemporaryFolder()
        try "mine".write(toFile: folder.file("mine"), atomically: false, encoding: .utf8)
        try FileManager.default.createSymbolicLink(atPath: folder.file("lock"), withDestinationPath: folder.file("mine"))
        let error = #expect(throws: FileError.self) { try FolderLock(folder: folder.path) }
        #expect(error?.reason.contains("symbolic link") == true)
        #expect(try String(contentsOfFile: folder.file("mine"), encoding: .utf8) == "mine")
    }

    /// Another process holds the lock and is killed: the folder is free at once.
    @Test func aKilledHolderFreesTheFolder() throws {
        let tool = ["/usr/bin/flock", "/bin/flock"].first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let tool else {
            print("skipped: a lock held by another process needs the flock command of util-linux")
            return
        }
        let folder = try TemporaryFolder()
        try "4242\n".write(toFile: folder.file("lock"), atomically: false, encoding: .utf8)
        let holder = Process(), started = Pipe(), input = Pipe()
        holder.executableURL = URL(fileURLWithPath: tool)
        // -o: only flock itself keeps the file open, not the command that it runs.
        holder.arguments = ["-o", folder.file("lock"), "sh", "-c", "echo ready; exec cat"]
        holder.standardOutput = started
        holder.standardInput = input
        try holder.run()
        defer { if holder.isRunning { kill(holder.processIdentifier, SIGKILL) } }
        #expect(started.fileHandleForReading.availableData == Data("ready\n".utf8))
        let error = #expect(throws: FileError.self) { try FolderLock(folder: folder.path) }
        #expect(error?.code == EWOULDBLOCK && error?.reason.hasPrefix("another process (4242) is using it") == true)
        #expect(try String(contentsOfFile: folder.file("lock"), encoding: .utf8) == "4242\n")
        kill(holder.processIdentifier, SIGKILL)
        try input.fileHandleForWriting.close()  // ends the command, which Foundation waits for as well
        holder.waitUntilExit()
        let lock = try FolderLock(folder: folder.path)
        #expect(try String(contentsOfFile: folder.file("lock"), encoding: .utf8) == "\(getpid())\n")
        withExtendedLifetime(lock) {}
    }
}

@Suite struct MappedFileTests {
    @Test func theBytesAreTheFiles() throws {
        let folder = try TemporaryFolder(), bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try AtomicFileWriter.write(Data(bytes), to: folder.file("a"))
        let file = try MappedFile(path: folder.file("a"))
        #expect(file.count == bytes.count && file.bytes.elementsEqual(bytes))
        file.adviseSequential()
        // Released pages are read again; ranges that end within or beyond the file are cut to whole pages.
        for range in [0..<100_000, 1..<2, 5000..<99_999, 90_000..<1_000_000, 7..<7] {
            file.release(range)
            #expect(file.bytes.elementsEqual(bytes))
        }
        // The name may go; the mapping stays.
        unlink(folder.file("a"))
        #expect(file.bytes.elementsEqual(bytes))
    }

    @Test func anEmptyFileHasNoBytes() throws {
        let folder = try TemporaryFolder()
        try AtomicFileWriter.write("", to: folder.file("a"))
        let file = try MappedFile(path: folder.file("a"))
        #expect(file.count == 0 && file.bytes.isEmpty)
        file.adviseSequential()
        file.release(0..<10)
    }

    @Test func whatIsNoFileIsNamed() throws {
        let folder = try TemporaryFolder()
        let missing = #expect(throws: FileError.self) { try MappedFile(path: folder.file("none")) }
        #expect(missing?.description == "cannot open '\(folder.file("none"))': no such file or folder; check the path")
        let directory = #expect(throws: FileError.self) { try MappedFile(path: folder.path) }
        #expect(directory?.reason == "it is not a regular file")
    }

    @Test func bytesInMemoryLookLikeAFile() throws {
        let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
        let file = try bytes.withUnsafeBytes { try MappedFile(path: "memory", contents: $0) }
        file.release(0..<10_000)  // there is no file that the pages could be read from again
        #expect(file.path == "memory" && file.bytes.elementsEqual(bytes))
        let empty = try MappedFile(path: "memory", contents: UnsafeRawBufferPointer(start: nil, count: 0))
        #expect(empty.bytes.isEmpty)
    }
}
