// SPDX-License-Identifier: MIT
// apus-fuzz list | apus-fuzz seeds DIR | apus-fuzz TARGET [libFuzzer's options] [CORPUS...]
import Foundation
import FuzzKit
import LibFuzzer

let targets = FuzzTargets.all + [tomlTarget]
let arguments = CommandLine.arguments

func fail(_ text: String) -> Never {
    FileHandle.standardError.write(Data((text + "\n").utf8))
    exit(2)
}

if arguments.count == 3, arguments[1] == "seeds" {
    try Seeds.write(into: arguments[2])
    exit(0)
}
if arguments.count == 2, arguments[1] == "list" {
    for target in targets { print(target.name, target.longest) }
    exit(0)
}
guard arguments.count >= 2, let chosen = targets.first(where: { $0.name == arguments[1] }) else {
    fail("usage: apus-fuzz list, or apus-fuzz TARGET [libFuzzer's options] [CORPUS...]")
}

// The fuzzer's callback is a C function and takes nothing along.
let target = chosen
let folder = try FuzzFolder()

/// Processor time of this process so far, in seconds: a busy machine is not the parser's fault.
func processorTime() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
}

/// Gives one input to the parser; a bug ends the process, and libFuzzer keeps the input.
func tryInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let start = processorTime()
    let outcome = target.run(UnsafeRawBufferPointer(start: data, count: size), in: folder)
    if case .unexplained(let text) = outcome { fatalError("an error that explains nothing: \(text)") }
    let seconds = processorTime() - start
    if seconds > 1 { fatalError("\(seconds) s of processor time for \(size) bytes") }
    return 0
}

// libFuzzer sees its own options only: the target's name is taken out.
var values: [UnsafeMutablePointer<CChar>?] = ([arguments[0]] + arguments.dropFirst(2)).map { strdup($0) } + [nil]
var count = Int32(values.count - 1)
values.withUnsafeMutableBufferPointer { buffer in
    var pointer = buffer.baseAddress
    exit(LLVMFuzzerRunDriver(&count, &pointer, { tryInput($0, $1) }))
}
