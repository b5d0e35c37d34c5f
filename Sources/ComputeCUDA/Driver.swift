// SPDX-License-Identifier: MIT
import CCUDA

/// The driver's functions, each failure an error that says what was wanted.
package final class Driver: @unchecked Sendable {
    // SAFETY: the table is constant after `init`; the driver's functions may be called from any thread.
    package let calls: apus_cuda_driver_t
    package let path: String
    /// On the heap, since C wants its address to tell drivers apart.
    private let table: UnsafeMutablePointer<apus_cuda_driver_t>

    /// The driver of Linux, and where Windows Subsystem for Linux keeps it.
    private static let names = ["libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"]

    /// - Throws: `CUDAError.noDriver`.
    package init(open: LibraryOpener) throws {
        var reason = ""
        for name in Self.names {
            let (library, why) = open(name, "cuInit")
            if reason.isEmpty { reason = why }
            guard let library else { continue }
            var missing: UnsafePointer<CChar>?
            guard let table = apus_cuda_driver_table(library.lookup, library.source, &missing) else {
                let function = missing.map { String(cString: $0) } ?? ""
                throw CUDAError.noDriver(reason: "\(library.path) has no \(function): it is older than CUDA 11.4; update it")
            }
            self.table = table
            calls = table.pointee
            path = library.path
            return
        }
        throw CUDAError.noDriver(reason: reason)
    }

    deinit { apus_cuda_table_free(table) }

    /// - Throws: `CUDAError.noDevice` or `.noDriver`, with the driver's reason.
    func initialize() throws {
        let result = calls.initialize(0)
        guard result != 0 else { return }
        let reason = "\(text(result)), \(code(result))"
        switch Int(result) {
        case APUS_CU_STUB_LIBRARY, APUS_CU_SYSTEM_DRIVER_MISMATCH:
            throw CUDAError.noDriver(reason: reason + "; restart after a driver update")
        default: throw CUDAError.noDevice(reason: reason)
        }
    }

    /// The newest CUDA that the driver serves.
    package func version() throws -> CUDAVersion {
        var number: Int32 = 0
        try check(calls.driver_version(&number), "tell its version")
        return CUDAVersion(driver: Int(number))
    }

    func use(_ context: apus_cu_context_t) -> apus_cu_result_t { apus_cuda_use(table, context) }

    /// - Throws: `CUDAError.call` unless `result` is success.
    func check(_ result: apus_cu_result_t, _ what: @autoclosure () -> String) throws {
        guard result != 0 else { return }
        throw CUDAError.call(what: what(), code: code(result), text: text(result))
    }

    /// Such as "CUDA_ERROR_OUT_OF_MEMORY".
    func code(_ result: apus_cu_result_t) -> String {
        var name: UnsafePointer<CChar>?
        return calls.error_name(result, &name) == 0 ? name.map { String(cString: $0) } ?? "error \(result)" : "error \(result)"
    }

    func text(_ result: apus_cu_result_t) -> String {
        var text: UnsafePointer<CChar>?
        return calls.error_string(result, &text) == 0 ? text.map { String(cString: $0) } ?? "no reason given" : "no reason given"
    }
}
