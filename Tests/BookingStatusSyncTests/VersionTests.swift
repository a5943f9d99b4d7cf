import BookingStatusSync
import SpannerChangeStreams
import Testing

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
