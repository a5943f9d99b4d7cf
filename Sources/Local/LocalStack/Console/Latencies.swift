import ZendeskSimulator

/// Milliseconds from commit to ticket.
struct Latencies {
    private let sorted: [Double]

    init(_ values: [Double]) { sorted = values.sorted() }

    /// The nearest-rank percentile; nil without values.
    func percentile(_ percent: Int) -> Double? {
        guard !sorted.isEmpty else { return nil }
        return sorted[max(0, (sorted.count * percent + 99) / 100 - 1)]
    }

    /// Upper ends of the plot's bars, in milliseconds; the last bar is open.
    private static let steps = [25.0, 50, 100, 200, 400, 800, 1600, 3200, 6400]

    var json: JSON {
        func rounded(_ percent: Int) -> JSON { percentile(percent).map { .int(Int($0.rounded())) } ?? .null }
        var bars: [JSON] = []
        var below = 0
        for step in Self.steps {
            let count = sorted.prefix { $0 <= step }.count
            bars.append(["to": .int(Int(step)), "count": .int(count - below)])
            below = count
        }
        bars.append(["to": nil, "count": .int(sorted.count - below)])
        return ["count": .int(sorted.count), "p50": rounded(50), "p90": rounded(90), "p99": rounded(99), "bars": .array(bars)]
    }
}
