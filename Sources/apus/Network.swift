// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import Remote
import Synchronization

/// The network as preparations see it: the Hugging Face hub for `hf://`, one file for any other address.
final class Network: SourceNetwork {
    private let hub = HuggingFace()
    private let downloader: Downloader
    /// The files of the lists given out, by name: what Corpus need not know of them.
    private let known = Mutex<[String: RemoteFile]>([:])

    init(note: @escaping @Sendable (String) -> Void) {
        var downloader = hub.downloader()
        downloader.note = note
        self.downloader = downloader
    }

    func list(_ address: String) throws -> [DistantFile] {
        let isHub = address.hasPrefix("hf://")
        let files = isHub ? try hub.files(address, downloader: downloader) : [try downloader.look(address)]
        known.withLock { known in for file in files { known[file.name] = file } }
        return files.map { DistantFile(name: $0.name, size: $0.size, tag: $0.tag) }
    }

    func bring(_ files: [DistantFile], to folder: String) -> any DistantFiles {
        let files = known.withLock { known in files.map { known[$0.name] ?? RemoteFile(name: $0.name, url: $0.name) } }
        return Queue(queue: DownloadQueue(files, folder: folder, downloader: downloader))
    }

    private struct Queue: DistantFiles {
        let queue: DownloadQueue

        func path(of index: Int, isCancelled: () -> Bool) throws -> String {
            do { return try queue.path(of: index, isCancelled: isCancelled) } catch is Downloader.Stopped {
                throw DownloadStopped()
            }
        }

        func remove(_ index: Int) { queue.remove(index) }
        func stop() { queue.stop() }
    }
}
