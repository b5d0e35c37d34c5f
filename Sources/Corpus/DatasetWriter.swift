// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage

/// The token files of a dataset that grows in a work folder, and the identities of its documents.
final class DatasetWriter {
    private let folder: WorkFolder
    private let train: TokenStream
    private let val: TokenStream
    private let identities: AppendedFile

    /// Where the files are, for the journal.
    struct Place {
        var train: TokenStream.Place
        var val: TokenStream.Place
        /// Bytes of identities.
        var identities: Int
        var identitiesCRC: UInt32
    }

    /// - Parameters:
    ///   - shardTokens: tokens of a shard; nil for one file a split.
    ///   - place: where to go on; nil begins anew, removing what is there.
    init(
        folder: WorkFolder, type: TokenType, shardTokens: Int?, calls: FileCalls, from place: Place? = nil,
        keeping names: Set<String> = []
    ) throws {
        self.folder = folder
        func stream(_ split: String) -> TokenStream {
            TokenStream(folder: folder.dataset, split: split, type: type, shardTokens: shardTokens, calls: calls)
        }
        train = stream("train")
        val = stream("val")
        guard let place else {
            try folder.clean(keeping: names)
            identities = try AppendedFile(path: folder.identities, calls: calls)
            return
        }
        try folder.clean(keeping: names.union(train.names(at: place.train)).union(val.names(at: place.val)))
        do {
            try train.restore(place.train)
            try val.restore(place.val)
            identities = try AppendedFile(
                path: folder.identities, calls: calls, keeping: (place.identities, place.identitiesCRC))
        } catch {
            throw CorpusError.data(folder.path, "the preparation cannot go on: \(error). Delete the folder to begin anew")
        }
    }

    func write(train bytes: UnsafeRawBufferPointer) throws { try train.write(bytes) }
    func write(val bytes: UnsafeRawBufferPointer) throws { try val.write(bytes) }

    /// Appends identities that are new, little-endian.
    func remember(_ new: [UInt64]) throws {
        guard !new.isEmpty else { return }
        try new.map { $0.littleEndian }.withUnsafeBytes { try identities.write($0) }
    }

    /// Flushes all to the disk and says where the files are.
    func synchronize() throws -> Place {
        try identities.synchronize()
        return Place(
            train: try train.synchronize(), val: try val.synchronize(), identities: identities.count,
            identitiesCRC: identities.crc.value)
    }

    /// Ends the token files and says what the manifest says of them.
    func finishTokens() throws -> [DatasetManifest.File] { try train.finish() + val.finish() }
}

/// The identities that a file of them holds, in order.
func forEachIdentity(in path: String, count: Int, _ body: (UInt64) -> Void) throws {
    let file = try MappedFile(path: path)
    guard count >= 0, count <= file.count / 8 else { throw CorpusError.data(path, "it has fewer identities than it should") }
    withExtendedLifetime(file) {
        let bytes = file.bytes
        for i in 0..<count { body(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: i * 8, as: UInt64.self))) }
    }
}
