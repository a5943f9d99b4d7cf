import FoundationEssentials
import Support

extension Date {
    init?(rfc3339 text: String) {
        guard let time = RFC3339(text) else { return nil }
        // Counts from the reference date, as Foundation's own parsers do. Counting from 1970 can
        // lose the last digit of a millisecond.
        self.init(timeIntervalSinceReferenceDate: Double(time.seconds - Self.referenceSeconds) + Double(time.nanoseconds) / 1_000_000_000)
    }

    /// To the millisecond, as Pub/Sub writes its publish times.
    var rfc3339: String {
        // A difference below a microsecond is a rounding error of a `Double` of this size.
        let milliseconds = Int64((timeIntervalSinceReferenceDate * 1000 + 0.001).rounded(.down))
        let seconds = milliseconds >= 0 ? milliseconds / 1000 : (milliseconds - 999) / 1000
        return RFC3339(
            seconds: seconds + Self.referenceSeconds,
            nanoseconds: Int32(milliseconds - seconds * 1000) * 1_000_000,
            fractionDigits: 3
        ).description
    }

    /// 2001-01-01T00:00:00Z, in seconds since 1970.
    private static let referenceSeconds: Int64 = 978_307_200
}
