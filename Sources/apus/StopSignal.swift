// SPDX-License-Identifier: MIT
import Foundation
import Synchronization

/// Turns SIGINT and SIGTERM into a flag that loops ask; a second signal ends the process at once.
enum StopSignal {
    private static let count = Atomic<Int>(0)

    /// Starts to listen; without it the signals end the process as usual.
    static func listen() {
        for number in [SIGINT, SIGTERM] {
            signal(number) { _ in
                // Only what is safe in a signal handler: an atomic, and _exit.
                if StopSignal.count.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
            }
        }
    }

    static var isSet: Bool { count.load(ordering: .relaxed) > 0 }
}
