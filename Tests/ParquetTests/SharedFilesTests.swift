// SPDX-License-Identifier: MIT
import Foundation
import Parquet
import Storage
import Testing

/// The eight files that pyarrow wrote, in eight encodings and codecs.
@Suite struct SharedFilesTests {
    struct Expected: Decodable {
        let documents: Int
        let text_sha256_joined_by_0: String
        let null_files: [String]
        let null_files_documents: Int
        let null_files_text_sha256_joined_by_0: String
        let utf8_bytes: Int
    }

    /// The shared folder beside the repository, when there is one.
    static let folder: String? = {
        var url = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        while url.path != "/" {
            url.deleteLastPathComponent()
            let folder = url.appendingPathComponent("shared/data/parquet").path
            if Folder.exists(folder) { return folder }
        }
        return nil
    }()

    @Test func everyFileGivesTheTexts() throws {
        guard let folder = Self.folder else {
            print(
                "skipped: everyFileGivesTheTexts needs ../shared/data/parquet; EncodingTests read the same encodings and codecs")
            return
        }
        let expected = try JSONDecoder().decode(
            Expected.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/expected.json")))
        let files = Folder.names(folder).filter { $0.hasSuffix(".parquet") }
        #expect(files.count == 8)
        let buffers = DecodeBuffers()
        for name in files {
            let file = try ParquetFile(path: folder + "/" + name), column = try file.byteArrayColumn(named: "text")
            var hash = SHA256(), documents = 0, bytes = 0, rows = 0, start = file.rowCount
            for (index, group) in file.rowGroups.enumerated() {
                start -= group.rowCount
                try file.forEachValue(column: column, rowGroup: index, buffers: buffers) { value in
                    defer { rows += 1 }
                    guard let value else { return #expect(rows % 97 == 5) }
                    if documents > 0 { hash.update([0]) }
                    hash.update(value)
                    documents += 1
                    bytes += value.count
                }
            }
            #expect(start == 0)
            #expect(rows == file.rowCount)
            let hasNulls = expected.null_files.contains(String(name.dropLast(8)))
            #expect(documents == (hasNulls ? expected.null_files_documents : expected.documents), "\(name)")
            let digest = hasNulls ? expected.null_files_text_sha256_joined_by_0 : expected.text_sha256_joined_by_0
            #expect(hexadecimal(hash.finalize()) == digest, "\(name)")
            if !hasNulls { #expect(bytes == expected.utf8_bytes) }
        }
    }
}
