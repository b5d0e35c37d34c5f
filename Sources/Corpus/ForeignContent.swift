// SPDX-License-Identifier: MIT

/// Tells what a file holds that is taken for token ids by mistake: any bytes are ids, so nothing else would say so.
enum ForeignContent {
    /// How files of a kind begin. Ids as well can be these numbers; three and more of them in the right order are no chance.
    private static let beginnings: [(bytes: [UInt8], kind: String)] = [
        ([0x1F, 0x8B, 0x08], "gzip"), ([0x28, 0xB5, 0x2F, 0xFD], "Zstandard"), (Array("PAR1".utf8), "Parquet"),
        (Array("GGUF".utf8), "a GGUF model"), ([0x50, 0x4B, 0x03, 0x04], "a zip archive"),
    ]
    /// Bytes of text that are no chance: ids hardly ever have two printable bytes, and eight in a row never.
    private static let leastText = 16, mostText = 4096

    /// For people: what it is; nil for what may be ids.
    static func kind(of bytes: UnsafeRawBufferPointer) -> String? {
        if let known = beginnings.first(where: { bytes.starts(with: $0.bytes) }) { return known.kind }
        let start = UnsafeRawBufferPointer(rebasing: bytes.prefix(mostText))
        guard start.count >= leastText else { return nil }
        // The last character may be cut.
        let whole = UnsafeRawBufferPointer(rebasing: start.dropLast(UTF8Text.openTail(start)))
        let isText = UTF8Text.firstIllFormed(whole) == nil && UTF8Text.nonTextBytes(whole) == 0
        return isText ? "text" : nil
    }
}
