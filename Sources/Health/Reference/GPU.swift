// SPDX-License-Identifier: MIT

/// A GPU's datasheet figures.
public struct GPU: Sendable, Equatable {
    /// Without "NVIDIA": "GeForce RTX 4070".
    public let name: String
    /// Dense matrix products with float32 accumulation, TFLOP/s; nil where the card lacks the format.
    public let bf16Tflops, fp16Tflops, tf32Tflops, fp32Tflops: Double?
    /// GB by variant.
    public let memoryGB: [Double]
    /// Memory bandwidth, GB/s.
    public let bandwidthGBs: Double?
    /// Of the peaks; fair for what llm.c's formula gives.
    public let confidence: Confidence
    /// Where the peaks come from.
    public let source: String

    init(
        _ name: String, bf16: Double?, fp16: Double?, tf32: Double?, fp32: Double?, memory: [Double], bandwidth: Double?,
        _ confidence: Confidence, _ source: String
    ) {
        self.name = name
        bf16Tflops = bf16
        fp16Tflops = fp16
        tf32Tflops = tf32
        fp32Tflops = fp32
        memoryGB = memory
        bandwidthGBs = bandwidth
        self.confidence = confidence
        self.source = source
    }

    /// Every card of the table.
    public static var all: [GPU] { table }

    /// Peak for a data type as configurations name it; bfloat16 falls back to float16 on cards without it.
    public func peakTflops(dtype: String?) -> Double? {
        switch dtype?.lowercased() {
        case "float32", "fp32": fp32Tflops
        case "tf32": tf32Tflops ?? fp32Tflops
        case "float16", "fp16": fp16Tflops ?? bf16Tflops
        default: bf16Tflops ?? fp16Tflops
        }
    }

    /// The card a name means: "RTX 4070", "NVIDIA GeForce RTX 4070", "4070 ti", "NVIDIA A100-SXM4-80GB".
    ///
    /// Laptop cards share names with desktop cards but not their speed, so they are not found.
    public static func named(_ name: String) -> GPU? {
        let wanted = words(name)
        guard !wanted.isEmpty, wanted.isDisjoint(with: ["laptop", "mobile", "max", "maxq"]) else { return nil }
        let models = wanted.filter {
            $0.contains(where: \.isNumber) && !$0.hasSuffix("gb") && !$0.hasPrefix("sxm") && !$0.hasPrefix("hbm")
        }
        guard !models.isEmpty else { return nil }
        var best: (gpu: GPU, extra: Int)?
        for gpu in table {
            let has = words(gpu.name)
            guard models.isSubset(of: has), wanted.intersection(grades) == has.intersection(grades) else { continue }
            // Words only one side has, such as "PCIe" or a memory size, count against it; SXM is the usual data-centre card.
            let extra = has.symmetricDifference(wanted).count * 2 + (has.contains { $0.hasPrefix("sxm") } ? 0 : 1)
            if best.map({ extra < $0.extra }) ?? true { best = (gpu, extra) }
        }
        return best?.gpu
    }

    private static let grades: Set<String> = ["ti", "super", "ada"]

    private static func words(_ name: String) -> Set<String> {
        var result: Set<String> = []
        let noise: Set<String> = [
            "nvidia", "geforce", "tesla", "gpu", "graphics", "card", "rtx", "gtx", "per", "aws", "cuda", "the",
        ]
        for part in name.lowercased().split(whereSeparator: { !$0.isLetter && !$0.isNumber }) {
            var word = part
            for brand in ["rtx", "gtx"] where word.hasPrefix(brand) { word = word.dropFirst(3) }
            // "4070ti" and "4070tisuper" are written together by some.
            if let first = word.first, first.isNumber {
                let digits = word.prefix(while: \.isNumber)
                var rest = word.dropFirst(digits.count)
                if ["ti", "super", "tisuper"].contains(rest) {
                    result.insert(String(digits))
                    if rest.hasPrefix("ti") {
                        result.insert("ti")
                        rest = rest.dropFirst(2)
                    }
                    if rest == "super" { result.insert("super") }
                    continue
                }
            }
            let text = String(word)
            if !text.isEmpty, !noise.contains(text) { result.insert(text) }
        }
        return result
    }
}
