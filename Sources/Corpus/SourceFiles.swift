// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Where the files of sources lie on this machine.
struct SourceFiles {
    private let items: [SourceItem]
    private let downloads: SourceDownloads?
    private let isCancelled: () -> Bool

    init(_ items: [SourceItem], downloads: SourceDownloads?, isCancelled: @escaping () -> Bool) {
        self.items = items
        self.downloads = downloads
        self.isCancelled = isCancelled
    }

    /// The path of an item's file; waits for one that is being downloaded.
    func path(of index: Int) throws -> String {
        guard items[index].remote != nil, let downloads else { return items[index].name }
        return try downloads.path(of: index, isCancelled: isCancelled)
    }

    /// Says that the items before one are not needed any more.
    func release(before index: Int) { downloads?.release(before: index) }

    /// Items that can be looked into without downloading many files: the local ones, else the first.
    var cheap: [Int] {
        let local = items.indices.filter { items[$0].remote == nil }
        return local.isEmpty ? Array(items.indices.prefix(1)) : local
    }
}
