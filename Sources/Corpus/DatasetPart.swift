// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage

/// `part.json`, beside the dataset of one part: all that is needed to make one manifest of several parts.
struct DatasetPart: Codable {
    static let currentFormat = 1
    static let fileName = "part.json", identitiesName = "identities.bin"

    var formatVersion = currentFormat
    var part: PreparePart
    /// The options that decide the content, without the part.
    var fingerprint: [String: String]
    /// What the manifest of the whole says besides the sums.
    var maker: ManifestMaker
    var inputs: [PrepareJournal.Input]
    var state: PrepareState

    /// Writes the facts of a part into its dataset.
    static func write(
        _ maker: ManifestMaker, _ options: PrepareOptions, _ part: PreparePart, _ sources: SourceList, _ state: PrepareState,
        into folder: WorkFolder
    ) throws {
        var fingerprint = options.fingerprint
        fingerprint["part"] = nil
        // Paths to one tokenizer may differ from machine to machine; its hash is compared.
        if case .file = options.tokenizer { fingerprint["tokenizer"] = nil }
        let facts = DatasetPart(
            part: part, fingerprint: fingerprint, maker: maker, inputs: PrepareJournal.inputs(sources), state: state)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try folder.write(String(decoding: encoder.encode(facts), as: UTF8.self) + "\n", name: fileName)
        let target = folder.dataset + "/" + identitiesName
        unlink(target)
        do { try FileManager.default.copyItem(atPath: folder.identities, toPath: target) } catch {
            throw FileError(path: target, operation: "write", errno: errno == 0 ? EIO : errno)
        }
    }

    static func read(_ folder: String) throws -> DatasetPart {
        let path = folder + "/" + fileName
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw CorpusError.usage(
                "'\(folder)' is no part: it has no \(fileName); parts are made with `apus prepare --part i/N`")
        }
        guard let part = try? JSONDecoder().decode(DatasetPart.self, from: bytes), part.formatVersion == currentFormat else {
            throw CorpusError.data(path, "it is not of this version of apus; prepare the part again")
        }
        guard part.part.isValid else {
            throw CorpusError.data(path, "it says to be part \(part.part.text); parts are 1/N to N/N; prepare the part again")
        }
        return part
    }
}

/// Joins the parts of a preparation into the dataset that an undivided one would have made, byte for byte.
public struct DatasetMerger {
    /// The parts, in any order.
    public let folders: [String]
    /// The folder to write; it must not exist.
    public let out: String
    /// Told how much of the tokens was joined, 0...1.
    public var progress: (Double) -> Void = { _ in }
    /// Asked often; true stops the work.
    public var isCancelled: () -> Bool = { false }
    /// Tokens that a planned run will see, for the audit.
    public var planTokens: Int?
    package var calls = FileCalls.system

    /// - Parameters:
    ///   - folders: the parts, in any order.
    ///   - out: the folder to write; it must not exist.
    public init(folders: [String], out: String) {
        self.folders = folders
        self.out = out
    }

    private struct Part {
        var folder: String
        var facts: DatasetPart
        var dataset: TokenDatasetFiles
    }

    /// - Throws: `CorpusError`: a part is missing, twice there, damaged, or made with other options; `FileError`.
    public func run() throws -> DatasetManifest {
        try WorkFolder.refuseExisting(out)
        let parts = try read()
        guard let first = parts.first else { throw CorpusError.usage("no part was given; name their folders behind --merge") }
        for part in parts.dropFirst() { try compare(part, with: first) }
        let folder = try WorkFolder(out: out, calls: calls)
        if try folder.journal() != nil {
            throw CorpusError.usage("'\(folder.path)' holds an unfinished preparation; delete it or choose another --out")
        }
        guard let type = TokenType(rawValue: first.facts.maker.dtype) else {
            throw CorpusError.data(first.folder, "its dtype is '\(first.facts.maker.dtype)'; known are uint16 and uint32")
        }
        let writer = try DatasetWriter(
            folder: folder, type: type, shardTokens: first.facts.fingerprint["shard-tokens"].flatMap(Int.init), calls: calls)
        let total = max(1, parts.reduce(0) { $0 + $1.dataset.bytes })
        var done = 0, state = PrepareState(vocabularySize: 0), duplicates = DuplicateCounter()
        for part in parts {
            for (split, file) in part.dataset.files {
                try copy(file, to: split == "val" ? writer.write(val:) : writer.write(train:))
                done += file.bytes
                progress(Double(done) / Double(total))
            }
            // A document that is new in its part may be known from an earlier one.
            let path = part.folder + "/" + DatasetPart.identitiesName
            try forEachIdentity(in: path, count: try MappedFile(path: path).count / 8) { duplicates.add($0) }
            duplicates.add(duplicates: part.facts.state.duplicates, isFull: part.facts.state.duplicatesAreFull)
            state.add(part.facts.state)
        }
        state.duplicates = duplicates.duplicates
        state.duplicatesAreFull = duplicates.isFull
        try first.facts.maker.refuseNothing(state)
        try folder.write(first.dataset.tokenizer, name: "tokenizer.json")
        var manifest = first.facts.maker.manifest(state, files: try writer.finishTokens())
        PlannedEpochs.add(planTokens, to: &manifest)
        try folder.commit(manifest)
        return manifest
    }

    /// The parts in their order; every one must be there once.
    private func read() throws -> [Part] {
        let parts = try folders.map { folder in
            Part(folder: folder, facts: try DatasetPart.read(folder), dataset: try TokenDatasetFiles(folder))
        }.sorted { $0.facts.part.index < $1.facts.part.index }
        guard let count = parts.first?.facts.part.count else { return [] }
        if let other = parts.first(where: { $0.facts.part.count != count }) {
            throw CorpusError.usage("'\(other.folder)' is part \(other.facts.part.text), but others are of \(count) parts")
        }
        for (a, b) in zip(parts, parts.dropFirst()) where a.facts.part == b.facts.part {
            throw CorpusError.usage("'\(a.folder)' and '\(b.folder)' are both part \(a.facts.part.text); name each part once")
        }
        let there = Set(parts.map(\.facts.part.index))
        if let missing = (1...count).first(where: { !there.contains($0) }) {
            let given = "'\(parts[0].folder)'" + (parts.count > 1 ? " and the other parts given" : "")
            throw CorpusError.usage("part \(missing)/\(count) is missing beside \(given); prepare it, then merge all \(count)")
        }
        return parts
    }

    private func compare(_ part: Part, with first: Part) throws {
        func refuse(_ what: String) -> CorpusError {
            CorpusError.usage("'\(part.folder)' and '\(first.folder)' do not belong together: \(what); prepare one of them again")
        }
        let (a, b) = (part.facts, first.facts)
        if a.maker.tokenizer != b.maker.tokenizer { throw refuse("their tokenizers differ") }
        if a.maker.dtype != b.maker.dtype { throw refuse("their ids are \(a.maker.dtype) and \(b.maker.dtype)") }
        if a.inputs.map(\.name) != b.inputs.map(\.name) || a.maker.sources != b.maker.sources {
            throw refuse("their lists of sources differ")
        }
        let names = Set(a.fingerprint.keys).union(b.fingerprint.keys).sorted()
        if let name = names.first(where: { a.fingerprint[$0] != b.fingerprint[$0] }) { throw refuse("--\(name) differs") }
        var (x, y) = (a.maker.options, b.maker.options)
        x["tokenizer"] = nil
        y["tokenizer"] = nil
        if x != y { throw refuse("their options differ") }
    }

    private func copy(_ file: DatasetManifest.File, path: String, to write: (UnsafeRawBufferPointer) throws -> Void) throws {
        let mapped = try MappedFile(path: path)
        mapped.adviseSequential()
        var crc = CRC32C(), position = 0
        while position < mapped.count {
            if isCancelled() { throw CorpusError.interrupted }
            let piece = UnsafeRawBufferPointer(rebasing: mapped.bytes[position..<min(position + (4 << 20), mapped.count)])
            try withExtendedLifetime(mapped) {
                crc.update(piece)
                try write(piece)
            }
            mapped.release(position..<position + piece.count)
            position += piece.count
        }
        guard mapped.count == file.bytes, CRC32C.text(crc.value) == file.crc32c else {
            throw CorpusError.data(path, "it is not what dataset.json says (size or CRC-32C); prepare the part again")
        }
    }

    private func copy(_ file: TokenDatasetFiles.File, to write: (UnsafeRawBufferPointer) throws -> Void) throws {
        try copy(file.facts, path: file.path, to: write)
    }
}

/// The files of a dataset as its manifest names them.
private struct TokenDatasetFiles {
    struct File {
        var path: String
        var facts: DatasetManifest.File
        var bytes: Int { facts.bytes }
    }

    var files: [(split: String, file: File)]
    var tokenizer: String
    var bytes: Int { files.reduce(0) { $0 &+ $1.file.bytes } }

    init(_ folder: String) throws {
        let manifest = try DatasetManifest.read(path: folder + "/dataset.json")
        files = try manifest.files.map { entry in
            guard Paths.isPlainName(entry.name) else {
                throw CorpusError.data(folder + "/dataset.json", "it names the file '\(entry.name)' outside its folder")
            }
            return (entry.split, File(path: folder + "/" + entry.name, facts: entry))
        }
        guard let bytes = FileManager.default.contents(atPath: folder + "/tokenizer.json") else {
            throw FileError(path: folder + "/tokenizer.json", operation: "read", errno: errno == 0 ? ENOENT : errno)
        }
        tokenizer = String(decoding: bytes, as: UTF8.self)
        guard SHA256.hex(of: tokenizer) == manifest.tokenizer.sha256 else {
            throw CorpusError.data(
                folder + "/tokenizer.json", "it is not the one that dataset.json names; prepare the part again")
        }
    }
}
