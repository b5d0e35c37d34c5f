// SPDX-License-Identifier: MIT
import Foundation
import TestKit
import Testing

/// The built program, run as a user runs it.
struct Program {
    struct Result {
        let code: Int32
        let output: String
        let errors: String
    }

    /// The executable beside the test bundle.
    static let path: String = {
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        let folder = (bundle as NSString).deletingLastPathComponent
        let beside = folder + "/apus"
        return FileManager.default.isExecutableFile(atPath: beside) ? beside : Places.repository + "/.build/release/apus"
    }()

    /// - Parameter environment: added to this process's own.
    static func start(
        _ arguments: [String], input: String? = nil, folder: String? = nil, environment: [String: String] = [:]
    ) throws -> (Process, () -> Result) {
        let process = Process()
        if !environment.isEmpty {
            process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        }
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
        // Files, not pipes: nothing to drain while the program runs.
        let scratch = try TemporaryFolder()
        for name in ["out", "err"] { try scratch.write(name, "") }
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: scratch("out")))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: scratch("err")))
        if let input {
            process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: scratch.write("in", input)))
        } else {
            process.standardInput = FileHandle.nullDevice
        }
        try process.run()
        return (
            process,
            {
                process.waitUntilExit()
                func text(_ name: String) -> String {
                    String(decoding: FileManager.default.contents(atPath: scratch(name)) ?? Data(), as: UTF8.self)
                }
                return Result(code: process.terminationStatus, output: text("out"), errors: text("err"))
            }
        )
    }

    @discardableResult
    static func run(_ arguments: String..., input: String? = nil, folder: String? = nil) throws -> Result {
        try start(arguments, input: input, folder: folder).1()
    }

    /// Fails the test unless the program ended with this code and said this.
    static func expect(_ code: Int32, _ sentence: String, _ arguments: [String], location: SourceLocation = #_sourceLocation)
        throws
    {
        let result = try start(arguments).1()
        #expect(result.code == code, "\(arguments): \(result.errors)", sourceLocation: location)
        #expect(result.errors.contains(sentence), "\(arguments): \(result.errors)", sourceLocation: location)
        // One sentence, and no trace of a trap.
        #expect(!result.errors.contains("Fatal error") && !result.errors.contains("Backtrace"), sourceLocation: location)
    }
}

extension Program.Result {
    /// Standard output as a JSON object.
    var object: [String: Any] {
        get throws { try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]) }
    }
}
