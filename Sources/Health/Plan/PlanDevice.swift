// SPDX-License-Identifier: MIT
import RunLog

/// What a plan needs to know of the machine that will train.
public struct PlanDevice: Sendable {
    /// The card's name in the table, or the CPU's for people.
    public var name: String
    /// Bytes that a run may take; nil when unknown.
    public var memoryBytes: Double?
    /// Matrix products a second at best, FLOP/s; nil when unknown.
    public var peakFlops: Double?
    /// The share of the peak that training is taken to reach.
    public var efficiency: Double
    /// Why that share, in a sentence.
    public var efficiencyBasis: Message
    /// Power under load, watts; nil when unknown.
    public var watts: Double?
    /// Whether it is a graphics card.
    public var isGPU: Bool
    /// Memory of a configuration on this device.
    public var memory: @Sendable (RunConfig) -> PlanMemory

    /// A card of the table.
    ///
    /// - Parameters:
    ///   - gpu: a row of the table
    ///   - dtype: float32 or bfloat16
    ///   - efficiency: the share of the peak that training reaches; nil for the stated default.
    public static func gpu(_ gpu: GPU, dtype: String, efficiency: Double? = nil) -> PlanDevice {
        let isGeForce = gpu.name.contains("RTX") && !gpu.name.contains("A6000") && !gpu.name.contains("6000 Ada")
        let key =
            efficiency != nil ? "plan.efficiency.given" : isGeForce ? "plan.efficiency.geforce" : "plan.efficiency.data-centre"
        let share = efficiency ?? (isGeForce ? 0.55 : 0.40)
        return PlanDevice(
            // Part of the card's memory is the driver's and the screen's.
            name: gpu.name, memoryBytes: gpu.memoryGB.last.map { $0 * 1_073_741_824 * 0.95 },
            peakFlops: gpu.peakTflops(dtype: dtype).map { $0 * 1e12 }, efficiency: share,
            efficiencyBasis: Message(key, ["share": .number(share, .percent(0))]), watts: BoardPower.watts[gpu.name], isGPU: true,
            memory: PlanMemory.gpu)
    }

    /// This machine's CPU.
    ///
    /// - Parameters:
    ///   - name: for people
    ///   - ceilingFlops: what a large matrix product reaches here, measured
    ///   - memoryBytes: what a run may take; nil when that is unknown
    ///   - efficiency: the share of the ceiling that training reaches; nil for the stated default
    ///   - memory: the engine's own plan
    public static func cpu(
        name: String, ceilingFlops: Double?, memoryBytes: Double?, efficiency: Double? = nil,
        memory: @escaping @Sendable (RunConfig) -> PlanMemory
    ) -> PlanDevice {
        let share = efficiency ?? 0.5
        return PlanDevice(
            name: name, memoryBytes: memoryBytes, peakFlops: ceilingFlops, efficiency: share,
            efficiencyBasis: Message(
                efficiency != nil ? "plan.efficiency.given" : "plan.efficiency.cpu", ["share": .number(share, .percent(0))]),
            watts: nil, isGPU: false, memory: memory)
    }

    /// Names close to one that is not in the table, the closest first.
    public static func suggestions(for name: String) -> [String] {
        func words(_ text: String) -> Set<String> {
            Set(text.lowercased().split(whereSeparator: { !$0.isLetter && !$0.isNumber }).map(String.init))
        }
        func digits(_ text: String) -> String { String(text.filter(\.isNumber)) }
        let asked = words(name), number = digits(name)
        let scored = GPU.all.map { gpu -> (name: String, score: Int) in
            let shared = asked.intersection(words(gpu.name)).count * 3
            let close = number.isEmpty ? 0 : zip(number, digits(gpu.name)).prefix { $0 == $1 }.count
            return (gpu.name, shared + close)
        }
        return scored.filter { $0.score > 1 }.sorted { ($0.score, $1.name) > ($1.score, $0.name) }.prefix(5).map(\.name)
    }
}

/// Power that a card may draw, watts: the makers' board power (TGP, TDP).
enum BoardPower {
    static let watts: [String: Double] = [
        "GeForce RTX 2060": 160, "GeForce RTX 2060 SUPER": 175, "GeForce RTX 2070": 175, "GeForce RTX 2070 SUPER": 215,
        "GeForce RTX 2080": 215, "GeForce RTX 2080 SUPER": 250, "GeForce RTX 2080 Ti": 250, "GeForce RTX 3050 8GB": 130,
        "GeForce RTX 3060 12GB": 170, "GeForce RTX 3060 Ti": 200, "GeForce RTX 3070": 220, "GeForce RTX 3070 Ti": 290,
        "GeForce RTX 3080 10GB": 320, "GeForce RTX 3080 12GB": 350, "GeForce RTX 3080 Ti": 350, "GeForce RTX 3090": 350,
        "GeForce RTX 3090 Ti": 450, "GeForce RTX 4060": 115, "GeForce RTX 4060 Ti": 160, "GeForce RTX 4070": 200,
        "GeForce RTX 4070 SUPER": 220, "GeForce RTX 4070 Ti": 285, "GeForce RTX 4070 Ti SUPER": 285, "GeForce RTX 4080": 320,
        "GeForce RTX 4080 SUPER": 320, "GeForce RTX 4090": 450, "GeForce RTX 5060": 145, "GeForce RTX 5060 Ti": 180,
        "GeForce RTX 5070": 250, "GeForce RTX 5070 Ti": 300, "GeForce RTX 5080": 360, "GeForce RTX 5090": 575,
        "Tesla V100 SXM2": 300, "Tesla V100 PCIe": 250, "Tesla V100S PCIe": 250, "Tesla T4": 70, "A10": 150, "A10G (AWS)": 300,
        "A30": 165,
        "A40": 300, "RTX A6000": 300, "A100 PCIe 40GB": 250, "A100 SXM4 40GB": 400, "A100 PCIe 80GB": 300, "A100 SXM4 80GB": 400,
        "L4": 72, "L40": 300, "L40S": 350, "RTX 6000 Ada": 300, "H100 PCIe": 350, "H100 SXM5": 700, "H100 NVL": 400,
        "H200 SXM": 700,
        "H200 NVL": 600, "B100": 700, "B200": 1000, "GB200 (per GPU)": 1200,
    ]
}
