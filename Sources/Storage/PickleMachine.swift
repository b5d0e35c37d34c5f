// SPDX-License-Identifier: MIT

/// Says why a pickle is refused; the reader adds the file's name.
package struct PickleError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// A value on the machine's stack. Containers are places in `PickleHeap`, so that nothing nests in memory:
/// however deep or cyclic a pickle is, building and freeing it takes no recursion.
package enum PickleCell: Sendable {
    case none
    case bool(Bool)
    case int(Int)
    case float(Double)
    case string(String)
    case bytes([UInt8])
    /// An allowed class or function, by its full name.
    case global(String)
    case node(Int)
    case mark
}

/// What a container's place holds.
package enum PickleNode<Object> {
    case list([PickleCell])
    case tuple([PickleCell])
    case dictionary([(key: PickleCell, value: PickleCell)])
    /// Something that the rules made.
    case object(Object)
}

/// What a kind of pickle may hold besides plain values, and what that means.
package protocol PickleRules {
    associatedtype Object
    /// What such a pickle is for, as in "which tensors do not need".
    var subject: String { get }
    /// The one gate for names: what is not allowed here never becomes a value.
    ///
    /// - Throws: `PickleError` when the rules have better words than "it asks for ...".
    func allows(_ name: String) throws -> Bool
    /// The meaning of a persistent id, of which the elements are given.
    ///
    /// - Throws: `PickleError`.
    func persistent(_ items: [PickleCell]) throws -> Object
    /// The meaning of a call of an allowed name: a value, or a new object.
    ///
    /// - Throws: `PickleError`.
    func call(_ name: String, _ arguments: [PickleCell], heap: [PickleNode<Object>]) throws -> PickleCall<Object>
}

/// What a call in a pickle stands for.
package enum PickleCall<Object> {
    case value(PickleCell)
    case object(Object)
}

/// Numbers, texts and containers of them, and nothing else.
package struct PlainPickleRules: PickleRules {
    package let subject: String

    package init(subject: String) { self.subject = subject }

    package func allows(_ name: String) -> Bool { false }
    package func persistent(_ items: [PickleCell]) throws -> Never { throw refuse("it refers to something outside of it") }
    package func call(_ name: String, _ arguments: [PickleCell], heap: [PickleNode<Never>]) throws -> PickleCall<Never> {
        throw refuse("it calls '\(name)'")
    }

    private func refuse(_ what: String) -> PickleError { PickleError("\(what), which \(subject) do not need") }
}

/// Runs the opcodes of a pickle that containers, numbers and strings need, and refuses everything else that its rules do not allow.
///
/// A pickle is a program that may call any function of Python. This machine calls none: it builds plain values and what its rules
/// make of the few names they know, and memory and time grow no faster than the pickle's size.
/// - Note: Source: the opcode table in CPython's Lib/pickletools.py, protocols 2 to 5.
package struct PickleMachine<Rules: PickleRules> {
    package typealias Node = PickleNode<Rules.Object>

    /// All containers and objects made so far; cells refer to them by place.
    package private(set) var heap: [Node] = []
    private let rules: Rules
    private let bytes: LittleEndianBytes
    /// The byte that comes next: after `run`, the first behind the pickle.
    package private(set) var position = 0
    private var stack: [PickleCell] = []
    /// Values that the pickle gave a number, to refer to them again; numbers are the pickle's choice, hence no array.
    private var memo: [Int: PickleCell] = [:]
    /// Pairs that dictionaries may still take from lists: one list can be made a dictionary of many times.
    private var pairsLeft: Int

    package init(_ bytes: UnsafeRawBufferPointer, rules: Rules) {
        self.bytes = LittleEndianBytes(bytes)
        self.rules = rules
        pairsLeft = bytes.count
    }

    /// Runs to the end and gives the value on top of the stack, whose containers are in `heap`.
    ///
    /// - Throws: `PickleError` naming what is refused or damaged.
    package mutating func run() throws -> PickleCell {
        while true {
            let code = try take(1, as: UInt8.self)
            if code == UInt8(ascii: ".") { return try pop() }
            if try step(code) || memorize(code) || build(code) { continue }
            throw PickleError("it uses the pickle opcode 0x\(String(code, radix: 16)), which \(rules.subject) do not need")
        }
    }

    // MARK: Reading

    /// The next number, which must fit an Int; the file decides every length, so all are checked.
    private mutating func take<T: FixedWidthInteger>(_ size: Int, as type: T.Type) throws -> Int {
        guard let value = bytes.number(position, as: type), let int = Int(exactly: value) else {
            throw PickleError("it ends early")
        }
        position += size
        return int
    }

    private mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
        guard let slice = bytes.slice(position, count) else { throw PickleError("it ends early") }
        position += count
        return slice
    }

    /// The next `count` bytes as UTF-8.
    private mutating func text(_ count: Int) throws -> String {
        guard let text = String(validating: try take(count), as: UTF8.self) else {
            throw PickleError("a text in it is not UTF-8")
        }
        return text
    }

    /// The bytes up to a line feed: how GLOBAL writes its two names.
    private mutating func line() throws -> String {
        var end = position
        while let byte = bytes.number(end, as: UInt8.self), byte != 0x0a {
            end += 1
            guard end - position < 1000 else { throw PickleError("a name in it has no end") }
        }
        let text = try text(end - position)
        _ = try take(1)
        return text
    }

    // MARK: Stack

    /// Takes a value off the stack; a mark is none.
    private mutating func pop() throws -> PickleCell {
        guard let cell = stack.popLast() else { throw PickleError("its stack runs empty; the file is damaged") }
        if case .mark = cell { throw PickleError("a mark stands where a value belongs; the file is damaged") }
        return cell
    }

    /// Takes everything above the last mark, and the mark.
    private mutating func popToMark() throws -> [PickleCell] {
        var start = stack.count - 1
        while start >= 0 {
            if case .mark = stack[start] { break }
            start -= 1
        }
        guard start >= 0 else { throw PickleError("a mark is missing; the file is damaged") }
        let cells = Array(stack[(start + 1)...])
        stack.removeSubrange(start...)
        return cells
    }

    /// Puts a container into the heap and its place on the stack.
    private mutating func push(_ node: Node) {
        stack.append(.node(heap.count))
        heap.append(node)
    }

    // MARK: Opcodes

    /// Constants, numbers and texts.
    private mutating func step(_ code: Int) throws -> Bool {
        switch UInt8(truncatingIfNeeded: code) {
        case 0x80:  // PROTO
            let version = try take(1, as: UInt8.self)
            guard (2...5).contains(version) else { throw PickleError("it has pickle protocol \(version); 2 to 5 are known") }
        case 0x95: _ = try take(8, as: UInt64.self)  // FRAME, only a hint for buffering
        case UInt8(ascii: "("): stack.append(.mark)
        case UInt8(ascii: "0"): _ = try pop()
        case UInt8(ascii: "1"): _ = try popToMark()
        case UInt8(ascii: "2"):  // DUP
            let cell = try pop()
            stack += [cell, cell]
        case UInt8(ascii: "N"): stack.append(.none)
        case 0x88: stack.append(.bool(true))
        case 0x89: stack.append(.bool(false))
        case UInt8(ascii: "K"): stack.append(.int(try take(1, as: UInt8.self)))
        case UInt8(ascii: "M"): stack.append(.int(try take(2, as: UInt16.self)))
        case UInt8(ascii: "J"): stack.append(.int(try take(4, as: Int32.self)))
        case 0x8a: try pushLong(try take(1, as: UInt8.self))  // LONG1
        case 0x8b: try pushLong(try take(4, as: UInt32.self))  // LONG4
        case UInt8(ascii: "G"):  // BINFLOAT, big-endian
            let raw = try take(8)
            stack.append(.float(Double(bitPattern: UInt64(bigEndian: raw.loadUnaligned(as: UInt64.self)))))
        case UInt8(ascii: "X"): stack.append(.string(try text(try take(4, as: UInt32.self))))
        case 0x8c: stack.append(.string(try text(try take(1, as: UInt8.self))))
        case 0x8d: stack.append(.string(try text(try take(8, as: UInt64.self))))
        case UInt8(ascii: "T"): stack.append(.bytes(Array(try take(try take(4, as: UInt32.self)))))
        case UInt8(ascii: "U"), UInt8(ascii: "C"): stack.append(.bytes(Array(try take(try take(1, as: UInt8.self)))))
        case UInt8(ascii: "B"): stack.append(.bytes(Array(try take(try take(4, as: UInt32.self)))))
        case 0x8e: stack.append(.bytes(Array(try take(try take(8, as: UInt64.self)))))
        default: return false
        }
        return true
    }

    /// A two's-complement number of `count` bytes; one beyond 64 bits becomes the nearest float.
    private mutating func pushLong(_ count: Int) throws {
        let raw = try take(count)
        guard count <= 1024 else { throw PickleError("it has an integer of \(count) bytes") }
        let isNegative = (raw.last ?? 0) & 0x80 != 0
        if count <= 8 {
            var value: UInt64 = isNegative ? .max : 0
            for byte in raw.reversed() { value = value << 8 | UInt64(byte) }
            stack.append(.int(Int(Int64(bitPattern: value))))
        } else {
            var value = isNegative ? -1.0 : 0
            for byte in raw.reversed() { value = value * 256 + Double(byte) }
            stack.append(.float(value))
        }
    }

    /// The memo, and names of classes.
    private mutating func memorize(_ code: Int) throws -> Bool {
        switch UInt8(truncatingIfNeeded: code) {
        case UInt8(ascii: "q"): try put(try take(1, as: UInt8.self))
        case UInt8(ascii: "r"): try put(try take(4, as: UInt32.self))
        case 0x94: try put(memo.count)
        case UInt8(ascii: "h"): try get(try take(1, as: UInt8.self))
        case UInt8(ascii: "j"): try get(try take(4, as: UInt32.self))
        case UInt8(ascii: "c"):
            let module = try line()
            try pushGlobal(module, try line())
        case 0x93:
            guard case .string(let name) = try pop(), case .string(let module) = try pop() else {
                throw PickleError("a class name in it is no text; the file is damaged")
            }
            try pushGlobal(module, name)
        default: return false
        }
        return true
    }

    private mutating func put(_ place: Int) throws {
        let cell = try pop()
        memo[place] = cell
        stack.append(cell)
    }

    private mutating func get(_ place: Int) throws {
        guard let cell = memo[place] else { throw PickleError("it refers to a value it has not; the file is damaged") }
        stack.append(cell)
    }

    private mutating func pushGlobal(_ module: String, _ name: String) throws {
        let full = "\(module).\(name)"
        guard try full == Self.orderedDictionary || rules.allows(full) else {
            throw PickleError(
                "it asks for '\(full)', which \(rules.subject) do not need; Apus runs no code from a file."
                    + " Save it again with plain \(rules.subject), numbers and texts only")
        }
        stack.append(.global(full))
    }

    /// Containers and calls.
    private mutating func build(_ code: Int) throws -> Bool {
        switch UInt8(truncatingIfNeeded: code) {
        case UInt8(ascii: "]"): push(.list([]))
        case UInt8(ascii: "l"): push(.list(try popToMark()))
        case UInt8(ascii: "a"):
            let item = try pop()
            try append([item])
        case UInt8(ascii: "e"): try append(try popToMark())
        case UInt8(ascii: ")"): push(.tuple([]))
        case UInt8(ascii: "t"): push(.tuple(try popToMark()))
        case 0x85, 0x86, 0x87:
            var items: [PickleCell] = []
            for _ in 0...code - 0x85 { items.append(try pop()) }
            push(.tuple(items.reversed()))
        case UInt8(ascii: "}"): push(.dictionary([]))
        case UInt8(ascii: "d"): push(.dictionary(try Self.pairs(try popToMark())))
        case UInt8(ascii: "s"):
            let value = try pop()
            try insert([(try pop(), value)])
        case UInt8(ascii: "u"): try insert(try Self.pairs(try popToMark()))
        case UInt8(ascii: "Q"): try pushPersistent()
        case UInt8(ascii: "R"): try call()
        case UInt8(ascii: "b"):
            // An OrderedDict's attributes, such as a state dict's `_metadata`: versions of modules, of no use here.
            _ = try pop()
            guard case .node(let place)? = stack.last, case .dictionary = heap[place] else {
                throw PickleError("it sets attributes of something that is no dictionary")
            }
        default: return false
        }
        return true
    }

    /// Keys and values in turn, as SETITEMS and DICT have them.
    private static func pairs(_ cells: [PickleCell]) throws -> [(key: PickleCell, value: PickleCell)] {
        guard cells.count.isMultiple(of: 2) else { throw PickleError("a key in it has no value; the file is damaged") }
        return stride(from: 0, to: cells.count, by: 2).map { (cells[$0], cells[$0 + 1]) }
    }

    /// Extends the list on top of the stack.
    private mutating func append(_ items: [PickleCell]) throws {
        guard case .node(let place)? = stack.last, case .list(var list) = heap[place] else {
            throw PickleError("it appends to something that is no list; the file is damaged")
        }
        heap[place] = .list([])  // so that the list is not copied
        list += items
        heap[place] = .list(list)
    }

    /// Extends the dictionary on top of the stack; equal keys are sorted out by who reads it.
    private mutating func insert(_ pairs: [(key: PickleCell, value: PickleCell)]) throws {
        guard case .node(let place)? = stack.last, case .dictionary(var dictionary) = heap[place] else {
            throw PickleError("it inserts into something that is no dictionary; the file is damaged")
        }
        heap[place] = .dictionary([])
        dictionary += pairs
        heap[place] = .dictionary(dictionary)
    }

    private static var orderedDictionary: String { "collections.OrderedDict" }

    /// BINPERSID: a reference to something outside of the pickle.
    private mutating func pushPersistent() throws {
        guard let items = Self.tuple(try pop(), heap) else { throw PickleError("it refers to something in an unknown way") }
        push(.object(try rules.persistent(items)))
    }

    /// REDUCE, in Python a call of any function with any arguments; here a choice between a few meanings.
    private mutating func call() throws {
        let arguments = try pop()
        guard let items = Self.tuple(arguments, heap), case .global(let name) = try pop() else {
            throw PickleError("it calls something that is no function; the file is damaged")
        }
        if name == Self.orderedDictionary { return push(.dictionary(try orderedItems(items))) }
        switch try rules.call(name, items, heap: heap) {
        case .value(let value): stack.append(value)
        case .object(let object): push(.object(object))
        }
    }

    /// The elements of a tuple; nil for anything else.
    package static func tuple(_ cell: PickleCell, _ heap: [Node]) -> [PickleCell]? {
        guard case .node(let place) = cell, case .tuple(let items) = heap[place] else { return nil }
        return items
    }

    /// The pairs of `OrderedDict([(key, value), ...])`.
    private mutating func orderedItems(_ arguments: [PickleCell]) throws -> [(key: PickleCell, value: PickleCell)] {
        guard let first = arguments.first else { return [] }
        guard case .node(let place) = first, case .list(let list) = heap[place] else {
            throw PickleError("it makes a dictionary in an unknown way")
        }
        // A pair takes more than a byte, so lists that are used once are never refused.
        guard list.count <= pairsLeft else {
            throw PickleError("it makes the same list a dictionary again and again; the file is damaged")
        }
        pairsLeft -= list.count
        return try list.map { item in
            var pair = Self.tuple(item, heap)
            if pair == nil, case .node(let inner) = item, case .list(let cells) = heap[inner] { pair = cells }
            guard let pair, pair.count == 2 else { throw PickleError("it makes a dictionary in an unknown way") }
            return (pair[0], pair[1])
        }
    }
}
