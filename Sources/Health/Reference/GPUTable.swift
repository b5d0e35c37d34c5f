// SPDX-License-Identifier: MIT

extension GPU {
    /// Dense tensor peaks with float32 accumulation, TFLOP/s; where the datasheet counts sparsity it is halved.
    ///
    /// Sources: [A] llm.c llmc/mfu.h, [B] nanochat common.py get_peak_flops, [C] Lightning fabric throughput.py (NVIDIA
    /// datasheets), [D] NVIDIA specifications, [E] PrimeIntellect prime mfu_tracker.py, [F] the formula of [A] with the card's
    /// cores and clock.
    static let table: [GPU] = [
        GPU(
            "GeForce RTX 2060", bf16: nil, fp16: 25.8, tf32: nil, fp32: 6.5,
            memory: [6], bandwidth: 336, .fair, "llm.c's formula with the card's cores and clock"),
        GPU(
            "GeForce RTX 2060 SUPER", bf16: nil, fp16: 28.7, tf32: nil, fp32: 7.2,
            memory: [8], bandwidth: 448, .fair, "llm.c's formula with the card's cores and clock"),
        GPU(
            "GeForce RTX 2070", bf16: nil, fp16: 29.9, tf32: nil, fp32: 7.5,
            memory: [8], bandwidth: 448, .fair, "llm.c's formula with the card's cores and clock"),
        GPU(
            "GeForce RTX 2070 SUPER", bf16: nil, fp16: 36.2, tf32: nil, fp32: 9.1,
            memory: [8], bandwidth: 448, .fair, "llm.c's formula with the card's cores and clock"),
        GPU(
            "GeForce RTX 2080", bf16: nil, fp16: 40.3, tf32: nil, fp32: 10.1,
            memory: [8], bandwidth: 448, .fair, "llm.c's formula with the card's cores and clock"),
        GPU(
            "GeForce RTX 2080 SUPER", bf16: nil, fp16: 44.6, tf32: nil, fp32: 11.2,
            memory: [8], bandwidth: 496, .fair, "llm.c's formula with the card's cores and clock"),
        GPU(
            "GeForce RTX 2080 Ti", bf16: nil, fp16: 53.8, tf32: nil, fp32: 13.4,
            memory: [11], bandwidth: 616, .fair, "llm.c's formula with the card's cores and clock"),
        GPU(
            "GeForce RTX 3050 8GB", bf16: 18.2, fp16: 18.2, tf32: 9.1, fp32: 9.1,
            memory: [8], bandwidth: 224, .fair, "llm.c's formula with the card's cores and clock"),
        GPU(
            "GeForce RTX 3060 12GB", bf16: 25.5, fp16: 25.5, tf32: 12.7, fp32: 12.7,
            memory: [12], bandwidth: 360, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 3060 Ti", bf16: 32.4, fp16: 32.4, tf32: 16.2, fp32: 16.2,
            memory: [8], bandwidth: 448, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 3070", bf16: 40.6, fp16: 40.6, tf32: 20.3, fp32: 20.3,
            memory: [8], bandwidth: 448, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 3070 Ti", bf16: 43.5, fp16: 43.5, tf32: 21.7, fp32: 21.7,
            memory: [8], bandwidth: 608, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 3080 10GB", bf16: 59.5, fp16: 59.5, tf32: 29.8, fp32: 29.8,
            memory: [10], bandwidth: 760, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 3080 12GB", bf16: 61.3, fp16: 61.3, tf32: 30.6, fp32: 30.6,
            memory: [12], bandwidth: 912, .fair, "llm.c's formula with the card's cores and clock"),
        GPU(
            "GeForce RTX 3080 Ti", bf16: 68.2, fp16: 68.2, tf32: 34.1, fp32: 34.1,
            memory: [12], bandwidth: 912, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 3090", bf16: 71.2, fp16: 71.2, tf32: 35.6, fp32: 35.6,
            memory: [24], bandwidth: 936, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 3090 Ti", bf16: 80.0, fp16: 80.0, tf32: 40.0, fp32: 40.0,
            memory: [24], bandwidth: 1008, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 4060", bf16: 30.2, fp16: 30.2, tf32: 15.1, fp32: 15.1,
            memory: [8], bandwidth: 272, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 4060 Ti", bf16: 44.1, fp16: 44.1, tf32: 22.1, fp32: 22.1,
            memory: [8, 16], bandwidth: 288, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 4070", bf16: 58.3, fp16: 58.3, tf32: 29.1, fp32: 29.1,
            memory: [12], bandwidth: 504, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 4070 SUPER", bf16: 71.0, fp16: 71.0, tf32: 35.5, fp32: 35.5,
            memory: [12], bandwidth: 504, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 4070 Ti", bf16: 80.2, fp16: 80.2, tf32: 40.1, fp32: 40.1,
            memory: [12], bandwidth: 504, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 4070 Ti SUPER", bf16: 88.2, fp16: 88.2, tf32: 44.1, fp32: 44.1,
            memory: [16], bandwidth: 672, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 4080", bf16: 97.5, fp16: 97.5, tf32: 48.7, fp32: 48.7,
            memory: [16], bandwidth: 717, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 4080 SUPER", bf16: 104.4, fp16: 104.4, tf32: 52.2, fp32: 52.2,
            memory: [16], bandwidth: 736, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 4090", bf16: 165.2, fp16: 165.2, tf32: 82.6, fp32: 82.6,
            memory: [24], bandwidth: 1008, .good, "llm.c llmc/mfu.h"),
        GPU(
            "GeForce RTX 5060", bf16: 38.4, fp16: 38.4, tf32: 19.2, fp32: 19.2,
            memory: [8], bandwidth: 448, .fair, "llm.c's formula with the card's cores and clock"),
        GPU(
            "GeForce RTX 5060 Ti", bf16: 47.4, fp16: 47.4, tf32: 23.7, fp32: 23.7,
            memory: [8, 16], bandwidth: 448, .fair, "llm.c's formula with the card's cores and clock"),
        GPU(
            "GeForce RTX 5070", bf16: 61.7, fp16: 61.7, tf32: 30.9, fp32: 30.9,
            memory: [12], bandwidth: 672, .good, "prime mfu_tracker.py"),
        GPU(
            "GeForce RTX 5070 Ti", bf16: 87.9, fp16: 87.9, tf32: 43.9, fp32: 43.9,
            memory: [16], bandwidth: 896, .good, "prime mfu_tracker.py"),
        GPU(
            "GeForce RTX 5080", bf16: 112.6, fp16: 112.6, tf32: 56.3, fp32: 56.3,
            memory: [16], bandwidth: 960, .good, "prime mfu_tracker.py"),
        GPU(
            "GeForce RTX 5090", bf16: 209.5, fp16: 209.5, tf32: 104.8, fp32: 104.8,
            memory: [32], bandwidth: 1792, .good, "prime mfu_tracker.py"),
        GPU(
            "Tesla V100 SXM2", bf16: nil, fp16: 125, tf32: nil, fp32: 15.7,
            memory: [16, 32], bandwidth: 900, .good, "llm.c llmc/mfu.h"),
        GPU(
            "Tesla V100 PCIe", bf16: nil, fp16: 112, tf32: nil, fp32: 14,
            memory: [16, 32], bandwidth: 900, .good, "Lightning throughput.py"),
        GPU(
            "Tesla V100S PCIe", bf16: nil, fp16: 130, tf32: nil, fp32: 16.4,
            memory: [32], bandwidth: 1134, .good, "Lightning throughput.py"),
        GPU(
            "Tesla T4", bf16: nil, fp16: 65, tf32: nil, fp32: 8.1,
            memory: [16], bandwidth: 320, .good, "Lightning throughput.py"),
        GPU(
            "A10", bf16: 125, fp16: 125, tf32: 62.5, fp32: 31.2,
            memory: [24], bandwidth: 600, .good, "Lightning throughput.py"),
        GPU(
            "A10G (AWS)", bf16: 70, fp16: 70, tf32: 35, fp32: 31.5,
            memory: [24], bandwidth: 600, .low, "NVIDIA specification"),
        GPU(
            "A30", bf16: 165, fp16: 165, tf32: 82, fp32: 10.3,
            memory: [24], bandwidth: 933, .good, "nanochat common.py"),
        GPU(
            "A40", bf16: 149.7, fp16: 149.7, tf32: 74.8, fp32: 37.4,
            memory: [48], bandwidth: 696, .good, "nanochat common.py"),
        GPU(
            "RTX A6000", bf16: 154.8, fp16: 154.8, tf32: 77.4, fp32: 38.7,
            memory: [48], bandwidth: 768, .fair, "NVIDIA specification"),
        GPU(
            "A100 PCIe 40GB", bf16: 312, fp16: 312, tf32: 156, fp32: 19.5,
            memory: [40], bandwidth: 1555, .good, "llm.c llmc/mfu.h"),
        GPU(
            "A100 SXM4 40GB", bf16: 312, fp16: 312, tf32: 156, fp32: 19.5,
            memory: [40], bandwidth: 1555, .good, "llm.c llmc/mfu.h"),
        GPU(
            "A100 PCIe 80GB", bf16: 312, fp16: 312, tf32: 156, fp32: 19.5,
            memory: [80], bandwidth: 1935, .good, "llm.c llmc/mfu.h"),
        GPU(
            "A100 SXM4 80GB", bf16: 312, fp16: 312, tf32: 156, fp32: 19.5,
            memory: [80], bandwidth: 2039, .good, "llm.c llmc/mfu.h"),
        GPU(
            "L4", bf16: 121, fp16: 121, tf32: 60, fp32: 30.3,
            memory: [24], bandwidth: 300, .good, "nanochat common.py"),
        GPU(
            "L40", bf16: 181, fp16: 181, tf32: 90.5, fp32: 90.5,
            memory: [48], bandwidth: 864, .fair, "NVIDIA specification"),
        GPU(
            "L40S", bf16: 362, fp16: 362, tf32: 183, fp32: 91.6,
            memory: [48], bandwidth: 864, .good, "nanochat common.py"),
        GPU(
            "RTX 6000 Ada", bf16: 364, fp16: 364, tf32: 182, fp32: 91.1,
            memory: [48], bandwidth: 960, .low, "NVIDIA specification"),
        GPU(
            "H100 PCIe", bf16: 756, fp16: 756, tf32: 378, fp32: 51,
            memory: [80], bandwidth: 2000, .good, "llm.c llmc/mfu.h"),
        GPU(
            "H100 SXM5", bf16: 989, fp16: 989, tf32: 494, fp32: 67,
            memory: [80], bandwidth: 3350, .good, "nanochat common.py"),
        GPU(
            "H100 NVL", bf16: 835, fp16: 835, tf32: 417, fp32: 60,
            memory: [94], bandwidth: 3938, .fair, "nanochat common.py"),
        GPU(
            "H200 SXM", bf16: 989, fp16: 989, tf32: 494, fp32: 67,
            memory: [141], bandwidth: 4800, .good, "nanochat common.py"),
        GPU(
            "H200 NVL", bf16: 836, fp16: 836, tf32: 418, fp32: 60,
            memory: [141], bandwidth: 4800, .fair, "nanochat common.py"),
        GPU(
            "B100", bf16: 1800, fp16: 1800, tf32: 900, fp32: 60,
            memory: [192], bandwidth: 8000, .fair, "nanochat common.py"),
        GPU(
            "B200", bf16: 2250, fp16: 2250, tf32: 1100, fp32: 75,
            memory: [180, 192], bandwidth: 8000, .good, "nanochat common.py"),
        GPU(
            "GB200 (per GPU)", bf16: 2500, fp16: 2500, tf32: 1250, fp32: 80,
            memory: [192], bandwidth: 8000, .fair, "nanochat common.py"),
    ]
}
