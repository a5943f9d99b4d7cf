import SpannerChangeStreams

/// Our last write to a ticket, as its booking version field states it.
///
/// The field's text is readable for people, too:
///
///     booking_2_booked since 2026-11-23T20:13:31.538191Z, record 00000000, transaction 4, booking dcc5423e-5b0e-4c55-9a6e-0a4a5d2b9c11
///
/// It contains the tag that was written (`none` for an emptied field), the commit timestamp with
/// all known fraction digits (3, 6 or 9), the record sequence, the transaction's id (commas,
/// percent signs and white space percent-encoded), and the booking's ID, which extends to the end.
/// Text in any other form was edited by somebody and counts as no version.
package struct KeptVersion: Equatable, Sendable {
    package var bookingID: String
    package var version: BookingVersion
    /// Nil if we emptied the field.
    package var tag: String?

    package init(bookingID: String, version: BookingVersion, tag: String?) {
        self.bookingID = bookingID
        self.version = version
        self.tag = tag
    }

    package init?(text: String) {
        let parts = text.split(separator: ", ", maxSplits: 3, omittingEmptySubsequences: false)
        guard
            parts.count == 4,
            let record = parts[1].dropping("record "),
            let transaction = parts[2].dropping("transaction ").flatMap({ Self.decoded($0) }),
            let booking = parts[3].dropping("booking "), !booking.isEmpty
        else { return nil }
        let words = parts[0].split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, !words[0].isEmpty, words[1] == "since", let commit = CommitTimestamp(rfc3339: String(words[2])) else {
            return nil
        }
        self.init(
            bookingID: String(booking),
            version: BookingVersion(commitTimestamp: commit, recordSequence: String(record), transactionID: transaction),
            tag: words[0] == Self.noTag ? nil : String(words[0])
        )
        // Each version has exactly one text, so comparing texts compares versions.
        guard self.text == text else { return nil }
    }

    package var text: String {
        "\(tag ?? Self.noTag) since \(version.commitTimestamp.rfc3339), record \(version.recordSequence), "
            + "transaction \(Self.encoded(version.transactionID)), booking \(bookingID)"
    }

    /// Stands for an emptied field, so no status can have this tag.
    static let noTag = "none"

    private static func encoded(_ text: String) -> String {
        var encoded = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case ",": encoded += "%2C"
            case "%": encoded += "%25"
            case " ": encoded += "%20"
            default: encoded.unicodeScalars.append(scalar)
            }
        }
        return encoded
    }

    private static func decoded(_ text: Substring) -> String? {
        var parts = text.split(separator: "%", omittingEmptySubsequences: false)[...]
        var decoded = String(parts.removeFirst())
        for part in parts {
            guard let character = ["2C": ",", "25": "%", "20": " "][part.prefix(2)] else { return nil }
            decoded += character + part.dropFirst(2)
        }
        return decoded
    }
}

extension Substring {
    fileprivate func dropping(_ prefix: String) -> Substring? {
        hasPrefix(prefix) ? dropFirst(prefix.count) : nil
    }
}
