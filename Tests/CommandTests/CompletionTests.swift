// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import TestKit
import Testing

/// The completion scripts, asked by the shells themselves.
@Suite struct CompletionTests {
    private func script(_ shell: String, _ folder: TemporaryFolder) throws -> String {
        let result = try Program.run("--generate-completion-script", shell)
        #expect(result.code == 0, "\(result.errors)")
        return try folder.write("apus." + shell, result.output)
    }

    /// What a shell prints for a script; nil, said aloud, when the shell is not installed.
    private func output(_ shell: String, _ text: String, _ folder: TemporaryFolder) throws -> String? {
        guard
            let path = ["/bin/", "/usr/bin/", "/usr/local/bin/"].map({ $0 + shell }).first(
                where: FileManager.default.isExecutableFile)
        else {
            print("skipped: completions of \(shell) need \(shell)")
            return nil
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = [try folder.write("driver", text)]
        process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
        try folder.write("out", "")
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: folder("out")))
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(shell)")
        return try String(contentsOfFile: folder("out"), encoding: .utf8)
    }

    private static let lines: [(line: String, offers: [String])] = [
        ("apus tr", ["train"]), ("apus train --n-", ["--n-embd", "--n-head", "--n-layer"]),
        ("apus train --dtype ", ["bfloat16", "float32"]), ("apus train --n-layer 2 --bias ", ["false", "true"]),
        ("apus train --n-layer ", []), ("apus train --n-layer 3 my", ["my.toml"]), ("apus sample my", ["my.toml"]),
        ("apus train --data my", ["my.toml"]), ("apus report --format h", ["html"]), ("apus checkpoint li", ["list"]),
    ]

    @Test func bashOffersKeysValuesAndFiles() throws {
        let folder = try TemporaryFolder()
        _ = try script("bash", folder)
        try folder.write("my.toml", "")
        let driver = """
            source ./apus.bash
            ask() {
                COMP_LINE="$1" COMP_POINT=${#1} COMPREPLY=()
                read -ra COMP_WORDS <<< "$1"
                if [[ "$1" == *" " ]]; then COMP_WORDS+=(""); fi
                COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
                _apus apus "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
                echo "${COMPREPLY[*]}"
            }

            """ + Self.lines.map { "ask \"\($0.line)\"\n" }.joined()
        guard let output = try output("bash", driver, folder) else { return }
        let answers = output.split(separator: "\n", omittingEmptySubsequences: false)
        for (expected, answer) in zip(Self.lines, answers) {
            #expect(answer.split(separator: " ").map(String.init).sorted() == expected.offers, "\(expected.line)")
        }
        #expect(answers.count == Self.lines.count + 1)
    }

    @Test func fishOffersKeysValuesAndFiles() throws {
        let folder = try TemporaryFolder()
        _ = try script("fish", folder)
        try folder.write("my.toml", "")
        let driver = "source apus.fish\n" + Self.lines.map { "complete -C \"\($0.line)\"; printf '\\n=\\n'\n" }.joined()
        guard let output = try output("fish", driver, folder) else { return }
        let answers = output.components(separatedBy: "\n=\n")
        for (expected, answer) in zip(Self.lines, answers) {
            let offers = answer.split(separator: "\n").map { String($0.prefix { $0 != "\t" }) }.sorted()
            #expect(offers == expected.offers, "\(expected.line)")
        }
        #expect(answers.count == Self.lines.count + 1)
    }

    @Test func zshKnowsEveryKey() throws {
        let folder = try TemporaryFolder()
        let path = try script("zsh", folder)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let train = try #require(text.components(separatedBy: "\n_apus_train() {").last?.components(separatedBy: "\n}\n").first)
        for field in RunConfig.fields { #expect(train.contains("'\(field.option)["), "\(field.option)") }
        #expect(train.contains("'--dtype[of activations and matrix products]:dtype:(float32 bfloat16)'"))
        #expect(train.contains("'*:path:_files'") && train.contains("]:data:_files'"))
        _ = try output("zsh", "zsh -n apus.zsh\n", folder)
    }
}
