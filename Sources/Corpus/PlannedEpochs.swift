// SPDX-License-Identifier: MIT
import Foundation
import RunLog

/// How often a planned run reads its training tokens.
///
/// - Note: Source: Muennighoff et al. 2023, "Scaling Data-Constrained Language Models", arXiv 2305.16264: up to 4 epochs repeated
///   tokens are worth nearly as much as new ones; then their worth decays, and beyond 16 little is left of it.
struct PlannedEpochs {
    /// Tokens that the run will see.
    let tokens: Int
    let trainTokens: Int

    static let most = 4.0

    var epochs: Double { Double(tokens) / Double(max(trainTokens, 1)) }

    /// For people.
    var sentence: String {
        "a run of \(DataCard.grouped(tokens)) tokens reads the \(DataCard.grouped(trainTokens)) training tokens "
            + "\(DataCard.decimal(epochs, epochs < 10 ? 2 : 0)) times"
    }

    /// nil while repetition costs little.
    var warning: AuditWarning? {
        guard epochs > Self.most else { return nil }
        return AuditWarning(
            code: "many-epochs",
            message: sentence
                + "; beyond 4 epochs repeated text teaches less and less, and beyond 16 hardly anything (Muennighoff "
                + "et al. 2023, arXiv 2305.16264)",
            advice:
                "prepare more text, or plan at most \(DataCard.grouped(Int(Self.most) * trainTokens)) tokens, with a model of a "
                + "size that fits them (`apus plan`)")
    }

    /// Adds what a planned run would make of a dataset to its manifest.
    static func add(_ tokens: Int?, to manifest: inout DatasetManifest) {
        guard let tokens else { return }
        let planned = PlannedEpochs(tokens: tokens, trainTokens: manifest.train.tokens)
        manifest.audit.plannedTokens = tokens
        manifest.audit.plannedEpochs = planned.epochs
        if let warning = planned.warning { manifest.audit.warnings = (manifest.audit.warnings ?? []) + [warning] }
    }
}
