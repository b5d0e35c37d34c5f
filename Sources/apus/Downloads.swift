// SPDX-License-Identifier: MIT
import Foundation
import Remote

/// Fetches single files, such as GPT-2's vocabulary; who asks verifies what came.
enum Downloads {
    /// Fetches a URL into a file.
    ///
    /// - Throws: `FileError` when curl is missing or the transfer fails; then nothing is left.
    @Sendable static func fetch(_ url: String, to path: String) throws {
        Console.note("downloading \(url)")
        defer { for ending in [".lock", ".part"] { unlink(path + ending) } }
        var downloader = HuggingFace().downloader()
        downloader.note = { Console.note($0) }
        downloader.tries = Downloader.fewTries
        try downloader.fetch(RemoteFile(name: url, url: url), to: path)
    }
}
