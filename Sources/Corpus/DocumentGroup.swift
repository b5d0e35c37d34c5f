// SPDX-License-Identifier: MIT
import CTokenization

/// Neighbouring documents that are looked at together. Their texts are borrowed, so that the group has to be handed on
/// before they go away.
struct DocumentGroup {
    /// Enough documents of a few kilobytes to hash sixteen at a time; no more bytes than a second-level cache keeps until they are
    /// encoded.
    static let mostDocuments = 256, mostBytes = 256 << 10

    private var documents: [Document] = []
    private var bytes = 0

    /// Adds a document, mending its UTF-8, and hands the group on when it is full.
    ///
    /// - Parameter isValidation: the split of a piece of a single document; nil where the document's hash decides.
    mutating func add(
        _ text: UnsafeRawBufferPointer, item: Int, isValidation: Bool? = nil, _ body: ([Document]) throws -> Void
    ) throws {
        var nonText = 0
        if !apus_scan_text(text.baseAddress?.assumingMemoryBound(to: UInt8.self), text.count, &nonText),
            let repaired = UTF8Text.repaired(text)
        {
            // The mended text lives here only, so it goes alone.
            try handOn(body)
            try repaired.withUnsafeBytes {
                try body([
                    Document(
                        text: $0, wasRepaired: true, item: item, isValidation: isValidation,
                        nonTextBytes: UTF8Text.nonTextBytes($0))
                ])
            }
            return
        }
        documents.append(
            Document(text: text, wasRepaired: false, item: item, isValidation: isValidation, nonTextBytes: nonText))
        bytes += text.count
        if documents.count >= Self.mostDocuments || bytes >= Self.mostBytes { try handOn(body) }
    }

    /// Hands on what is there.
    mutating func handOn(_ body: ([Document]) throws -> Void) throws {
        guard !documents.isEmpty else { return }
        defer {
            documents.removeAll(keepingCapacity: true)
            bytes = 0
        }
        try body(documents)
    }
}
