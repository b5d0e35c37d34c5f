// SPDX-License-Identifier: MIT
import CCUDA

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// NVRTC: CUDA C++ text in, machine code for one kind of card out.
package final class RuntimeCompiler: @unchecked Sendable {
    // SAFETY: the table is constant; NVRTC may be called from several threads, each with its own program.
    private let calls: apus_nvrtc_t
    private let table: UnsafeMutablePointer<apus_nvrtc_t>
    package let version: CUDAVersion
    package let path: String
    /// Compute capabilities it knows, times 10: 80, 86, 89, ...
    package let architectures: [Int]

    /// - Throws: `CUDAError.libraryMissing` when a function is not there.
    package init(_ library: SymbolSource) throws {
        var missing: UnsafePointer<CChar>?
        guard let table = apus_nvrtc_table(library.lookup, library.source, &missing) else {
            throw CUDAError.functionMissing(.nvrtc, library, missing)
        }
        self.table = table
        calls = table.pointee
        path = library.path
        var major: Int32 = 0, minor: Int32 = 0, count: Int32 = 0
        guard calls.version(&major, &minor) == 0 else {
            throw CUDAError.call(what: "tell NVRTC's version", code: library.path, text: "no version given")
        }
        version = CUDAVersion(Int(major), Int(minor))
        var numbers: [Int32] = []
        if calls.architecture_count(&count) == 0, count > 0 {
            numbers = [Int32](repeating: 0, count: Int(count))
            if calls.architectures(&numbers) != 0 { numbers = [] }
        }
        architectures = numbers.map { Int($0) }
    }

    deinit { apus_cuda_table_free(table) }

    /// - Parameters:
    ///   - file: for messages
    ///   - options: such as `--gpu-architecture=sm_89`
    /// - Throws: `CUDAError.compilation` with the start of the compiler's log.
    func compile(_ source: String, file: String, options: [String]) throws -> [UInt8] {
        var program: apus_nvrtc_program_t?
        let made = calls.create(&program, source, file + ".cu", 0, nil, nil)
        guard made == 0, let program else { throw CUDAError.compilation(file: file, log: text(made)) }
        defer {
            var gone: apus_nvrtc_program_t? = program
            _ = calls.destroy(&gone)
        }
        let result = Self.withCStrings(options) { calls.compile(program, Int32($0.count), $0) }
        guard result == 0 else { throw CUDAError.compilation(file: file, log: "\(text(result)): \(log(program))") }
        var size = 0
        var bytes: [CChar] = []
        if calls.cubin_size(program, &size) == 0, size > 0 {
            bytes = [CChar](repeating: 0, count: size)
            if calls.cubin(program, &bytes) != 0 { bytes = [] }
        }
        guard !bytes.isEmpty else { throw CUDAError.compilation(file: file, log: "the compiler gave no machine code") }
        return bytes.map(UInt8.init(bitPattern:))
    }

    private func text(_ result: Int32) -> String { calls.error_string(result).map { String(cString: $0) } ?? "error \(result)" }

    /// The first lines of the compiler's messages.
    private func log(_ program: apus_nvrtc_program_t) -> String {
        var size = 0
        guard calls.log_size(program, &size) == 0, size > 1 else { return "no message" }
        var characters = [CChar](repeating: 0, count: size)
        guard calls.log(program, &characters) == 0 else { return "no message" }
        let lines = SymbolSource.text(characters).split(separator: "\n").prefix(4)
        return lines.joined(separator: "; ")
    }

    private static func withCStrings<Result>(_ strings: [String], _ body: ([UnsafePointer<CChar>?]) -> Result) -> Result {
        let copies = strings.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return body(copies.map { $0.map { UnsafePointer($0) } })
    }
}
