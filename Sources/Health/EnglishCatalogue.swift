// SPDX-License-Identifier: MIT

extension Catalogue {
    /// The report in English.
    public static let english = Catalogue(
        language: "en", decimalMark: ".", groupMark: ",", listLast: " and ", templates: englishTemplates)

    private static let englishTemplates: [String: String] = [:]
}
