import BookingStatusSync
import SpannerChangeStreams
import Testing
import ZendeskSimulator

@Suite("Booking versions")
struct VersionTests {
    @Test(
        "versions are ordered by commit time, then transaction, then record sequence",
        arguments: [
            (version(1), version(2), .older),
            (version(2), version(1), .newer),
            (version(1), version(1), .same),
            (version(1, record: "00000001"), version(1, record: "00000002"), .older),
            (version(1, record: "00000010"), version(1, record: "9"), .newer),
            (version(1, record: "1"), version(1, record: "00000001"), .same),
            (version(1, record: ""), version(1, record: "00000000"), .same),
            (version(1, transaction: "a"), version(1, transaction: "b"), .unordered),
            (version(1, nanoseconds: 1000, transaction: "a"), version(1, nanoseconds: 2000, transaction: "b"), .older),
        ] as [(BookingVersion, BookingVersion, BookingVersion.Order)]
    )
    func order(left: BookingVersion, right: BookingVersion, order: BookingVersion.Order) {
        #expect(left.order(to: right) == order)
    }

    @Test("two transactions within a millisecond are unordered if the producer truncates to milliseconds")
    func milliseconds() throws {
        let micros = try exact(at: "2026-11-23T20:13:31.535191Z", transaction: "a")
        let millis = try exact(at: "2026-11-23T20:13:31.535Z", transaction: "b")
        #expect(micros.order(to: millis) == .unordered)
        #expect(millis.order(to: micros) == .unordered)
        // Both producers' records of one change have the same version.
        #expect(try micros.order(to: exact(at: "2026-11-23T20:13:31.535Z", transaction: "a")) == .same)
    }

    private func exact(at text: String, transaction: String) throws -> BookingVersion {
        BookingVersion(
            commitTimestamp: try #require(CommitTimestamp(rfc3339: text)),
            recordSequence: "00000000",
            transactionID: transaction
        )
    }
}

@Suite("The text of the version field")
struct KeptVersionTests {
    @Test("is readable by a person")
    func text() throws {
        let kept = KeptVersion(
            bookingID: "dcc5423e-5b0e-4c55-9a6e-0a4a5d2b9c11",
            version: BookingVersion(
                commitTimestamp: try #require(CommitTimestamp(rfc3339: "2026-11-23T20:13:31.538191Z")),
                recordSequence: "00000000",
                transactionID: "4"
            ),
            tag: "booking_2_booked"
        )
        #expect(
            kept.text
                == "booking_2_booked since 2026-11-23T20:13:31.538191Z, record 00000000, transaction 4, "
                + "booking dcc5423e-5b0e-4c55-9a6e-0a4a5d2b9c11"
        )
    }

    @Test(
        "reads back as the version that was written",
        arguments: ["b", "b, record 1", "日本 1", "a%2Cb"],
        ["4", "a,b", "100% sure, really", "", "%2C"]
    )
    func roundTrip(bookingID: String, transactionID: String) {
        for tag in ["booking_1_in_stay", nil] {
            let kept = KeptVersion(bookingID: bookingID, version: version(1, record: "00000007", transaction: transactionID), tag: tag)
            #expect(KeptVersion(text: kept.text) == kept)
        }
    }

    /// The rule of Zendesk's redaction for digits that look like a card's: 11 to 31 digits with up to
    /// five other characters between them, of which 12 to 19 pass Luhn's check.
    ///
    /// Source: zendesk/credit_card_sanitizer, `NUMBERS_WITH_LINE_NOISE`.
    private static func isRedacted(_ text: String) -> Bool {
        var digits: [UInt8] = []
        var noise = 0
        func looksLikeCard() -> Bool {
            guard (12...19).contains(digits.count) else { return false }
            let sum = digits.reversed().enumerated().reduce(0) { sum, next in
                let value = Int(next.element) * (next.offset % 2 + 1)
                return sum + (value > 9 ? value - 9 : value)
            }
            return sum % 10 == 0
        }
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39:
                if noise > 5 { digits = [] }
                digits.append(byte - 0x30)
                noise = 0
                if looksLikeCard() { return true }
            case 0x41...0x5a, 0x61...0x7a, 0x5f, 0x0a, UInt8(ascii: ","), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "&"),
                UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: ";"), UInt8(ascii: "<"), UInt8(ascii: ">"):
                digits = []
            default: noise += 1
            }
        }
        return false
    }

    @Test("no redaction takes its digits for a payment card's, whatever the booking's ID")
    func redaction() {
        var random = SplitMix64(seed: 7)
        func digits(_ count: Int) -> String { String((0..<count).map { _ in Character("\(Int.random(in: 0...9, using: &random))") }) }
        #expect(Self.isRedacted("booking 4111 1111 1111 1111"))
        let separators = ["", "-", " ", "é", "%", ", ", "/", "_", "--"]
        for _ in 0..<20_000 {
            let separator = separators.randomElement(using: &random)!
            let id = (0..<Int.random(in: 1...5, using: &random)).map { _ in digits(Int.random(in: 1...19, using: &random)) }
            let kept = KeptVersion(
                bookingID: id.joined(separator: separator),
                version: version(1, record: digits(10), transaction: digits(19)),
                tag: "booked"
            )
            #expect(!Self.isRedacted(kept.text), "\(kept.text)")
            #expect(KeptVersion(text: kept.text) == kept, "\(kept.text)")
        }
    }

    @Test("a text from before digits were encoded remains readable")
    func formerSpelling() throws {
        let text = "booked since 2026-11-23T20:13:31.538191Z, record 00000000, transaction 12345678%20123456, booking 4111111111111111"
        let kept = try #require(KeptVersion(text: text))
        #expect(kept.bookingID == "4111111111111111")
        #expect(kept.version.transactionID == "12345678 123456")
        #expect(kept.text != text)
        #expect(KeptVersion(text: kept.text) == kept)
    }

    @Test(
        "is not a version after somebody edited it",
        arguments: [
            "", "none", "booked", "x since y, record 0, transaction 4, booking b",
            "x since 2026-11-23T20:13:31.538191Z, record 0, transaction 4, booking ",
            "x since 2026-11-23T20:13:31.538191Z, record 0, transaction 4",
            "x y since 2026-11-23T20:13:31.538191Z, record 0, transaction 4, booking b",
            " since 2026-11-23T20:13:31.538191Z, record 0, transaction 4, booking b",
            "x since 2026-11-23T20:13:31.538191Z , record 0, transaction 4, booking b",
            "x since 2026-11-23T20:13:31.5381Z, record 0, transaction 4, booking b",
            "x since 2026-11-23T22:13:31.538191+02:00, record 0, transaction 4, booking b",
            "x since 2026-11-23T20:13:31.538191Z, record 0, transaction %zz, booking b",
        ]
    )
    func edited(text: String) {
        #expect(KeptVersion(text: text) == nil)
    }
}
