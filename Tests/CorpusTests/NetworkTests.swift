// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import Storage
import Testing

/// Preparations of files that come from elsewhere.
struct NetworkTests {
    /// A network whose servers are a folder: an address is a file's name in it, or `all`.
    // SAFETY: `brought` is touched only with `lock` held.
    final class FolderNetwork: SourceNetwork, @unchecked Sendable {
        let folder: String
        private let lock = NSLock()
        private var brought: [String] = []
        /// What is said of a file's size, whatever it is.
        private let toldSize: Int?
        var log: [String] { lock.withLock { brought } }

        init(_ folder: String, toldSize: Int? = nil) {
            self.folder = folder
            self.toldSize = toldSize
        }

        func list(_ address: String) throws -> [DistantFile] {
            let name = address.dropFirst("https://host/".count)
            return Folder.names(folder).filter { name == "all" || $0 == name }.map { file in
                let size = (try? FileManager.default.attributesOfItem(atPath: folder + "/" + file))?[.size] as? Int
                return DistantFile(name: "https://host/" + file, size: toldSize ?? size, tag: "tag")
            }
        }

        func bring(_ files: [DistantFile], to folder: String) -> any DistantFiles {
            Files(network: self, files: files, target: folder)
        }

        struct Files: DistantFiles {
            let network: FolderNetwork
            let files: [DistantFile]
            let target: String

            private func place(_ index: Int) -> String {
                target + "/\(index)-" + (files[index].name as NSString).lastPathComponent
            }

            func path(of index: Int, isCancelled: () -> Bool) throws -> String {
                if isCancelled() { throw DownloadStopped() }
                let place = place(index)
                if FileManager.default.fileExists(atPath: place) { return place }
                try Folder.create(target)
                let name = (files[index].name as NSString).lastPathComponent
                try FileManager.default.copyItem(atPath: network.folder + "/" + name, toPath: place)
                network.lock.withLock { network.brought.append(name) }
                return place
            }

            func remove(_ index: Int) { unlink(place(index)) }
            func stop() {}
        }
    }

    private func served(_ folder: TemporaryFolder) throws -> FolderNetwork {
        for k in 0..<6 {
            let lines = PrepareTests.lines(300 + 50 * k).joined(separator: "\n")
            try folder.write(
                "server/f\(k).jsonl" + (k % 2 == 0 ? "" : ".gz"), k % 2 == 0 ? Array(lines.utf8) : gzip(Array(lines.utf8)))
        }
        try folder.write("server/notes.pdf", "passed over")
        return FolderNetwork(folder("server"))
    }

    @Test func distantFilesGiveTheBytesOfLocalOnes() throws {
        let folder = try TemporaryFolder()
        let network = try served(folder)
        var local = ResumeTests.options([folder("server/f*")], folder("local"))
        local.valFraction = 0.1
        _ = try Preparer(options: local).run()
        var distant = ResumeTests.options(["https://host/all"], folder("distant"))
        distant.valFraction = 0.1
        distant.network = network
        let manifest = try Preparer(options: distant).run()
        for name in ["train.bin", "val.bin"] {
            #expect(try folder.bytes("local/\(name)") == folder.bytes("distant/\(name)"))
        }
        #expect(
            manifest.sources.map(\.name)
                == ["f0.jsonl", "f1.jsonl.gz", "f2.jsonl", "f3.jsonl.gz", "f4.jsonl", "f5.jsonl.gz"].map { "https://host/" + $0 })
        #expect(network.log.count == 6)
        #expect(folder.names() == ["distant", "local", "server"])
    }

    @Test(arguments: [nil, 0.01]) func noToldSizeIsTooLarge(_ fraction: Double?) throws {
        let folder = try TemporaryFolder()
        _ = try served(folder)
        var options = ResumeTests.options(["https://host/all"], folder("out"))
        options.network = FolderNetwork(folder("server"), toldSize: .max)
        options.valFraction = fraction
        #expect(try Preparer(options: options).run().sources.count == 6)
        #expect(SizeEstimate.sum([1, .max, .max]) == .max && SizeEstimate.sum([1, 2]) == 3)
    }

    @Test func interruptedDownloadsAreNotRepeatedForFilesThatAreDone() throws {
        let folder = try TemporaryFolder()
        func options(_ out: String, _ network: FolderNetwork) -> PrepareOptions {
            var options = ResumeTests.options(["https://host/all"], folder(out))
            options.network = network
            return options
        }
        let first = try served(folder)
        _ = try Preparer(options: options("whole", first)).run()
        let count = Counter(), network = FolderNetwork(folder("server"))
        var preparer = Preparer(options: options("out", network))
        preparer.isCancelled = { count.next() >= 45 }
        let error = #expect(throws: CorpusError.self) { try preparer.run() }
        #expect(error?.description.contains("repeat the command to go on") == true)
        let again = FolderNetwork(folder("server"))
        _ = try Preparer(options: options("out", again)).run()
        #expect(try ResumeTests.content(folder, "out") == ResumeTests.content(folder, "whole"))
        #expect(again.log.count < 6 && !again.log.contains("f0.jsonl"))
        #expect(folder.names() == ["out", "server", "whole"])
        var cached = options("cached", network)
        cached.cache = folder("cache")
        _ = try Preparer(options: cached).run()
        #expect(folder.names("cache").count == 6)
    }

    @Test func partsOfDistantFilesFetchOnlyTheirOwn() throws {
        let folder = try TemporaryFolder()
        let network = try served(folder)
        var options = ResumeTests.options(["https://host/all"], folder("part"))
        options.network = network
        options.part = PreparePart(index: 2, count: 3)
        #expect(message { try Preparer(options: options).run() }.contains("needs --val-fraction"))
        options.valFraction = 0.01
        _ = try Preparer(options: options).run()
        #expect((1...3).contains(network.log.count))
        options.network = nil
        options.out = folder("none")
        #expect(message { try Preparer(options: options).run() }.contains("nothing may be downloaded here"))
    }
}
