// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// A file that has to be brought to this machine before it can be read.
public struct DistantFile: Sendable, Equatable {
    /// What messages and manifests call it; its ending tells its kind.
    public var name: String
    /// Bytes; nil when that is not known.
    public var size: Int?
    /// What changes with its content.
    public var tag: String?

    public init(name: String, size: Int?, tag: String?) {
        self.name = name
        self.size = size
        self.tag = tag
    }
}

/// Lists and brings files; this layer knows nothing of protocols.
public protocol SourceNetwork: Sendable {
    /// The files that an address stands for: one, or those of a pattern, in order.
    func list(_ address: String) throws -> [DistantFile]

    /// Brings files of the lists to a folder, in order, some ahead of the one that is asked for.
    func bring(_ files: [DistantFile], to folder: String) -> any DistantFiles
}

/// Files on their way.
public protocol DistantFiles: Sendable {
    /// Waits until a file is there and gives its path.
    ///
    /// - Throws: `DownloadStopped` when it was cancelled; else why the file cannot be had.
    func path(of index: Int, isCancelled: () -> Bool) throws -> String
    /// Removes a file that is not needed any more.
    func remove(_ index: Int)
    /// Ends all transfers.
    func stop()
}

/// Thrown by a download that was told to stop.
public struct DownloadStopped: Error {
    public init() {}
}

/// Turns addresses on the network into items.
enum RemoteSources {
    static func isAddress(_ argument: String) -> Bool {
        ["hf://", "https://", "http://"].contains { argument.hasPrefix($0) }
    }

    /// What a file counts at most among others, in bytes.
    private static let largestWeight = 1 << 50

    /// - Throws: `CorpusError` of kind usage when nothing there can be read; what the listing throws.
    static func items(of argument: String, argument index: Int, network: (any SourceNetwork)?) throws -> [SourceItem] {
        guard let network else {
            throw CorpusError.usage("'\(argument)' is an address, but nothing may be downloaded here; give files")
        }
        let items = try network.list(argument).compactMap { file -> SourceItem? in
            // An address may have a query behind the name.
            let path = file.name.split(separator: "?").first.map(String.init) ?? file.name
            guard let (format, compression) = SourceList.format(of: path) else { return nil }
            // A size is only a weight here, and a server may say anything.
            return SourceItem(
                name: file.name, format: format, compression: compression, bytes: min(file.size ?? 0, largestWeight),
                argument: index, identity: file.tag ?? "", remote: file)
        }
        guard !items.isEmpty else {
            throw CorpusError.usage("'\(argument)' has no file that can be read; known kinds are \(SourceList.knownKinds)")
        }
        return items
    }
}

/// The downloads of one preparation.
final class SourceDownloads {
    private let files: any DistantFiles
    /// The place among the files of each item that is one.
    private let places: [Int: Int]
    private let deletes: Bool

    /// - Parameters:
    ///   - folder: where the files come to lie.
    ///   - deletes: whether a file is removed when its documents are safely in the dataset.
    init?(_ items: [SourceItem], selection: PartSelection, network: any SourceNetwork, folder: String, deletes: Bool) {
        var places: [Int: Int] = [:], files: [DistantFile] = []
        for (index, item) in items.enumerated() where selection.mayHold(item: index) {
            guard let remote = item.remote else { continue }
            places[index] = files.count
            files.append(remote)
        }
        guard !files.isEmpty else { return nil }
        self.places = places
        self.deletes = deletes
        self.files = network.bring(files, to: folder)
    }

    /// Waits until an item's file is there.
    func path(of index: Int, isCancelled: () -> Bool) throws -> String {
        guard let place = places[index] else { throw CorpusError(.data, "source \(index) is not among the files to download") }
        return try files.path(of: place, isCancelled: isCancelled)
    }

    func release(before index: Int) {
        guard deletes else { return }
        for (item, place) in places where item < index { files.remove(place) }
    }

    func stop() { files.stop() }
}
