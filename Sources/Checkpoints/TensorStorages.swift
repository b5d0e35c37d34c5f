// SPDX-License-Identifier: MIT
import Storage

/// Where the numbers of a checkpoint's storages lie in its file.
struct TensorStorages: Sendable {
    let file: MappedFile
    /// What messages put before a key.
    let prefix: String
    /// By key; every range lies inside the file.
    let ranges: [String: Range<Int>]

    /// - Parameter prefix: of the names of the zip file's entries.
    init(_ archive: ZipArchive, prefix: String) {
        file = archive.file
        self.prefix = prefix
        var ranges: [String: Range<Int>] = [:]
        for (name, entry) in archive.entries where name.hasPrefix(prefix) {
            ranges[String(name.dropFirst(prefix.count))] = entry.range
        }
        self.ranges = ranges
    }

    init(file: MappedFile, ranges: [String: Range<Int>]) {
        self.file = file
        prefix = "storage "
        self.ranges = ranges
    }
}

/// torch.save's layout before PyTorch 1.6, which `_use_new_zipfile_serialization=False` still writes.
///
/// Five pickles one behind the other: a magic number, a version, facts about the machine, what was saved, and the keys of the
/// storages; then for each key the number of elements as int64, and the elements.
/// - Note: Source: PyTorch, torch/serialization.py, `_legacy_save`.
struct LegacyLayout {
    let heap: [PickleNode<TorchPickleRules.Object>]
    let top: PickleCell
    let storages: TensorStorages

    /// The first pickle, of the number 0x1950a86a20f9469cfc6c.
    private static let magic: [UInt8] = [
        0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
    ]
    private static let version = 1001

    static func isIn(_ file: MappedFile) -> Bool { file.bytes.starts(with: magic) }

    /// - Throws: `PickleError`.
    init(_ file: MappedFile) throws {
        var position = Self.magic.count
        func next() throws -> (machine: PickleMachine<TorchPickleRules>, value: PickleCell) {
            var machine = PickleMachine(UnsafeRawBufferPointer(rebasing: file.bytes[position...]), rules: TorchPickleRules())
            let value = try machine.run()
            position += machine.position
            return (machine, value)
        }
        guard case .int(Self.version) = try next().value else {
            throw PickleError("it has a version of PyTorch's old layout that is not \(Self.version)")
        }
        let system = try next()
        guard case .node(let place) = system.value, case .dictionary(let facts) = system.machine.heap[place] else {
            throw PickleError("it does not say what machine wrote it; the file is damaged")
        }
        for fact in facts {
            if case .string("little_endian") = fact.key, case .bool(false) = fact.value {
                throw PickleError("its numbers are big-endian; save it again on a little-endian machine")
            }
        }
        let saved = try next()
        let keys = try next()
        guard case .node(let place) = keys.value, case .list(let list) = keys.machine.heap[place] else {
            throw PickleError("it has no list of storages; the file is damaged")
        }
        heap = saved.machine.heap
        top = saved.value
        storages = try TensorStorages(file: file, ranges: Self.ranges(list, types: Self.types(heap), file, from: position))
    }

    /// The element types of the storages that are referred to.
    private static func types(_ heap: [PickleNode<TorchPickleRules.Object>]) -> [String: Int] {
        var sizes: [String: Int] = [:]
        for case .object(.storage(let type, let key, _)) in heap { sizes[key] = PyTorchStorage.types[type]?.size }
        return sizes
    }

    private static func ranges(
        _ keys: [PickleCell], types sizes: [String: Int], _ file: MappedFile, from start: Int
    ) throws -> [String: Range<Int>] {
        let bytes = LittleEndianBytes(file.bytes)
        var position = start, ranges: [String: Range<Int>] = [:]
        for cell in keys {
            guard case .string(let key) = cell, let size = sizes[key] else {
                throw PickleError("it lists a storage that no tensor has; the file is damaged")
            }
            guard let count = bytes.offset64(position), count <= (bytes.count - position - 8) / size else {
                throw PickleError("it ends before the data of storage \(key)")
            }
            position += 8
            guard ranges.updateValue(position..<position + count * size, forKey: key) == nil else {
                throw PickleError("it has the storage \(key) twice; the file is damaged")
            }
            position += count * size
        }
        return ranges
    }
}
