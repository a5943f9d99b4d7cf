import BookingStatusSync
import Testing

/// `setup`, `check` and the function share this parser, so that all accept the same statuses.
@Suite("Status tags")
struct StatusTagsTests {
    @Test("are read in order, ignoring surrounding spaces")
    func reads() throws {
        let tags = try StatusTags("InStay=booking_1_in_stay, Booked = booking_2_booked")
        #expect(tags.pairs.map(\.status) == ["InStay", "Booked"])
        #expect(tags.byStatus == ["InStay": "booking_1_in_stay", "Booked": "booking_2_booked"])
        #expect(try StatusTags(tags.text) == tags)
    }

    @Test(
        "are refused if the function could not work with them",
        arguments: ["", "InStay", "A=", "=a", "A=a b", "A=a,,B=b", "A=a=b", "A=a,A=b", "A=a,B=none"]
    )
    func refuses(text: String) {
        #expect(throws: StatusTags.Fault.self) { try StatusTags(text) }
    }
}
