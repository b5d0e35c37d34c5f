// SPDX-License-Identifier: MIT
import Foundation

/// What there is on this machine for `--device cuda`, what is missing, and the command that brings it.
public struct CUDAExamination: Sendable {
    /// One thing looked for, as a line of a report.
    public struct Finding: Sendable, Equatable {
        /// `gpu driver`, `gpu`, `NVRTC` or `cuBLASLt`.
        public let name: String
        /// Whether it is there and fits.
        public let isGood: Bool
        /// Its version and path, a card's properties, or why it cannot be used.
        public let value: String
        /// What to do when it is not good.
        public let mend: String?
    }

    /// The driver first, then every card, then the libraries, which are left out without a driver.
    public let findings: [Finding]

    /// Looks for the driver, its cards, and the two libraries; opens them, and runs nothing on a card.
    ///
    /// - Parameter libraries: the folder to search instead of the usual places
    public init(libraries: String? = nil) {
        let search = CUDALibrarySearch(folder: libraries, environment: ProcessInfo.processInfo.environment)
        self.init(search: search, open: SymbolSource.open)
    }

    package init(search: CUDALibrarySearch, open: @escaping LibraryOpener) {
        var findings: [Finding] = []
        var version: CUDAVersion?
        do {
            let driver = try Driver(open: open)
            try driver.initialize()
            let found = try driver.version()
            version = found
            findings.append(Finding(name: "gpu driver", isGood: true, value: "CUDA \(found), \(driver.path)", mend: nil))
            findings += try CUDACard.all(driver).map(Self.card)
        } catch {
            let sentence = (error as? CUDAError)?.description ?? "\(error)"
            // "what (why): what to do"
            let end = sentence.range(of: "): ")
            findings.append(
                Finding(
                    name: version == nil ? "gpu driver" : "gpu", isGood: false,
                    value: end.map { String(sentence[..<$0.lowerBound]) + ")" } ?? sentence,
                    mend: end.map { String(sentence[$0.upperBound...]) }))
        }
        // Without a driver they are of no use, and nobody needs to be sent for them.
        if version != nil { findings += CUDALibraryKind.allCases.map { Self.library($0, search, version, open) } }
        self.findings = findings
    }

    private static func card(_ card: CUDACard) -> Finding {
        let facts = "\(card.name), \(card.totalBytes / 1_000_000_000) GB, compute capability \(card.capability)"
        let isGood = card.capability >= CUDACard.oldest
        return Finding(
            name: "gpu", isGood: isGood, value: facts,
            mend: isGood ? nil : CUDAError.cardTooOld(name: card.name, capability: "\(card.capability)").description)
    }

    private static func library(
        _ kind: CUDALibraryKind, _ search: CUDALibrarySearch, _ driver: CUDAVersion?, _ open: LibraryOpener
    ) -> Finding {
        do {
            let source = try CUDALibraries.load(kind, search, driver, open)
            let version: String
            switch kind {
            case .nvrtc: version = "\(try RuntimeCompiler(source).version)"
            case .cublasLt: version = "\(try MatrixLibrary(source).version)"
            }
            return Finding(name: kind.title, isGood: true, value: "\(version), \(source.path)", mend: nil)
        } catch {
            return Finding(
                name: kind.title, isGood: false, value: "not found for this driver", mend: CUDALibraryKind.command(driver: driver)
            )
        }
    }
}
