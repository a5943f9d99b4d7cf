import Testing
import Support

@Suite("Timing")
struct TimestampsTests {
    @Test(
        "an RFC 3339 time is read to the nanosecond",
        arguments: [
            ("1970-01-01T00:00:00Z", 0, 0, 0),
            ("2026-11-23T20:13:31.535191Z", 1_795_464_811, 535_191_000, 6),
            ("2026-11-23T20:13:31.5Z", 1_795_464_811, 500_000_000, 1),
            ("2026-11-23T20:13:31.123456789Z", 1_795_464_811, 123_456_789, 9),
            ("2026-11-23t22:13:31z", 1_795_472_011, 0, 0),
            ("2026-11-23T22:13:31+02:00", 1_795_464_811, 0, 0),
            ("2026-11-23T18:43:31-01:30", 1_795_464_811, 0, 0),
            ("2024-02-29T00:00:00Z", 1_709_164_800, 0, 0),
            ("1969-12-31T23:59:59.25Z", -1, 250_000_000, 2),
            ("0001-01-01T00:00:00Z", -62_135_596_800, 0, 0),
            ("9999-12-31T23:59:59.999999999Z", 253_402_300_799, 999_999_999, 9),
            ("2016-12-31T23:59:60Z", 1_483_228_799, 0, 0),
        ]
    )
    func reads(text: String, seconds: Int64, nanoseconds: Int32, digits: Int) {
        #expect(RFC3339(text) == RFC3339(seconds: seconds, nanoseconds: nanoseconds, fractionDigits: digits))
    }

    @Test(
        "text that is not an RFC 3339 time is refused",
        arguments: [
            "", "2026-11-23", "2026-11-23T20:13:31", "2026-11-23 20:13:31Z", "2026-11-23T20:13:31.Z",
            "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00Zjunk",
            "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+0100", "٢٠٢٦-01-01T00:00:00Z", "26-01-01T00:00:00Z",
        ]
    )
    func refuses(text: String) {
        #expect(RFC3339(text) == nil)
    }

    @Test("every day of eight centuries reads back as it was written")
    func roundTrip() {
        for day in stride(from: Int64(-146_097), through: 146_097, by: 13) {
            let time = RFC3339(seconds: day * 86_400 + day & 0x7fff, nanoseconds: 120_000_000, fractionDigits: 2)
            guard RFC3339(time.description) == time else {
                Issue.record("\(time) is read as \(String(describing: RFC3339(time.description)))")
                return
            }
        }
    }

    @Test("digits beyond the requested ones are truncated, not rounded")
    func cuts() {
        #expect(RFC3339(seconds: 0, nanoseconds: 999_999_999, fractionDigits: 3).description == "1970-01-01T00:00:00.999Z")
    }

    @Test(
        "an HTTP date is read and written",
        arguments: [
            ("Tue, 24 Nov 2026 02:54:00 GMT", 1_795_488_840), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ]
    )
    func httpDate(text: String, seconds: Int64) {
        #expect(HTTPDate.seconds(text) == seconds)
        #expect(HTTPDate.text(seconds: seconds) == text)
    }

    @Test(
        "other date formats are refused",
        arguments: ["", "Tue, 24 Nov 2026 02:54:00", "24 Nov 2026 02:54:00 GMT", "Tue, 31 Feb 2026 02:54:00 GMT"]
    )
    func refusesHTTPDate(text: String) {
        #expect(HTTPDate.seconds(text) == nil)
    }
}
