// SPDX-License-Identifier: MIT
import CTokenization
import Foundation
import Tokenization

/// Bytes of ids that a worker makes and the thread that writes reads; written once, in place.
// SAFETY: one thread at a time; the pipeline hands it on with a lock between.
final class TokenBytes: NarrowOutput, @unchecked Sendable {
    private var base: UnsafeMutableRawPointer?
    private var capacity = 0
    private(set) var count = 0

    deinit { free(base) }

    /// What was appended; valid until something is appended.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// Makes room for as many more bytes, so that appending them moves nothing.
    ///
    /// - Throws: `CorpusError` when the system gives no memory.
    func reserve(_ more: Int) throws {
        guard count + more > capacity || base == nil else { return }
        let size = max(count + more, capacity * 2, 4096)
        guard let grown = realloc(base, size) else {
            throw CorpusError(.data, "no memory for \(size) bytes of tokens; use fewer workers")
        }
        base = grown
        capacity = size
    }

    func room(for ids: Int) throws -> UnsafeMutablePointer<UInt16> {
        try reserve(ids * 2)
        guard let base else { throw CorpusError(.data, "no memory for tokens; use fewer workers") }
        return (base + count).assumingMemoryBound(to: UInt16.self)
    }

    func keep(_ ids: Int) { count += ids * 2 }

    /// Appends ids as little-endian numbers of the type.
    func append(_ ids: UnsafeBufferPointer<UInt32>, as type: TokenType) throws {
        try reserve(ids.count * type.size)
        guard let base, let start = ids.baseAddress else { return }
        let target = base + count
        // The machines that Apus runs on are little-endian.
        switch type {
        case .uint16: apus_narrow_ids(start, ids.count, target.assumingMemoryBound(to: UInt16.self))
        case .uint32: target.copyMemory(from: start, byteCount: ids.count * 4)
        }
        count += ids.count * type.size
    }

    /// Counts what was appended.
    func count(with counter: IdCounter, as type: TokenType) {
        guard let base else { return }
        switch type {
        case .uint16: counter.add(UnsafeBufferPointer(start: base.assumingMemoryBound(to: UInt16.self), count: count / 2))
        case .uint32: counter.add(UnsafeBufferPointer(start: base.assumingMemoryBound(to: UInt32.self), count: count / 4))
        }
    }
}

/// Counts how often each id of a vocabulary comes; for one thread.
final class IdCounter {
    private let handle: OpaquePointer
    private let vocabularySize: Int

    /// - Throws: `CorpusError` when the system gives no memory.
    init(vocabularySize: Int) throws {
        guard let handle = apus_id_counter_create(vocabularySize) else {
            throw CorpusError(.data, "no memory to count \(vocabularySize) ids; use fewer workers")
        }
        self.handle = handle
        self.vocabularySize = vocabularySize
    }

    deinit { apus_id_counter_destroy(handle) }

    func add(_ ids: UnsafeBufferPointer<UInt16>) { apus_id_counter_add16(handle, ids.baseAddress, ids.count) }
    func add(_ ids: UnsafeBufferPointer<UInt32>) { apus_id_counter_add(handle, ids.baseAddress, ids.count) }

    /// Adds the counts to totals by id, which get a place for each, and begins again at 0.
    func take(into totals: inout [Int]) {
        if totals.count < vocabularySize { totals += [Int](repeating: 0, count: vocabularySize - totals.count) }
        totals.withUnsafeMutableBytes { words in
            apus_id_counter_take(handle, words.baseAddress?.assumingMemoryBound(to: UInt64.self))
        }
    }
}
