// SPDX-License-Identifier: MIT
import Foundation
import Storage
import Testing

struct NameTests {
    @Test func onlyPlainNamesStayInAFolder() {
        let longest = String(repeating: "a", count: 255)
        for name in ["a", "model-00001-of-00002.safetensors", ".hidden", "..a", "ä b", "a\\b", longest] {
            #expect(Paths.isPlainName(name), "\(name)")
        }
        let bad = [
            "", ".", "..", "/", "a/b", "../a", "a/..", "/etc/passwd", "a\u{0}", "\u{0}../a", "a\nb", "\u{7F}", longest + "a",
        ]
        for name in bad { #expect(!Paths.isPlainName(name), "\(name)") }
    }

    @Test func aLinkUnderTheTemporaryNameIsNotFollowed() throws {
        let folder = NSTemporaryDirectory() + "apus-storage-" + UUID().uuidString
        try Folder.create(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let victim = folder + "/victim", path = folder + "/file"
        try Data("mine".utf8).write(to: URL(fileURLWithPath: victim))
        #expect(symlink(victim, path + ".tmp-\(getpid())") == 0)
        try AtomicFileWriter.write("new", to: path)
        #expect(FileManager.default.contents(atPath: victim) == Data("mine".utf8))
        #expect(FileManager.default.contents(atPath: path) == Data("new".utf8))
        #expect(Folder.names(folder) == ["file", "victim"])
    }
}
