// SPDX-License-Identifier: MIT

/// Writes a pickle of protocol 2 from plain values and tensors, with the opcodes that torch.load(weights_only=True) allows.
struct PickleWriter {
    /// Starts with PROTO 2; no value is memorized, since nothing is written twice but the tied head's storage key.
    private(set) var bytes: [UInt8] = [0x80, 2]

    /// A tensor's place: which storage record, and the shape in it.
    struct TensorReference {
        let key: String
        let shape: [Int]
    }

    /// Ends the pickle with STOP.
    mutating func finish() -> [UInt8] {
        bytes.append(UInt8(ascii: "."))
        return bytes
    }

    /// BINUNICODE: the length in four bytes, then UTF-8.
    mutating func string(_ text: String) {
        let utf8 = Array(text.utf8)
        bytes.append(UInt8(ascii: "X"))
        append(UInt32(clamping: utf8.count))
        bytes += utf8
    }

    /// BININT when 32 bits suffice, else LONG1 of eight bytes.
    mutating func integer(_ value: Int) {
        if let small = Int32(exactly: value) {
            bytes.append(UInt8(ascii: "J"))
            append(small)
        } else {
            bytes += [0x8a, 8]
            append(Int64(value))
        }
    }

    mutating func number(_ value: Double) {
        bytes.append(UInt8(ascii: "G"))
        append(value.bitPattern.byteSwapped)  // big-endian, alone among the numbers
    }

    mutating func bool(_ value: Bool) { bytes.append(value ? 0x88 : 0x89) }
    mutating func none() { bytes.append(UInt8(ascii: "N")) }

    /// A tuple of whole numbers, such as a shape.
    mutating func integers(_ values: [Int]) {
        mark()
        for value in values { integer(value) }
        bytes.append(UInt8(ascii: "t"))
    }

    /// An empty dictionary, filled by `entries`, which writes keys and values in turn.
    mutating func dictionary(ordered: Bool = false, _ entries: (inout PickleWriter) -> Void) {
        if ordered {
            global("collections", "OrderedDict")
            bytes += [UInt8(ascii: ")"), UInt8(ascii: "R")]
        } else {
            bytes.append(UInt8(ascii: "}"))
        }
        mark()
        entries(&self)
        bytes.append(UInt8(ascii: "u"))
    }

    /// A list, filled by `items`.
    mutating func list(_ items: (inout PickleWriter) -> Void) {
        bytes.append(UInt8(ascii: "]"))
        mark()
        items(&self)
        bytes.append(UInt8(ascii: "e"))
    }

    /// A tuple of what `items` writes.
    mutating func tuple(_ items: (inout PickleWriter) -> Void) {
        mark()
        items(&self)
        bytes.append(UInt8(ascii: "t"))
    }

    /// _rebuild_tensor_v2(storage, 0, shape, row-major strides, False, OrderedDict()) of a float32 storage.
    mutating func tensor(_ reference: TensorReference) {
        var strides: [Int] = [], count = 1
        for size in reference.shape.reversed() {
            strides.insert(count, at: 0)
            count *= size
        }
        global("torch._utils", "_rebuild_tensor_v2")
        mark()
        mark()
        string("storage")
        global("torch", "FloatStorage")
        string(reference.key)
        string("cpu")
        integer(count)
        bytes += [UInt8(ascii: "t"), UInt8(ascii: "Q")]
        integer(0)
        integers(reference.shape)
        integers(strides)
        bool(false)
        global("collections", "OrderedDict")
        bytes += [UInt8(ascii: ")"), UInt8(ascii: "R"), UInt8(ascii: "t"), UInt8(ascii: "R")]
    }

    /// A plain value; tensors and bytes, which settings do not hold, become None.
    mutating func value(_ value: PyTorchValue) {
        switch value {
        case .none, .tensor, .bytes: none()
        case .bool(let value): bool(value)
        case .integer(let value): integer(value)
        case .number(let value): number(value)
        case .string(let value): string(value)
        case .list(let items): list { writer in for item in items { writer.value(item) } }
        case .tuple(let items): tuple { writer in for item in items { writer.value(item) } }
        case .dictionary(let pairs):
            dictionary { writer in
                for pair in pairs {
                    writer.value(pair.key)
                    writer.value(pair.value)
                }
            }
        }
    }

    /// GLOBAL: names a class or function; torch.load(weights_only=True) knows those that are used here.
    private mutating func global(_ module: String, _ name: String) {
        bytes.append(UInt8(ascii: "c"))
        bytes += Array("\(module)\n\(name)\n".utf8)
    }

    private mutating func mark() { bytes.append(UInt8(ascii: "(")) }

    private mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
