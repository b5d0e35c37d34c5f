// SPDX-License-Identifier: MIT
import Foundation
import Synchronization

/// Turns SIGINT and SIGTERM into a flag that loops ask; a second signal ends the process at once.
enum StopSignal {
    private static let count = Atomic<Int>(0)

    /// Starts to listen; without it the signals end the process as usual.
    static func listen() {
        // A parent may have started us with the signals blocked or ignored (threads of libdispatch block them): then nobody
        // could stop a run.
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        for number in [SIGINT, SIGTERM] {
            signal(number) { _ in
                // Only what is safe in a signal handler: an atomic, and _exit.
                if StopSignal.count.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
            }
        }
    }

    static var isSet: Bool { count.load(ordering: .relaxed) > 0 }
}
