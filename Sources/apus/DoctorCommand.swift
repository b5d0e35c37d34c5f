// SPDX-License-Identifier: MIT
import ArgumentParser
import Compute
import ComputeCPU
import ComputeCUDA
import Foundation
import RunLog
import Storage
import Tokenization

/// `apus doctor`: what this machine offers, what is missing, and the command that mends it.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Say what this machine offers, what is missing, and how to mend it.")

    @Option(name: .customLong("cuda-libraries"), help: "Folder of NVRTC and cuBLASLt to look in instead of the usual places.")
    var cudaLibraries: String?

    @Flag(help: "Print the findings as JSON.")
    var json = false

    /// One line of the examination.
    private struct Finding {
        let name: String
        let isGood: Bool
        let value: String
        /// What to type when it is not good.
        var mend: String?
    }

    func run() throws {
        let findings =
            [try processor(), kernels(), memory(), disk(), vocabulary(), tool("curl", "downloads GPT-2's vocabulary")] + gpu()
        if json {
            let list = findings.map { finding in
                ["name": finding.name, "ok": finding.isGood, "value": finding.value, "mend": finding.mend ?? NSNull()]
                    as [String: Any]
            }
            let data = try JSONSerialization.data(
                withJSONObject: ["version": apusVersion, "findings": list], options: [.sortedKeys, .withoutEscapingSlashes])
            Console.print(String(decoding: data, as: UTF8.self))
            return
        }
        Console.print("apus \(apusVersion)")
        for finding in findings {
            Console.print(
                "\(finding.isGood ? "ok   " : "-    ")\(finding.name.padding(toLength: 12, withPad: " ", startingAt: 0))\(finding.value)"
            )
            if let mend = finding.mend { Console.print("                 \(mend)") }
        }
    }

    private func processor() throws -> Finding {
        let backend = try CPUBackend()
        return Finding(name: "processor", isGood: true, value: backend.deviceName)
    }

    private func kernels() -> Finding {
        let have = KernelChoice.available.map(\.rawValue).joined(separator: ", "), best = KernelChoice.best
        let missing = KernelChoice.allCases.filter { $0 > best }.map(\.rawValue)
        let value =
            "\(best.rawValue) is used; this CPU runs \(have)"
            + (missing.isEmpty ? "" : ", not \(missing.joined(separator: ", "))")
        return Finding(
            name: "kernels", isGood: best > .portable, value: value,
            mend: best > .portable
                ? nil : "training will be slow: no AVX2; a virtual machine may hide it (try its CPU type \"host\")")
    }

    private func memory() -> Finding {
        guard let bytes = (try? CPUBackend())?.availableBytes else {
            return Finding(name: "memory", isGood: false, value: "cannot be told")
        }
        return Finding(
            name: "memory", isGood: bytes > 1_000_000_000, value: "\(MemoryError.text(bytes)) available",
            mend: bytes > 1_000_000_000 ? nil : "a 10M-parameter model needs about 1 GB: close other programs")
    }

    private func gpu() -> [Finding] {
        CUDAExamination(libraries: cudaLibraries).findings.map {
            Finding(name: $0.name, isGood: $0.isGood, value: $0.value, mend: $0.mend)
        }
    }

    private func disk() -> Finding {
        let folder = FileManager.default.currentDirectoryPath
        let free = Folder.freeBytes(folder) ?? 0
        return Finding(
            name: "disk", isGood: free > 5_000_000_000, value: "\(MemoryError.text(free)) free here",
            mend: free > 5_000_000_000 ? nil : "a checkpoint takes 12 bytes a parameter, tokens 2 bytes each: free some space")
    }

    private func vocabulary() -> Finding {
        do {
            let tokenizer = try TokenizerLoader().load(spec: "gpt2")
            return Finding(name: "vocabulary", isGood: true, value: "GPT-2's, \(tokenizer.vocabularySize) ids, verified")
        } catch {
            let known = (error as? TokenizerError)?.description ?? (error as? FileError)?.description ?? "\(error)"
            return Finding(
                name: "vocabulary", isGood: false,
                value: "GPT-2's is not cached: fetched on first use, or name its folder by --vocab",
                mend: known)
        }
    }

    private func tool(_ name: String, _ purpose: String) -> Finding {
        let found = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
        return Finding(
            name: name, isGood: found != nil, value: found ?? "not installed; it \(purpose)",
            mend: found == nil ? "sudo apt-get install \(name)" : nil)
    }
}
