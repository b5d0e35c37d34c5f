// SPDX-License-Identifier: MIT
import Compute
import Foundation
import Storage
import Synchronization

/// The checkpoints of one run folder.
///
/// A checkpoint is a folder `checkpoints/step-00000500` that appears by one rename after everything in it, the manifest
/// last, has reached the disk. Whatever interrupts a commit, the checkpoints committed before stay valid.
/// One process writes (the trainer holds the run folder's lock), one thread at a time; any number may read meanwhile.
public final class CheckpointStore: Sendable {
    /// Weights, float32.
    public static let modelFile = "model.safetensors"
    /// AdamW's two averages of every parameter, float32.
    public static let optimizerFile = "optimizer.safetensors"
    /// A `CheckpointState` as JSON.
    public static let stateFile = "state.json"

    static let temporaryPrefix = ".tmp-"
    static let replacedPrefix = ".replaced-"

    /// The folder that has, or gets, `checkpoints/`.
    public let runFolder: String
    /// The folder that holds the checkpoints' folders.
    public var folder: String { runFolder + "/checkpoints" }
    let calls: FileCalls
    private let freeBytes: @Sendable (String) -> Int?
    /// Called after every piece that a verification reads, so that work in the background can rest.
    let pause: @Sendable () -> Void
    private let isPrepared = Mutex(false)

    /// Looks at a run folder; nothing is created or changed until `prepareForWriting` or `commit`.
    ///
    /// - Parameters:
    ///   - runFolder: the folder that has, or gets, `checkpoints/`
    ///   - calls: the system calls to write with, so that tests can make them fail
    ///   - freeBytes: tells the free space of the file system that holds a path
    ///   - pause: called after every piece that a verification reads
    public init(
        runFolder: String, calls: FileCalls = .system,
        freeBytes: @escaping @Sendable (String) -> Int? = { Folder.freeBytes($0) }, pause: @escaping @Sendable () -> Void = {}
    ) {
        self.runFolder = runFolder
        self.calls = calls
        self.freeBytes = freeBytes
        self.pause = pause
    }

    /// The folder name of a step: eight digits or more, so that names sort as numbers do.
    public static func name(step: Int) -> String {
        let digits = String(step)
        return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    }

    /// Makes a checkpoint of the tensors as they are now, and names it in `latest` (and in `best`, when it is).
    ///
    /// A checkpoint of the same step, from a timeline that was rolled back, is replaced.
    /// - Parameters:
    ///   - step: updates completed
    ///   - model: float32 weights under nanoGPT's names
    ///   - optimizer: `<parameter>.exp_avg` and `<parameter>.exp_avg_sq`, float32
    ///   - state: its `step` must be `step`
    ///   - facts: the model's sizes, stored with the weights so that the checkpoint folder can be used by itself
    ///   - best: whether its validation loss is the lowest so far
    /// - Throws: `FileError`, or what a source's `fill` throws. Checkpoints committed before are unharmed.
    @discardableResult
    public func commit(
        step: Int, model: [TensorSource], optimizer: [TensorSource], state: CheckpointState, facts: ModelFacts? = nil,
        best: Bool = false
    ) throws -> CheckpointInfo {
        guard step >= 0, state.step == step else {
            throw FileError(
                path: folder, operation: "write the checkpoint", reason: "its state says step \(state.step), not \(step)")
        }
        try prepareForWriting()
        try checkSpace(for: [model, optimizer])
        let name = Self.name(step: step)
        let temporary = folder + "/" + Self.temporaryPrefix + name
        try? FileManager.default.removeItem(atPath: temporary)
        try Folder.create(temporary)
        let lock = FolderMark(temporary)  // tells other processes that the folder is in use, until this function ends
        defer { lock.release() }
        let manifest: CheckpointManifest
        do {
            manifest = try writeFiles(temporary, model: model, optimizer: optimizer, state: state, facts: facts)
            try Folder.synchronize(temporary, calls: calls)
            try putInPlace(temporary, name: name)
        } catch {
            try? FileManager.default.removeItem(atPath: temporary)
            throw error
        }
        try AtomicFileWriter.write(name + "\n", to: runFolder + "/latest", calls: calls)
        if best { try AtomicFileWriter.write(name + "\n", to: runFolder + "/best", calls: calls) }
        return CheckpointInfo(
            name: name, path: folder + "/" + name, manifest: manifest, isLatest: true, isBest: best || pointer("best") == name)
    }

    /// Creates the checkpoints' folder, undoes a replacement that was cut short, and removes what dead processes left.
    ///
    /// - Throws: `FileError` when the folder cannot be created.
    public func prepareForWriting() throws {
        if isPrepared.withLock({ $0 }) { return }
        try Folder.create(folder)
        for name in Folder.names(folder) {
            let path = folder + "/" + name
            if name.hasPrefix(Self.temporaryPrefix), FolderMark.isFree(path) { try? FileManager.default.removeItem(atPath: path) }
            if name.hasPrefix(Self.replacedPrefix) { try restore(name) }
        }
        for name in Folder.names(runFolder) where name.hasPrefix("latest.tmp-") || name.hasPrefix("best.tmp-") {
            try? FileManager.default.removeItem(atPath: runFolder + "/" + name)
        }
        isPrepared.withLock { $0 = true }
    }

    private func checkSpace(for tensors: [[TensorSource]]) throws {
        var needed = 1 << 16  // state, manifest, folder
        for list in tensors { needed += SafetensorsWriter.byteCount(list) ?? 0 }
        guard let free = freeBytes(folder), free < needed else { return }
        throw FileError(
            path: folder, operation: "write the checkpoint", code: ENOSPC,
            reason: "it takes \(MemoryError.text(needed)) and the disk has \(MemoryError.text(free)) free; free some space"
                + " or prune older checkpoints (nothing already written is harmed)")
    }

    private func writeFiles(
        _ folder: String, model: [TensorSource], optimizer: [TensorSource], state: CheckpointState, facts: ModelFacts?
    ) throws -> CheckpointManifest {
        var files: [CheckpointManifest.File] = []
        for (name, sources, metadata) in [(Self.modelFile, model, facts?.metadata ?? [:]), (Self.optimizerFile, optimizer, [:])] {
            let written = try SafetensorsWriter.write(
                path: folder + "/" + name, sources: sources,
                metadata: SafetensorsWriter.defaultMetadata.merging(metadata) { $1 }, calls: calls, synchronizeFolder: false)
            files.append(.init(name: name, bytes: written.byteCount, crc32c: CRC32C.text(written.checksum)))
        }
        let writer = try AtomicFileWriter(path: folder + "/" + Self.stateFile, calls: calls)
        try writer.write(state.encoded())
        try writer.commit(synchronizeFolder: false)
        files.append(.init(name: Self.stateFile, bytes: writer.count, crc32c: CRC32C.text(writer.checksum)))
        let manifest = CheckpointManifest(
            formatVersion: CheckpointState.currentFormatVersion, step: state.step, sequence: nextSequence(),
            created: Date().formatted(.iso8601), files: files, manifestCRC32C: CheckpointManifest.noChecksum)
        let last = try AtomicFileWriter(path: folder + "/" + CheckpointManifest.fileName, calls: calls)
        try last.write(manifest.encoded())
        try last.commit(synchronizeFolder: false)
        return try CheckpointManifest.read(folder: folder)
    }

    private func nextSequence() -> Int {
        let newest = scan(checkSizes: false).valid.map(\.manifest.sequence).max() ?? 0
        return newest == Int.max ? newest : newest + 1
    }

    /// Renames the finished folder; an older one of that name is kept aside until the new one is in place.
    private func putInPlace(_ temporary: String, name: String) throws {
        let final = folder + "/" + name, aside = folder + "/" + Self.replacedPrefix + name
        if Folder.exists(aside) { try restore(Self.replacedPrefix + name) }
        let replaces = Folder.exists(final)
        if replaces { try rename(final, aside) }
        do {
            try rename(temporary, final)
        } catch {
            // If this fails too, readers still find the older one under its other name.
            if replaces { try? rename(aside, final) }
            throw error
        }
        try Folder.synchronize(folder, calls: calls)
        if replaces { try? FileManager.default.removeItem(atPath: aside) }
    }

    func rename(_ from: String, _ to: String) throws {
        if calls.rename(from, to) != 0 { throw FileError(path: to, operation: "rename", errno: errno) }
    }

    /// Ends a replacement that was cut short: the older checkpoint comes back unless the newer one is complete.
    private func restore(_ replaced: String) throws {
        let name = String(replaced.dropFirst(Self.replacedPrefix.count))
        let final = folder + "/" + name, aside = folder + "/" + replaced
        if Folder.exists(final), case .success = check(name: name, checkSizes: true) {
            try? FileManager.default.removeItem(atPath: aside)
        } else {
            if Folder.exists(final) {
                let rubbish = folder + "/" + Self.temporaryPrefix + "damaged-" + name
                try? FileManager.default.removeItem(atPath: rubbish)
                try rename(final, rubbish)
            }
            try rename(aside, final)
        }
    }
}

/// A mark on a folder that is being written; the system removes it when the process ends, however it ends.
///
/// A process id in the name would not do: ids are reused, and in containers every process has the same one.
final class FolderMark {
    private var file: Int32

    init(_ path: String) {
        file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        // A file system without locks only loses the mark; one process writes a run folder at a time anyway.
        if file >= 0 { _ = flock(file, LOCK_EX | LOCK_NB) }
    }

    deinit { release() }

    func release() {
        if file >= 0 { close(file) }
        file = -1
    }

    /// Whether no living process holds the mark.
    static func isFree(_ path: String) -> Bool {
        let file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if file < 0 { return errno != EACCES }
        defer { close(file) }
        return flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK
    }
}
