package import FoundationEssentials
import ZendeskSimulator

/// Damages texts at random, the same way for the same seed. It tests code that must survive any
/// answer or any request.
package struct Mutation {
    private var random: SplitMix64
    private let texts: [Data]

    /// - Parameter texts: the texts to damage. Parts of one get into another.
    package init(seed: UInt64, _ texts: [String]) {
        random = SplitMix64(seed: seed)
        self.texts = texts.map { Data($0.utf8) }
    }

    /// The number of inputs per test. `FUZZ_INPUTS` overrides it.
    package static let count = UInt64(ProcessInfo.processInfo.environment["FUZZ_INPUTS"] ?? "") ?? 100

    /// Texts that parsers stumble over.
    private static let pieces = [
        "9223372036854775807", "-9223372036854775808", "1e400", "-1", "0", "1.5", "null", "true", "[]", "{}", "\"\"", "\"\\ud800\"",
        "\u{0}", "\r\n",
        "\n", " ", "\"", ",", ":", "é", "\u{fffd}", String(repeating: "[", count: 600), String(repeating: "9", count: 400), "Infinity",
        "NaN",
        "18446744073709551616",
    ]

    package mutating func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: values.indices, using: &random)] }

    /// A text with up to six faults.
    package mutating func next() -> Data {
        var text = pick(texts)
        for _ in 0..<Int.random(in: 0...6, using: &random) {
            let place = text.isEmpty ? 0 : Int.random(in: 0...text.count, using: &random)
            let end = min(text.count, place + Int.random(in: 1...12, using: &random))
            switch Int.random(in: 0..<7, using: &random) {
            case 0: text = Data(text.prefix(place))
            case 1: text.removeSubrange(place..<end)
            case 2: text.replaceSubrange(place..<end, with: Self.pieces[Int.random(in: Self.pieces.indices, using: &random)].utf8)
            case 3: text.insert(contentsOf: Self.pieces[Int.random(in: Self.pieces.indices, using: &random)].utf8, at: place)
            case 4: if place < text.count { text[place] = UInt8.random(in: .min ... .max, using: &random) }
            case 5: replaceNumber(in: &text)
            default:
                let other = pick(texts)
                let start = Int.random(in: 0...other.count, using: &random)
                text.insert(contentsOf: other[start..<min(other.count, start + 40)], at: place)
            }
        }
        return text
    }

    private mutating func replaceNumber(in text: inout Data) {
        let digits = text.indices.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[$0]) }
        guard let start = digits.randomElement(using: &random) else { return }
        let end = text[start...].firstIndex { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? text.endIndex
        text.replaceSubrange(start..<end, with: Self.pieces[Int.random(in: 0..<6, using: &random)].utf8)
    }
}
