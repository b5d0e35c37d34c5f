// SPDX-License-Identifier: MIT
import CCUDA

/// A shared library, or what stands for one in tests: gives functions by name.
package struct SymbolSource: @unchecked Sendable {
    // SAFETY: both are constants that stay valid; libraries are never closed once one of their tables is in use.
    let lookup: apus_symbols_t
    let source: UnsafeMutableRawPointer?
    /// The file, as the system tells it.
    package let path: String

    package init(lookup: @escaping apus_symbols_t, source: UnsafeMutableRawPointer?, path: String) {
        self.lookup = lookup
        self.source = source
        self.path = path
    }

    /// Opens a shared library.
    ///
    /// - Returns: nil and the linker's reason.
    static func open(_ path: String, symbol: String) -> (SymbolSource?, reason: String) {
        var error = [CChar](repeating: 0, count: 512)
        guard let library = apus_library_open(path, &error, error.count) else { return (nil, text(error)) }
        var file = [CChar](repeating: 0, count: 1024)
        let known = apus_library_path(library, symbol, &file, file.count) != 0
        return (SymbolSource(lookup: apus_library_symbol, source: library, path: known ? text(file) : path), "")
    }

    static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// How a candidate is opened; tests put something else in place of the system's linker.
package typealias LibraryOpener = @Sendable (_ path: String, _ symbol: String) -> (SymbolSource?, reason: String)

/// The driver, the compiler and the matrix products: everything that is not in this program.
package final class CUDALibraries: Sendable {
    package let driver: Driver
    package let compiler: RuntimeCompiler
    package let products: MatrixLibrary

    /// Finds and loads all three.
    ///
    /// - Throws: `CUDAError` naming the first that is missing.
    package init(search: CUDALibrarySearch, open: LibraryOpener = SymbolSource.open) throws {
        driver = try Driver(open: open)
        try driver.initialize()
        let version = try driver.version()
        compiler = try RuntimeCompiler(try Self.load(.nvrtc, search, version, open))
        products = try MatrixLibrary(try Self.load(.cublasLt, search, version, open))
    }

    /// The first candidate that loads and whose CUDA the driver serves.
    static func load(
        _ kind: CUDALibraryKind, _ search: CUDALibrarySearch, _ driver: CUDAVersion?, _ open: LibraryOpener
    ) throws -> SymbolSource {
        var reasons: [String] = [], tooNew: Int?
        for candidate in search.candidates(kind) {
            if let driver, candidate.major > driver.major {
                // Whether it is really there matters for what to advise.
                if open(candidate.path, kind.symbol).0 != nil { tooNew = candidate.major }
                continue
            }
            let (library, reason) = open(candidate.path, kind.symbol)
            if let library { return library }
            reasons.append(reason)
        }
        let command = CUDALibraryKind.command(driver: driver)
        if let tooNew, let driver {
            throw CUDAError.driverTooOld(driver: driver, library: kind, needed: CUDAVersion(tooNew, 0), command: command)
        }
        throw CUDAError.libraryMissing(kind, reasons: reasons, command: command)
    }
}

extension CUDAError {
    /// A library that was found and loaded lacks a function.
    ///
    /// - Parameter name: the first function that is not there
    static func functionMissing(_ kind: CUDALibraryKind, _ library: SymbolSource, _ name: UnsafePointer<CChar>?) -> CUDAError {
        .libraryMissing(
            kind, reasons: ["\(library.path) has no \(name.map { String(cString: $0) } ?? "")"],
            command: CUDALibraryKind.command(driver: nil))
    }
}
