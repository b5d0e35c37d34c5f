// SPDX-License-Identifier: MIT
import Compute
import Foundation

/// The measurements as a table for people and as JSON for machines.
struct BenchReport {
    let result: BenchResult

    // MARK: For people

    func lines() -> [String] { ceilings() + products() + step() + generation() }

    private func row(_ name: String, _ values: String...) -> String {
        name.padding(toLength: 48, withPad: " ", startingAt: 0)
            + values.map { String(repeating: " ", count: max(0, 12 - $0.count)) + $0 }.joined()
    }

    private func gflops(_ value: Double) -> String { Format.decimals(value / 1e9, 0) }
    private func gigabytes(_ value: Double) -> String { Format.decimals(value / 1e9, 1) }

    private func share(_ value: Double, of whole: Double?) -> String {
        guard let whole, whole > 0 else { return "" }
        return Format.decimals(100 * value / whole, 0) + " %"
    }

    private func ceilings() -> [String] {
        var lines = [row("ceilings", "GFLOP/s", "GB/s")]
        if let registers = result.ceilings.registerFlops {
            lines.append(row("  registers only, \(result.dtype.rawValue)", gflops(registers)))
        }
        lines.append(row("  matmul, square", gflops(result.matmulFlops)))
        if let peak = result.peakFlops { lines.append(row("  datasheet, dense \(result.dtype.rawValue)", gflops(peak))) }
        if let read = result.ceilings.readBytesPerSecond { lines.append(row("  reading memory", "", gigabytes(read))) }
        return lines
    }

    private func products() -> [String] {
        [row("products", "GFLOP/s", "of matmul", "of regs")]
            + result.products.map {
                row(
                    "  \($0.name) \($0.k) -> \($0.n), \($0.kind.replacingOccurrences(of: "gradient", with: "grad"))",
                    gflops($0.flopsPerSecond),
                    share($0.flopsPerSecond, of: result.matmulFlops),
                    share($0.flopsPerSecond, of: result.ceilings.registerFlops))
            }
    }

    private func step() -> [String] {
        var lines = [row("one update", "ms", "share", "GFLOP/s", "of matmul")]
        for (name, entry) in result.step where entry.seconds > 0 {
            let rate = entry.flops / entry.seconds
            lines.append(
                row(
                    "  \(name)", Format.decimals(entry.seconds * 1e3, 1), share(entry.seconds, of: result.stepSeconds),
                    rate > 0 ? gflops(rate) : "", rate > 0 ? share(rate, of: result.matmulFlops) : ""))
        }
        let rate = result.flopsPerSecond
        lines += [
            row(
                "  all", Format.decimals(result.stepSeconds * 1e3, 1), "", gflops(rate), share(rate, of: result.matmulFlops)),
            row("training tokens/s", Format.decimals(result.tokensPerSecond, 0)),
        ]
        if let mfu = result.mfu, let fraction = result.ceilingFraction {
            lines.append(
                row(
                    "MFU, of the datasheet's and of the matmul's rate", Format.decimals(100 * mfu, 1) + " %",
                    Format.decimals(100 * fraction, 1) + " %"))
        }
        return lines
    }

    private func generation() -> [String] {
        [row("generation", "tokens/s", "GB/s read", "of reading")]
            + result.generation.map {
                row(
                    "  \($0.streams) text\($0.streams == 1 ? "" : "s side by side")", Format.decimals($0.tokensPerSecond, 1),
                    gigabytes($0.bytesPerSecond), share($0.bytesPerSecond, of: result.ceilings.readBytesPerSecond))
            }
    }

    // MARK: For machines

    /// One object; FLOP/s and bytes/s where a key does not say otherwise.
    func json() throws -> String {
        var ceilings: [String: Any] = ["matmul_flops": result.matmulFlops]
        ceilings["register_flops"] = result.ceilings.registerFlops
        ceilings["read_bytes_per_second"] = result.ceilings.readBytesPerSecond
        ceilings["datasheet_flops"] = result.peakFlops
        var object: [String: Any] = [
            "device": result.device, "kernels": result.kernels, "dtype": result.dtype.rawValue, "ceilings": ceilings,
            "matmul": result.products.map {
                ["name": $0.name, "kind": $0.kind, "n": $0.n, "k": $0.k, "gflops": $0.flopsPerSecond / 1e9] as [String: Any]
            },
            "step": result.step.map { name, entry in
                [
                    "op": name, "calls": entry.calls, "ms": entry.seconds * 1e3,
                    "gflops": entry.seconds > 0 ? entry.flops / entry.seconds / 1e9 : 0,
                ] as [String: Any]
            },
            "step_ms": result.stepSeconds * 1e3, "tokens_per_second": result.tokensPerSecond,
            "generation": result.generation.map {
                [
                    "streams": $0.streams, "tokens_per_second": $0.tokensPerSecond,
                    "read_bytes_per_second": $0.bytesPerSecond,
                ] as [String: Any]
            },
            "generation_tokens_per_second": result.generation.first?.tokensPerSecond ?? 0,
            "flops_per_token": result.shape.flopsPerToken, "parameters": result.shape.parameters,
        ]
        object["mfu"] = result.mfu
        object["ceiling_fraction"] = result.ceilingFraction
        let data = try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
        return String(decoding: data, as: UTF8.self)
    }
}
