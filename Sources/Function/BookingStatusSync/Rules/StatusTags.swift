/// The tag of each booking status, as `BOOKING_STATUS_TAGS` has it:
/// `InStay=booking_1_in_stay,Booked=booking_2_booked`.
package struct StatusTags: Equatable, Sendable {
    /// In the order in which agents should see them.
    package private(set) var pairs: [Pair] = []

    package struct Pair: Equatable, Sendable {
        package var status: String
        package var tag: String
    }

    /// What is wrong with a text, without the setting's name.
    package struct Fault: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    package init(_ text: String) throws(Fault) {
        for pair in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = pair.split(separator: "=", omittingEmptySubsequences: false).map { Self.trimmed($0) }
            guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }), !parts[1].contains(where: \.isWhitespace) else {
                throw Fault(description: "is not of the form STATUS=TAG,STATUS=TAG (a tag has no white space)")
            }
            guard !pairs.contains(where: { $0.status == parts[0] }) else {
                throw Fault(description: "names the status \(parts[0]) twice")
            }
            guard parts[1] != KeptVersion.noTag else {
                throw Fault(description: "has the tag \(KeptVersion.noTag), which stands for an empty field in the booking version")
            }
            pairs.append(Pair(status: parts[0], tag: parts[1]))
        }
    }

    package var text: String { pairs.map { "\($0.status)=\($0.tag)" }.joined(separator: ",") }
    package var byStatus: [String: String] { Dictionary(uniqueKeysWithValues: pairs.map { ($0.status, $0.tag) }) }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
