// SPDX-License-Identifier: MIT
import Compute
import Storage

/// PyTorch's storage classes and the element types they stand for.
enum PyTorchStorage {
    static let types: [String: DType] = [
        "torch.FloatStorage": .float32, "torch.DoubleStorage": .float64, "torch.HalfStorage": .float16,
        "torch.BFloat16Storage": .bfloat16, "torch.LongStorage": .int64, "torch.IntStorage": .int32, "torch.ByteStorage": .uint8,
        "torch.BoolStorage": .uint8,
    ]
    static let unsupported: Set<String> = [
        "torch.ShortStorage", "torch.CharStorage", "torch.ComplexFloatStorage", "torch.ComplexDoubleStorage",
        "torch.QInt8Storage",
        "torch.QUInt8Storage", "torch.QInt32Storage",
    ]
}

/// A plain value of a PyTorch checkpoint.
public indirect enum PyTorchValue: Sendable {
    /// Python's None.
    case none
    /// True or False; not an `integer` as in Python.
    case bool(Bool)
    /// A whole number that fits 64 bits.
    case integer(Int)
    /// A Python float; a whole number is an `integer`.
    case number(Double)
    /// Python's str.
    case string(String)
    /// Python's bytes.
    case bytes([UInt8])
    /// Python's list, in order.
    case list([PyTorchValue])
    /// Python's tuple, in order.
    case tuple([PyTorchValue])
    /// In the order in which the pickle has them; of equal keys the last counts.
    case dictionary([(key: PyTorchValue, value: PyTorchValue)])
    /// A view of a storage in the file; the bytes are read only when asked for.
    case tensor(PyTorchTensor)

    /// The value of a text key; nil when this is no dictionary or has no such key.
    public subscript(_ key: String) -> PyTorchValue? {
        guard case .dictionary(let pairs) = self else { return nil }
        return pairs.last { $0.key.string == key }?.value
    }

    /// nil for anything but a string.
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    /// nil for anything but a whole number; see `number` for tensors of one element.
    public var integer: Int? { if case .integer(let value) = self { value } else { nil } }
    /// nil for anything but True and False.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// nil for anything but a tensor.
    public var tensor: PyTorchTensor? { if case .tensor(let value) = self { value } else { nil } }

    /// A number, also that of a tensor of one element.
    public var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        case .tensor(let tensor) where tensor.count == 1: tensor.firstValue
        default: nil
        }
    }

    /// The elements of a list or tuple.
    public var items: [PyTorchValue]? {
        switch self {
        case .list(let items), .tuple(let items): items
        default: nil
        }
    }
}

/// A tensor of a PyTorch checkpoint, mapped from the file.
public struct PyTorchTensor: Sendable {
    /// From the storage's class; bool is uint8.
    public let dtype: DType
    /// Empty for a scalar.
    public let shape: [Int]
    /// In elements, one for each dimension.
    public let strides: [Int]
    /// Identifies the storage; tensors that share memory have the same.
    public let storageKey: String
    /// First element's place in the storage, in elements.
    public let offset: Int
    /// Number of elements.
    public let count: Int
    // SAFETY: the file keeps the mapping alive; the checks in `init` keep every element inside `storage`.
    private let file: MappedFile
    private let storage: Range<Int>

    /// Checks that every element lies inside the storage.
    init(_ pickled: PickleTensor, storages: TensorStorages) throws {
        guard let dtype = PyTorchStorage.types[pickled.storageType] else {
            throw PickleError("a tensor has the unknown type '\(pickled.storageType)'")
        }
        let name = storages.prefix + pickled.storageKey
        guard let range = storages.ranges[pickled.storageKey] else {
            throw PickleError("the data '\(name)' of a tensor are missing")
        }
        func refuse() -> PickleError {
            PickleError(
                "a tensor (offset \(pickled.offset), shape \(pickled.shape), strides \(pickled.strides)) does not fit its data '\(name)'"
                    + " of \(range.count) bytes")
        }
        guard pickled.storageCount >= 0, pickled.storageCount <= range.count / dtype.size, pickled.offset >= 0,
            let count = TensorSource.count(pickled.shape), count <= pickled.storageCount
        else { throw refuse() }
        var last = pickled.offset
        for (size, stride) in zip(pickled.shape, pickled.strides) where count > 0 {
            let (span, spanOverflow) = (size - 1).multipliedReportingOverflow(by: stride)
            let (sum, sumOverflow) = last.addingReportingOverflow(span)
            guard stride >= 0, !spanOverflow, !sumOverflow else { throw refuse() }
            last = sum
        }
        guard count == 0 || last < pickled.storageCount else { throw refuse() }
        self.dtype = dtype
        file = storages.file
        self.count = count
        shape = pickled.shape
        strides = pickled.strides
        storageKey = pickled.storageKey
        offset = count == 0 ? 0 : pickled.offset
        storage = range
    }

    /// Whether the elements lie in the file in row-major order without gaps.
    public var isContiguous: Bool {
        if count == 0 { return true }
        var expected = 1
        for (size, stride) in zip(shape, strides).reversed() where size != 1 {
            if stride != expected { return false }
            expected *= size  // at most `count`
        }
        return true
    }

    private var storageBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[storage]) }

    /// Copies elements in row-major order, starting at an element.
    ///
    /// - Parameters:
    ///   - piece: at least one element, none beyond the tensor's end
    ///   - start: the first element
    public func copy(to piece: UnsafeMutableRawBufferPointer, from start: Int) {
        let size = dtype.size, elements = piece.count / size, bytes = storageBytes
        precondition(start >= 0 && elements <= count - start, "elements \(start)..<\(start + elements) of \(count)")
        if isContiguous {
            let low = (offset + start) * size
            piece.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[low..<low + elements * size]))
            return
        }
        for element in 0..<elements {
            var rest = start + element, place = offset
            for (dimension, stride) in zip(shape, strides).reversed() {
                place += rest % dimension * stride
                rest /= dimension
            }
            for byte in 0..<size { piece[element * size + byte] = bytes[place * size + byte] }
        }
    }

    /// All elements as float32.
    ///
    /// - Throws: `FileError` when the dtype is an integer's.
    public func floats() throws -> [Float] {
        let values = try FloatSource(dtype: dtype, path: file.path)
        var raw = [UInt8](repeating: 0, count: count * dtype.size)
        raw.withUnsafeMutableBytes { if count > 0 { copy(to: $0, from: 0) } }
        return raw.withUnsafeBytes { bytes in (0..<count).map { values.value(bytes, $0) } }
    }

    var firstValue: Double? {
        guard count > 0 else { return nil }
        var raw = [UInt8](repeating: 0, count: dtype.size)
        raw.withUnsafeMutableBytes { copy(to: $0, from: 0) }
        return raw.withUnsafeBytes { bytes in
            switch dtype {
            case .float64: bytes.loadUnaligned(as: Double.self)
            case .int64: Double(bytes.loadUnaligned(as: Int64.self))
            case .int32: Double(bytes.loadUnaligned(as: Int32.self))
            case .uint16: Double(bytes.loadUnaligned(as: UInt16.self))
            case .uint8: Double(bytes[0])
            case .float32, .float16, .bfloat16:
                (try? FloatSource(dtype: dtype, path: "")).map { Double($0.value(bytes, 0)) }
            }
        }
    }

    /// Whether two tensors are the same numbers in the same memory.
    func isSame(as other: PyTorchTensor) -> Bool {
        storageKey == other.storageKey && offset == other.offset && shape == other.shape && strides == other.strides
            && dtype == other.dtype
    }
}

/// A checkpoint of torch.save, read without Python and without running its code: a zip file, or PyTorch's layout before 1.6.
public final class PyTorchCheckpoint: Sendable {
    /// As it was given, for errors.
    public let path: String
    /// What was saved.
    public let root: PyTorchValue

    /// Places of containers are shared in a pickle; a tree repeats them, so its size needs a bound of its own.
    private static let mostValues = 1_000_000
    private static let deepest = 100

    /// - Throws: `FileError` when the file is no such checkpoint, is damaged, or asks for anything but tensors and plain values.
    public convenience init(path: String) throws { try self.init(file: MappedFile(path: path)) }

    /// - Throws: `FileError` as above.
    public init(file: MappedFile) throws {
        let path = file.path
        self.path = path
        func refuse(_ reason: String) -> FileError {
            FileError(path: path, operation: "read the PyTorch checkpoint", reason: reason)
        }
        if LegacyLayout.isIn(file) {
            do {
                let layout = try LegacyLayout(file)
                var builder = TreeBuilder(heap: layout.heap, storages: layout.storages, budget: Self.mostValues)
                root = try builder.value(layout.top, depth: 0, deepest: Self.deepest)
            } catch let error as PickleError {
                throw refuse(error.description)
            }
            return
        }
        guard file.bytes.starts(with: [0x50, 0x4b]) else { throw refuse("it is no zip file, so torch.save did not write it") }
        let archive = try ZipArchive(file: file)
        guard let pickle = archive.entries.values.filter({ $0.name.hasSuffix("/data.pkl") }).min(by: { $0.name < $1.name }) else {
            throw refuse("it has no data.pkl, so torch.save did not write it")
        }
        let folder = String(pickle.name.dropLast("/data.pkl".count))
        if let order = archive.entries["\(folder)/byteorder"], archive.bytes(order).elementsEqual(Array("big".utf8)) {
            throw refuse("its numbers are big-endian; save it again on a little-endian machine")
        }
        do {
            var machine = PickleMachine(archive.bytes(pickle), rules: TorchPickleRules())
            let top = try machine.run()
            let storages = TensorStorages(archive, prefix: "\(folder)/data/")
            var builder = TreeBuilder(heap: machine.heap, storages: storages, budget: Self.mostValues)
            root = try builder.value(top, depth: 0, deepest: Self.deepest)
        } catch let error as PickleError {
            throw refuse(error.description)
        }
    }

    /// Turns the machine's places into a tree of values.
    private struct TreeBuilder {
        let heap: [PickleNode<TorchPickleRules.Object>]
        let storages: TensorStorages
        var budget: Int

        mutating func value(_ cell: PickleCell, depth: Int, deepest: Int) throws -> PyTorchValue {
            budget -= 1
            guard budget >= 0 else { throw PickleError("it has more than \(PyTorchCheckpoint.mostValues) values") }
            guard depth < deepest else { throw PickleError("its values are nested deeper than \(deepest)") }
            switch cell {
            case .none, .mark: return .none
            case .bool(let value): return .bool(value)
            case .int(let value): return .integer(value)
            case .float(let value): return .number(value)
            case .string(let value): return .string(value)
            case .bytes(let value): return .bytes(value)
            case .global(let name): return .string(name)
            case .node(let place): return try node(heap[place], depth: depth + 1, deepest: deepest)
            }
        }

        private mutating func node(_ node: PickleNode<TorchPickleRules.Object>, depth: Int, deepest: Int) throws -> PyTorchValue {
            switch node {
            case .list(let items): return .list(try items.map { try value($0, depth: depth, deepest: deepest) })
            case .tuple(let items): return .tuple(try items.map { try value($0, depth: depth, deepest: deepest) })
            case .dictionary(let pairs):
                return .dictionary(
                    try pairs.map {
                        (try value($0.key, depth: depth, deepest: deepest), try value($0.value, depth: depth, deepest: deepest))
                    })
            case .object(.storage): return .none
            case .object(.tensor(let tensor)): return .tensor(try PyTorchTensor(tensor, storages: storages))
            }
        }
    }
}
