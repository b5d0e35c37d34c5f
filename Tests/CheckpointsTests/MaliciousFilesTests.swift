// SPDX-License-Identifier: MIT
import Checkpoints
import Foundation
import Storage
import Testing

/// Checkpoints that were made to do harm: each is refused with a sentence, and nothing of it runs or grows.
@Suite struct MaliciousFilesTests {
    private func refusal(_ pickle: [UInt8], data: [UInt8] = [UInt8](repeating: 0, count: 48)) throws -> String {
        let folder = try TemporaryFolder()
        let path = try folder.write(storedZip([("a/data.pkl", pickle), ("a/data/0", data)]), "x.pt")
        let error = #expect(throws: FileError.self) { try PyTorchCheckpoint(path: path) }
        return error?.reason ?? ""
    }

    private static func text(_ text: String) -> [UInt8] { [0x58, UInt8(text.utf8.count), 0, 0, 0] + Array(text.utf8) }
    private static func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }

    /// Functions that attackers use, each called with a command, as `pickle.dumps` of a `__reduce__` writes it.
    @Test(arguments: [
        ("os", "system"), ("posix", "system"), ("nt", "system"), ("subprocess", "Popen"), ("builtins", "eval"),
        ("builtins", "exec"), ("__builtin__", "eval"), ("builtins", "getattr"), ("builtins", "__import__"),
        ("importlib", "import_module"), ("runpy", "run_path"), ("pty", "spawn"), ("webbrowser", "open"),
        ("torch.hub", "load"), ("torch.serialization", "load"), ("torch", "load"), ("torch.jit", "load"),
        ("numpy.core.multiarray", "_reconstruct"), ("functools", "partial"), ("operator", "attrgetter"),
        ("collections.OrderedDict", "__class__"), ("torch.FloatStorage", "__init__"), ("torch._utils", "_import_dotted_name"),
        ("__main__", "GPTConfig"), ("copyreg", "_reconstructor"),
    ]) func functionsAreRefusedByName(_ module: String, _ name: String) throws {
        let call = Self.global(module, name) + [0x28] + Self.text("touch harm") + Array("tR.".utf8)
        let plain = try refusal([0x80, 2] + call)
        #expect(plain.contains("'\(module).\(name)'") && plain.contains("Apus runs no code"), "\(plain)")
        // The same name put together from two texts, as protocol 4 does.
        let stacked: [UInt8] =
            [0x80, 4] + Self.text(module) + Self.text(name) + [0x93, 0x28] + Self.text("x") + Array("tR.".utf8)
        #expect(try refusal(stacked).contains("'\(module).\(name)'"))
    }

    /// A harmful call inside the arguments of an allowed one, and allowed names used for what they are not allowed for.
    @Test func nestedCallsAreRefused() throws {
        let system = Self.global("os", "system") + [0x28] + Self.text("true") + Array("tR".utf8)
        let nested =
            Self.global("torch._utils", "_rebuild_parameter") + [0x28] + system
            + Array("\u{88}}tR.".unicodeScalars.map { UInt8($0.value) })
        #expect(try refusal([0x80, 2] + nested).contains("'os.system'"))
        let inDictionary =
            Self.global("collections", "OrderedDict") + Array("]((".utf8) + Self.text("model") + system + Array("tetR.".utf8)
        #expect(try refusal([0x80, 2] + inDictionary).contains("'os.system'"))
        // What a call gave is called again.
        let twice = Self.global("collections", "OrderedDict") + Array(")R)R.".utf8)
        #expect(try refusal([0x80, 2] + twice).contains("calls something that is no function"))
        // A storage class is a name for a type, no function.
        let storage = Self.global("torch", "FloatStorage") + Array(")R.".utf8)
        #expect(try refusal([0x80, 2] + storage).contains("torch.FloatStorage"))
        // Attributes of a tensor or a list: __setstate__ would be called.
        #expect(try refusal([0x80, 2] + Array("]}b.".utf8)).contains("no dictionary"))
    }

    /// A list that is made a dictionary of over and over: kilobytes that would become gigabytes.
    @Test func aListIsNoDictionaryManyTimes() throws {
        let pair = Self.text("k") + Array("K\u{1}\u{86}".unicodeScalars.map { UInt8($0.value) })  // ("k", 1)
        let list = Array("](".utf8) + (0..<1000).flatMap { _ in pair } + Array("eq\u{1}".utf8)  // kept under number 1
        let again = Self.global("collections", "OrderedDict") + Array("h\u{1}\u{85}R".unicodeScalars.map { UInt8($0.value) })
        let folder = try TemporaryFolder()
        let once = try folder.write(storedZip([("a/data.pkl", [0x80, 2] + list + again + Array(".".utf8))]), "once.pt")
        #expect(throws: Never.self) { try PyTorchCheckpoint(path: once) }
        let many = (0..<200).flatMap { _ in again + Array("0".utf8) }
        #expect(try refusal([0x80, 2] + list + many + again + Array(".".utf8)).contains("again and again"))
    }

    /// Opcodes that make objects or call in other ways than REDUCE.
    @Test(
        arguments: [
            ("i os\nsystem\n", 0x69), ("(cos\nsystem\no", 0x63), (")\u{81}", 0x81), (")}\u{92}", 0x92), ("\u{82}\u{1}", 0x82),
            ("\u{83}\u{1}\0", 0x83), ("\u{84}\u{1}\0\0\0", 0x84), ("P0\n", 0x50), ("S'x'\n", 0x53), ("(o", 0x6f),
            ("\u{97}", 0x97),
            ("\u{8f}", 0x8f), ("\u{96}\0\0\0\0\0\0\0\0", 0x96),
        ] as [(String, Int)]) func opcodesThatTensorsDoNotNeedAreRefused(_ text: String, _ code: Int) throws
    {
        let reason = try refusal([0x80, 2] + text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } + [0x2e])
        #expect(reason.contains("0x\(String(code, radix: 16))") || reason.contains("'os.system'"), "\(reason)")
    }

    /// Lengths of gigabytes in a file of some bytes: nothing of that size is allocated, because they are checked first.
    @Test func announcedLengthsAreNotBelieved() throws {
        for head: [UInt8] in [
            [0x58, 0xff, 0xff, 0xff, 0xff], [0x54, 0xff, 0xff, 0xff, 0x7f], [0x42, 0xff, 0xff, 0xff, 0xff],
            [0x8b, 0xff, 0xff, 0xff, 0x7f], [0x8d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            [0x8e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            #expect(try refusal([0x80, 2] + head + [0x61, 0x2e]).contains("it ends early"))
        }
        // A place in the memo is a key, not an index: 4 billion costs nothing.
        let far = try refusal([0x80, 2, 0x4e, 0x72, 0xff, 0xff, 0xff, 0xff, 0x68, 0x07, 0x2e])
        #expect(far.contains("a value it has not"))
    }

    // MARK: Zip

    private func zipRefusal(_ bytes: [UInt8]) throws -> String {
        let folder = try TemporaryFolder()
        let error = #expect(throws: FileError.self) { try PyTorchCheckpoint(path: folder.write(bytes, "x.pt")) }
        return error?.reason ?? ""
    }

    private static func little(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    /// A zip file whose directory says what it likes: (name, place of the local header, size, method).
    private func liar(_ body: [UInt8], _ entries: [(name: String, place: Int, size: Int, method: Int)]) -> [UInt8] {
        var directory: [UInt8] = []
        for entry in entries {
            let size = Self.little(entry.size, 4), name = Array(entry.name.utf8)
            directory += Self.little(0x0201_4b50, 4) + Self.little(20, 2) + Self.little(20, 2) + Self.little(0, 2)
            directory += Self.little(entry.method, 2) + Self.little(0, 8) + size + size + Self.little(name.count, 2)
            directory += Self.little(0, 12) + Self.little(entry.place, 4) + name
        }
        return body + directory + Self.little(0x0605_4b50, 4) + Self.little(0, 4) + Self.little(entries.count, 2)
            + Self.little(entries.count, 2) + Self.little(directory.count, 4) + Self.little(body.count, 4) + Self.little(0, 2)
    }

    /// A local header and its data.
    private func record(_ name: String, _ data: [UInt8]) -> [UInt8] {
        Self.little(0x0403_4b50, 4) + Self.little(20, 2) + Self.little(0, 8) + Self.little(0, 4) + Self.little(data.count, 4)
            + Self.little(data.count, 4) + Self.little(name.utf8.count, 2) + Self.little(0, 2) + Array(name.utf8) + data
    }

    @Test func overlappingEntriesAreRefused() throws {
        let pickle: [UInt8] = [0x80, 2, 0x4e, 0x2e]
        let inner = record("a/data/1", [1, 2, 3, 4]), first = record("a/data.pkl", pickle)
        // One entry's data are another entry: what David Fifield's zip bomb (2019) is made of.
        let outer = record("a/data/0", inner), place = first.count
        let quoted = liar(
            first + outer,
            [
                ("a/data.pkl", 0, 4, 0), ("a/data/0", place, inner.count, 0),
                ("a/data/1", place + outer.count - inner.count, 4, 0),
            ])
        #expect(try zipRefusal(quoted).contains("its entries 'a/data/0' and 'a/data/1' overlap"))
        // A thousand names for the same data.
        let names = (0..<1000).map { (name: "a/data/\($0)", place: place, size: 4, method: 0) }
        let same = liar(first + record("a/data/0", [0, 0, 0, 0]), [("a/data.pkl", 0, 4, 0)] + names)
        #expect(try zipRefusal(same).contains("overlap"))
        // Data that reach into the directory behind them.
        let long = liar(first, [("a/data.pkl", 0, 8, 0)])
        #expect(try zipRefusal(long).contains("reaches into the directory"))
        // And the honest one of the same making is read.
        let folder = try TemporaryFolder()
        let honest = liar(first + inner, [("a/data.pkl", 0, 4, 0), ("a/data/1", place, 4, 0)])
        #expect(throws: Never.self) { try PyTorchCheckpoint(path: folder.write(honest, "honest.pt")) }
    }

    @Test func zipBombsAreRefused() throws {
        let first = record("a/data.pkl", [0x80, 2, 0x4e, 0x2e])
        // Compressed data would have to be unpacked first: 10 MB of it can hold 10 GB.
        let packed = liar(first, [("a/data.pkl", 0, 4, 8)])
        #expect(try zipRefusal(packed).contains("is compressed (method 8)"))
        let sizes = liar(first, [("a/data.pkl", 0, 0xffff_fff0, 0)])
        #expect(try zipRefusal(sizes).contains("lies outside the file"))
        // A directory that claims more entries than the file has room for.
        var many = liar(first, [("a/data.pkl", 0, 4, 0)])
        many.replaceSubrange(many.count - 14..<many.count - 10, with: [0xff, 0xff, 0xff, 0xff])
        #expect(try zipRefusal(many).contains("its directory is missing or damaged"))
    }

    // MARK: Storages

    @Test func storagesThatAreNotThereAreRefused() throws {
        func tensor(_ type: String, key: String, count: [UInt8]) -> [UInt8] {
            [0x80, 2] + Self.global("torch._utils", "_rebuild_tensor_v2") + Array("((".utf8) + Self.text("storage")
                + Self.global("torch", type) + Self.text(key) + Self.text("cpu") + count + Array("tQK\0(K\u{c}t(K\u{1}t".utf8)
                + [0x89, 0x4e, 0x74, 0x52, 0x2e]
        }
        #expect(try refusal(tensor("FloatStorage", key: "7", count: [0x4b, 12])).contains("'a/data/7' of a tensor are missing"))
        #expect(try refusal(tensor("FloatStorage", key: "../x", count: [0x4b, 12])).contains("are missing"))
        #expect(try refusal(tensor("DoubleStorage", key: "0", count: [0x4b, 12])).contains("does not fit its data"))
        let huge: [UInt8] = [0x8a, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]
        #expect(try refusal(tensor("FloatStorage", key: "0", count: huge)).contains("does not fit its data"))
        let negative: [UInt8] = [0x8a, 1, 0xff]
        #expect(try refusal(tensor("FloatStorage", key: "0", count: negative)).contains("does not fit its data"))
    }

    // MARK: Folders

    /// Names in an index that would lead out of the folder.
    @Test(arguments: ["../other/model.safetensors", "/etc/passwd", "a/b.safetensors", "", "..", "."])
    func shardsStayInTheirFolder(_ name: String) throws {
        let folder = try TemporaryFolder()
        try Folder.create(folder.file("other"))
        try SafetensorsWriter.write(path: folder.file("other/model.safetensors"), sources: sources(smallFacts))
        try Folder.create(folder.file("model"))
        let index = #"{"weight_map": {"transformer.wte.weight": "\#(name)"}}"#
        _ = try folder.write(Array(index.utf8), "model/model.safetensors.index.json")
        #expect(throws: FileError.self) { try ShardedSafetensors(folder: folder.file("model")) }
    }
}
