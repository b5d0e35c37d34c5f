// SPDX-License-Identifier: MIT

extension ReferenceRun {
    /// End points of public runs whose learning rate had decayed; loss in nats per GPT-2 token.
    ///
    /// `isFitted`: the law was fitted to it; the others check the law. Where the head is not tied, parameters count the
    /// vocabulary once.
    static let table: [ReferenceRun] = [
        ReferenceRun(
            "llm.c GPT-2 124M (Oct 2024 code)", layers: 12, heads: 12, width: 768, "AdamW", rate: 6e-4, .gpt2, "FineWeb",
            batch: 524288, tokens: 10255073280, loss: 3.2722, isFitted: true, isSpecial: false, .good,
            "modded-nanogpt records/track_1_short/2024-10-13_llmc/main.log"),
        ReferenceRun(
            "llm.c GPT-2 124M (May 2024, discussion #481)", layers: 12, heads: 12, width: 768, "AdamW", rate: 6e-4, .gpt2,
            "FineWeb",
            batch: 524288, tokens: 9890693120, loss: 3.29, isFitted: false, isSpecial: false, .fair,
            "karpathy/llm.c discussions/481 (quoted in modded-nanogpt README)"),
        ReferenceRun(
            "llm.c GPT-2 350M", layers: 24, heads: 16, width: 1024, "AdamW", rate: 3e-4, .gpt2, "FineWeb",
            batch: 524288, tokens: 31457280000, loss: 2.9282, isFitted: true, isSpecial: false, .good,
            "modded-nanogpt records/track_2_medium/2025-01-18/main.log"),
        ReferenceRun(
            "tyler-romero baseline 124M", layers: 12, heads: 12, width: 768, "AdamW", rate: 1.5e-3, .gpt2, "FineWeb",
            batch: 262144, tokens: 6442450944, loss: 3.2798, isFitted: true, isSpecial: false, .good,
            "tyler-romero/nanogpt-speedrun run.sh"),
        ReferenceRun(
            "SOAP 124M", layers: 12, heads: 12, width: 768, "SOAP", rate: nil, .rope, "FineWeb",
            batch: 524288, tokens: 3145728000, loss: 3.2763, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_1_short/2024-10-09_SOAP"),
        ReferenceRun(
            "Muon 124M (record 4)", layers: 12, heads: 12, width: 768, "Muon", rate: nil, .rope, "FineWeb",
            batch: 524288, tokens: 3250585600, loss: 3.2785, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_1_short/2024-10-10_Muon"),
        ReferenceRun(
            "Distributed Muon (record 6)", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 2673868800, loss: 3.2747, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_1_short/2024-10-17_DistributedMuon"),
        ReferenceRun(
            "PyTorch 2.5 (record 7)", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 2673868800, loss: 3.2755, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_1_short/2024-10-18_PyTorch25"),
        ReferenceRun(
            "Optimizer comparison: Adam", layers: 12, heads: 6, width: 768, "AdamW", rate: 1.8e-3, .modern, "FineWeb",
            batch: 524288, tokens: 2673868800, loss: 3.3406, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_1_short/2024-10-29_Optimizers/95a9fd44"),
        ReferenceRun(
            "Optimizer comparison: SOAP", layers: 12, heads: 6, width: 768, "SOAP", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 2673868800, loss: 3.2752, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_1_short/2024-10-29_Optimizers/e21a2838"),
        ReferenceRun(
            "Optimizer comparison: Muon", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 2673868800, loss: 3.276, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_1_short/2024-10-29_Optimizers/8d6193f4"),
        ReferenceRun(
            "Untied head (record 8)", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 2400190464, loss: 3.2762, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_1_short/2024-11-03_UntieEmbed"),
        ReferenceRun(
            "bf16 activations (record 10)", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 1699741696, loss: 3.2781, isFitted: false, isSpecial: true, .good,
            "modded-nanogpt records/track_1_short/2024-11-08_CastBf16"),
        ReferenceRun(
            "U-net skips, 2x LR (record 11)", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 1572864000, loss: 3.2753, isFitted: false, isSpecial: true, .good,
            "modded-nanogpt records/track_1_short/2024-11-10_UNetDoubleLr"),
        ReferenceRun(
            "Untied head, long run", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 9999745024, loss: 3.1337, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_1_short/2024-11-10_ScaleShortcuts/4897c987"),
        ReferenceRun(
            "Shortcuts, 10B tokens", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 9999745024, loss: 3.0943, isFitted: false, isSpecial: true, .good,
            "modded-nanogpt records/track_1_short/2024-11-10_ScaleShortcuts/70a0ada6"),
        ReferenceRun(
            "FlexAttention 64K ctx (record 12)", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 983040000, loss: 3.2783, isFitted: false, isSpecial: true, .good,
            "modded-nanogpt records/track_1_short/2024-11-19_FlexAttention"),
        ReferenceRun(
            "SoftCap (record 18)", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 728760320, loss: 3.2785, isFitted: false, isSpecial: true, .good,
            "modded-nanogpt records/track_1_short/2025-01-04_SoftCap"),
        ReferenceRun(
            "remixed A: modern dense + AdamW", layers: 12, heads: 6, width: 768, "AdamW", rate: 2.1e-3, .modern, "FineWeb",
            batch: 524288, tokens: 2293760000, loss: 3.2809, isFitted: false, isSpecial: false, .good,
            "flukeskywalker/modded-nanogpt-remixed log/A.txt"),
        ReferenceRun(
            "remixed M: modern dense + Muon", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 1310720000, loss: 3.2791, isFitted: false, isSpecial: true, .good,
            "flukeskywalker/modded-nanogpt-remixed log/M.txt"),
        ReferenceRun(
            "track3 Adam", layers: 12, heads: 6, width: 768, "AdamW", rate: 1.5e-3, .modern, "FineWeb",
            batch: 524288, tokens: 2949120000, loss: 3.279, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_3_optimization/README.md"),
        ReferenceRun(
            "track3 Muon #12", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 1756364800, loss: 3.2784, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_3_optimization/README.md"),
        ReferenceRun(
            "track3 Muon short", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 1651507200, loss: 3.2881, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_3_optimization/README.md"),
        ReferenceRun(
            "track3 Shampoo", layers: 12, heads: 6, width: 768, "Shampoo", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 2149580800, loss: 3.2776, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_3_optimization/README.md"),
        ReferenceRun(
            "track3 tuned baseline #36", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 1703936000, loss: 3.2787, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_3_optimization/README.md"),
        ReferenceRun(
            "track3 record #46", layers: 12, heads: 6, width: 768, "Muon", rate: nil, .modern, "FineWeb",
            batch: 524288, tokens: 1410334720, loss: 3.2783, isFitted: false, isSpecial: true, .good,
            "modded-nanogpt records/track_3_optimization/README.md"),
        ReferenceRun(
            "1.5B Muon", layers: 52, heads: 12, width: 1536, "Muon", rate: nil, .modern, "FineWeb",
            batch: 491520, tokens: 9999482880, loss: 2.7297, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_1_short/2024-10-20_ScaleUp1B/ad8d7ae5"),
        ReferenceRun(
            "1.5B Muon 7.5B tok", layers: 52, heads: 12, width: 1536, "Muon", rate: nil, .modern, "FineWeb",
            batch: 491520, tokens: 7499612160, loss: 2.7672, isFitted: false, isSpecial: false, .good,
            "modded-nanogpt records/track_1_short/2024-10-20_ScaleUp1B/c0078066"),
        ReferenceRun(
            "nanoGPT GPT-2 124M", layers: 12, heads: 12, width: 768, "AdamW", rate: 6e-4, .gpt2, "OpenWebText",
            batch: 491520, tokens: 294912000000, loss: 2.85, isFitted: false, isSpecial: false, .good,
            "karpathy/nanoGPT README"),
        ReferenceRun(
            "LitGPT GPT-2 124M", layers: 12, heads: 12, width: 768, "AdamW", rate: nil, .gpt2, "OpenWebText",
            batch: 491520, tokens: 299925504000, loss: 2.861, isFitted: false, isSpecial: false, .good,
            "Lightning-AI/litgpt issue #1607"),
        ReferenceRun(
            "nanoGPT 124M user", layers: 12, heads: 12, width: 768, "AdamW", rate: nil, .gpt2, "OpenWebText",
            batch: 491520, tokens: 294912000000, loss: 2.9, isFitted: false, isSpecial: false, .low,
            "karpathy/nanoGPT issue #644"),
        ReferenceRun(
            "MARS-paper AdamW GPT-2 small @50B", layers: 12, heads: 12, width: 768, "AdamW", rate: 6e-4, .gpt2, "OpenWebText",
            batch: 491520, tokens: 50000000000, loss: 2.885, isFitted: false, isSpecial: false, .good,
            "AGI-Arena/MARS README"),
        ReferenceRun(
            "MARS-paper AdamW GPT-2 large @50B", layers: 36, heads: 20, width: 1280, "AdamW", rate: 2e-4, .gpt2, "OpenWebText",
            batch: 491520, tokens: 50000000000, loss: 2.561, isFitted: false, isSpecial: false, .good,
            "AGI-Arena/MARS README"),
        ReferenceRun(
            "MARS-paper Muon GPT-2 small @50B", layers: 12, heads: 12, width: 768, "Muon", rate: nil, .gpt2, "OpenWebText",
            batch: 491520, tokens: 50000000000, loss: 2.901, isFitted: false, isSpecial: false, .good,
            "AGI-Arena/MARS README"),
        ReferenceRun(
            "MARS-paper Muon GPT-2 large @50B", layers: 36, heads: 20, width: 1280, "Muon", rate: nil, .gpt2, "OpenWebText",
            batch: 491520, tokens: 50000000000, loss: 2.573, isFitted: false, isSpecial: false, .good,
            "AGI-Arena/MARS README"),
    ]
}
