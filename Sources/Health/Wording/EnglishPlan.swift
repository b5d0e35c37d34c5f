// SPDX-License-Identifier: MIT

extension Catalogue {
    /// What `apus plan` says.
    static let englishPlan: [String: String] = [:]
}
