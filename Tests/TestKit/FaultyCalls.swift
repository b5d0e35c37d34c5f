// SPDX-License-Identifier: MIT
import Foundation
import Storage
import Synchronization

/// System calls of which one, or all from one on, fail; counts them, and can run something before each.
public final class FaultyCalls: Sendable {
    public enum Fault: String, CaseIterable, Sendable {
        /// One call fails, the later ones work.
        case once
        /// That call and all later ones fail, as when the disk is gone.
        case fromThenOn
        /// A write takes only a part of its bytes, which is no failure; other calls work.
        case short
    }

    private let count = Mutex(0)
    public let failing: Int
    public let fault: Fault
    public let code: Int32
    private let before: @Sendable (Int) -> Void

    /// - Parameter failing: number of the call that fails, counted from 0; -1 for none
    public init(failing: Int, fault: Fault = .once, code: Int32 = ENOSPC, before: @escaping @Sendable (Int) -> Void = { _ in }) {
        self.failing = failing
        self.fault = fault
        self.code = code
        self.before = before
    }

    public var total: Int { count.withLock { $0 } }

    /// Counts a call and says whether it is the faulty one.
    private func next() -> Bool {
        let number = count.withLock { count in
            defer { count += 1 }
            return count
        }
        before(number)
        return failing >= 0 && (number == failing || fault == .fromThenOn && number > failing)
    }

    private func fails() -> Bool {
        guard next(), fault != .short else { return false }
        errno = code
        return true
    }

    public var calls: FileCalls {
        let system = FileCalls.system
        var faulty = system
        faulty.open = { [self] in fails() ? -1 : system.open($0, $1, $2) }
        faulty.write = { [self] file, bytes, count in
            guard next() else { return system.write(file, bytes, count) }
            if fault == .short { return system.write(file, bytes, max(1, count / 3)) }
            errno = code
            return -1
        }
        faulty.fsync = { [self] _ in fails() ? -1 : 0 }  // hundreds of real flushes would take half a minute
        faulty.close = { [self] file in
            let failed = fails()
            let result = system.close(file)  // even a close that reports an error closes
            if failed { errno = code }
            return failed ? -1 : result
        }
        faulty.rename = { [self] in fails() ? -1 : system.rename($0, $1) }
        return faulty
    }
}
