// SPDX-License-Identifier: MIT
import Storage

/// A tensor as the pickle describes it, not yet checked against the file.
struct PickleTensor {
    var storageType: String
    var storageKey: String
    var storageCount: Int
    var offset: Int
    var shape: [Int]
    var strides: [Int]
}

/// What torch.save writes besides plain values: a dozen names, none of which is called.
struct TorchPickleRules: PickleRules {
    enum Object {
        /// A persistent id: (type, key, number of elements).
        case storage(type: String, key: String, count: Int)
        case tensor(PickleTensor)
    }

    var subject: String { "tensors" }

    /// Functions that mean a plain value or a tensor, besides the storage types.
    private static let names: Set<String> = [
        "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter", "torch.Size", "torch.device",
    ]

    func allows(_ name: String) throws -> Bool {
        if PyTorchStorage.unsupported.contains(name) {
            throw PickleError("it holds tensors of the type '\(name)', which GPT checkpoints have no use for")
        }
        return Self.names.contains(name) || PyTorchStorage.types[name] != nil
    }

    /// ("storage", type, key, device, number of elements), and before PyTorch 1.6 also what it is a part of.
    func persistent(_ items: [PickleCell]) throws -> Object {
        guard items.count >= 5, case .string("storage") = items[0], case .global(let type) = items[1],
            case .string(let key) = items[2], case .int(let count) = items[4], PyTorchStorage.types[type] != nil
        else { throw PickleError("it describes a storage in an unknown way") }
        if items.count > 5 {
            guard case .none = items[5] else {
                throw PickleError("it has storages that are parts of others, as PyTorch before 0.4 wrote")
            }
        }
        return .storage(type: type, key: key, count: count)
    }

    func call(_ name: String, _ arguments: [PickleCell], heap: [PickleNode<Object>]) throws -> PickleCall<Object> {
        switch name {
        case "torch._utils._rebuild_tensor_v2": return .object(.tensor(try tensor(arguments, heap)))
        case "torch._utils._rebuild_parameter":
            guard let data = arguments.first else { throw PickleError("it has a parameter without data") }
            return .value(data)
        case "torch.Size", "torch.device":
            guard let value = arguments.first else { throw PickleError("it calls \(name) without an argument") }
            return .value(value)
        default: throw PickleError("it calls '\(name)', which is no function that tensors need")
        }
    }

    /// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)
    private func tensor(_ items: [PickleCell], _ heap: [PickleNode<Object>]) throws -> PickleTensor {
        guard items.count >= 4, case .node(let place) = items[0],
            case .object(.storage(let type, let key, let count)) = heap[place], case .int(let offset) = items[1],
            let shape = integers(items[2], heap), let strides = integers(items[3], heap), shape.count == strides.count
        else { throw PickleError("it describes a tensor in an unknown way") }
        return PickleTensor(
            storageType: type, storageKey: key, storageCount: count, offset: offset, shape: shape, strides: strides)
    }

    /// A shape or strides: a tuple of at most 64 whole numbers (PyTorch's own limit).
    private func integers(_ cell: PickleCell, _ heap: [PickleNode<Object>]) -> [Int]? {
        guard let items = PickleMachine<Self>.tuple(cell, heap), items.count <= 64 else { return nil }
        var values: [Int] = []
        for item in items {
            guard case .int(let value) = item else { return nil }
            values.append(value)
        }
        return values
    }
}
