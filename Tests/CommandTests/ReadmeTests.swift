// SPDX-License-Identifier: MIT
import Checkpoints
import Foundation
import Storage
import TestKit
import Testing

/// The commands of README's table "Coming from ...", run in the order in which they stand there, so that they cannot drift.
@Suite(.serialized) struct ReadmeTests {
    /// The commands in the table: code that begins with "apus ".
    static func commands() throws -> [[String]] {
        let readme = try String(contentsOfFile: Places.repository + "/README.md", encoding: .utf8)
        let section = try #require(readme.components(separatedBy: "\n## ").first { $0.hasPrefix("Coming from") })
        return section.split(separator: "\n").filter { $0.hasPrefix("|") }.flatMap { row in
            row.split(separator: "`", omittingEmptySubsequences: false).enumerated()
                .filter { $0.offset % 2 == 1 && $0.element.hasPrefix("apus ") }
                .map { Array(words(String($0.element)).dropFirst()) }
        }
    }

    /// Splits as a shell does, as far as the table goes: blanks, and double quotes around words that have some.
    static func words(_ line: String) -> [String] {
        var words: [String] = [], word = "", isQuoted = false
        for character in line {
            if character == "\"" {
                isQuoted.toggle()
            } else if character == " ", !isQuoted {
                if !word.isEmpty { words.append(word) }
                word = ""
            } else {
                word.append(character)
            }
        }
        return word.isEmpty ? words : words + [word]
    }

    /// The characters of the data, by id: sorted, as nanoGPT's prepare.py sorts them.
    private static let characters = Array("\n ',.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

    /// Made-up text as nanoGPT's data/shakespeare_char/prepare.py leaves it.
    private func writeText(_ folder: TemporaryFolder, _ name: String) throws {
        try Folder.create(folder(name))
        var generator = SeededGenerator(5), id = 0
        let count = Self.characters.count
        let ids = (0..<6000).map { _ -> UInt16 in
            id = Bool.random(using: &generator) ? (id * 3 + 1) % count : Int.random(in: 0..<count, using: &generator)
            return UInt16(id)
        }
        try folder.write(name + "/train.bin", ids.withUnsafeBytes { Data($0) })
        try folder.write(name + "/val.bin", Array(ids.prefix(2000)).withUnsafeBytes { Data($0) })
        // {'vocab_size': n, 'itos': {0: 'z', ...}} in protocol 4.
        var pickle: [UInt8] =
            [0x80, 4, 0x7d, 0x28, 0x8c, 10] + Array("vocab_size".utf8) + [0x4b, UInt8(count), 0x8c, 4] + Array("itos".utf8)
        pickle += [0x7d, 0x28]
        for (id, character) in Self.characters.enumerated() {
            pickle += [0x4b, UInt8(id), 0x8c, 1] + Array(String(character).utf8)
        }
        try folder.write(name + "/meta.pkl", Data(pickle + [0x75, 0x75, 0x2e]))
    }

    /// What a user of the table has: nanoGPT's data, configuration and checkpoint, small, under the table's names.
    private func belongings() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try writeText(folder, "data/shakespeare_char")
        try writeText(folder, "data/fineweb")
        try writeText(folder, "data/mine")
        try Folder.create(folder("config"))
        try folder.write(
            "config/train_shakespeare_char.py",
            """
            out_dir = 'out-shakespeare-char'
            eval_interval = 2
            eval_iters = 2
            dataset = 'shakespeare_char'
            gradient_accumulation_steps = 1
            batch_size = 12
            block_size = 16
            n_layer = 1
            n_head = 2
            n_embd = 16
            dropout = 0.2
            max_iters = 4
            lr_decay_iters = 4
            warmup_iters = 0
            """)
        let facts = ModelFacts(nLayer: 1, nHead: 2, nEmbd: 16, blockSize: 16, vocabSize: Self.characters.count, bias: false)
        var generator = SeededGenerator(9)
        let model = facts.parameters.map {
            TensorSource(name: $0.name, shape: $0.shape, values: generator.floats($0.shape.reduce(1, *), -0.05...0.05))
        }
        let moments = facts.parameters.flatMap { parameter in
            ["exp_avg", "exp_avg_sq"].map {
                TensorSource(
                    name: "\(parameter.name).\($0)", shape: parameter.shape,
                    values: [Float](repeating: 1e-6, count: parameter.shape.reduce(1, *)))
            }
        }
        try Folder.create(folder("out-fineweb"))
        try NanoGPTCheckpointWriter(
            facts: facts, iterNum: 20, bestValLoss: 9,
            config: [
                ("dataset", .string("fineweb")), ("batch_size", .integer(4)), ("gradient_accumulation_steps", .integer(1)),
                ("max_iters", .integer(24)), ("lr_decay_iters", .integer(24)), ("eval_interval", .integer(2)),
                ("eval_iters", .integer(2)), ("warmup_iters", .integer(0)), ("out_dir", .string("out-fineweb")),
            ]
        ).write(path: folder("out-fineweb/ckpt.pt"), model: model, optimizer: moments)
        return folder
    }

    @Test func theTablesCommandsWork() throws {
        let commands = try Self.commands(), folder = try belongings()
        #expect(commands.count >= 15, "the table of README.md was not found")
        for command in commands {
            let result = try Program.start(command, folder: folder.path).1()
            #expect(result.code == 0, "apus \(command.joined(separator: " ")): \(result.errors)")
        }
    }
}
