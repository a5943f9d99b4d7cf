import SpannerChangeStreams

/// Our last write to a ticket, as its booking version field states it.
///
/// The field's text is readable for people, too:
///
///     booking_2_booked since 2026-11-23T20:13:31.538191Z, record 00000000, transaction 4, booking dcc5423e-5b0e-4c55-9a6e-0a4a5d2b9c11
///
/// It contains the tag that was written (`none` for an emptied field), the commit timestamp with
/// all known fraction digits (3, 6 or 9), the record sequence, the transaction's id (commas,
/// percent signs and spaces as `%2C`, `%p` and `%s`), and the booking's ID, which extends to the end.
/// Text in any other form was edited by somebody and counts as no version.
///
/// Zendesk redacts 12 to 19 digits in a row that look like a payment card's, even with other
/// characters between them. Every ninth digit of a row is therefore written as a letter, `%a` for 0
/// to `%j` for 9. A booking's ID with nine digits in a row is encoded in the same way, after the
/// words `encoded booking`. Texts from before this rule remain readable.
///
/// Sources: Zendesk help article 4408822124314; zendesk/credit_card_sanitizer.
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
            let sequence = Self.decoded(record),
            let transaction = parts[2].dropping("transaction ").flatMap({ Self.decoded($0) }),
            let booking = parts[3].dropping("booking ").map(String.init)
                ?? parts[3].dropping("encoded booking ").flatMap({ Self.decoded($0) }), !booking.isEmpty
        else { return nil }
        let words = parts[0].split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, !words[0].isEmpty, words[1] == "since", let commit = CommitTimestamp(rfc3339: String(words[2])) else {
            return nil
        }
        self.init(
            bookingID: booking,
            version: BookingVersion(commitTimestamp: commit, recordSequence: sequence, transactionID: transaction),
            tag: words[0] == Self.noTag ? nil : String(words[0])
        )
        // Each version has exactly one text, so comparing texts compares versions.
        guard self.text == text || former == text else { return nil }
    }

    package var text: String {
        let booking = Self.hasLongRow(bookingID) ? "encoded booking \(Self.encoded(bookingID))" : "booking \(bookingID)"
        return "\(tag ?? Self.noTag) since \(version.commitTimestamp.rfc3339), record \(Self.encoded(version.recordSequence)), "
            + "transaction \(Self.encoded(version.transactionID)), \(booking)"
    }

    /// The text from before digits were encoded.
    private var former: String {
        let transaction = version.transactionID.map { [",": "%2C", "%": "%25", " ": "%20"][$0] ?? String($0) }.joined()
        return "\(tag ?? Self.noTag) since \(version.commitTimestamp.rfc3339), record \(version.recordSequence), "
            + "transaction \(transaction), booking \(bookingID)"
    }

    /// Stands for an emptied field, so no status can have this tag.
    static let noTag = "none"

    private static let digitLetters = Array("abcdefghij".unicodeScalars)
    private static let longestRow = 8

    /// Whether there are nine digits in a row, ignoring the characters that the redaction skips.
    private static func hasLongRow(_ text: String) -> Bool {
        var row = 0
        for scalar in text.unicodeScalars {
            row = scalar.isDigit ? row + 1 : scalar.isLetter ? 0 : row
            if row > longestRow { return true }
        }
        return false
    }

    private static func encoded(_ text: String) -> String {
        var encoded = ""
        var row = 0
        for scalar in text.unicodeScalars {
            row = scalar.isDigit ? row + 1 : scalar.isLetter ? 0 : row
            var code: Unicode.Scalar?
            switch scalar {
            case "%": code = "p"
            case " ": code = "s"
            case _ where row > longestRow: code = digitLetters[Int(scalar.value - 0x30)]
            case ",": encoded += "%2C"
            default: encoded.unicodeScalars.append(scalar)
            }
            guard let code else { continue }
            encoded += "%"
            encoded.unicodeScalars.append(code)
            row = 0
        }
        return encoded
    }

    private static func decoded(_ text: Substring) -> String? {
        var parts = text.split(separator: "%", omittingEmptySubsequences: false)[...]
        var decoded = String(parts.removeFirst())
        for part in parts {
            if let letter = part.unicodeScalars.first, let digit = digitLetters.firstIndex(of: letter) {
                decoded += "\(digit)" + part.dropFirst()
            } else if let character = ["p": "%", "s": " "][part.prefix(1)] {
                decoded += character + part.dropFirst()
            } else if let character = ["2C": ",", "25": "%", "20": " "][part.prefix(2)] {
                decoded += character + part.dropFirst(2)
            } else {
                return nil
            }
        }
        return decoded
    }
}

extension Substring {
    fileprivate func dropping(_ prefix: String) -> Substring? {
        hasPrefix(prefix) ? dropFirst(prefix.count) : nil
    }
}

extension Unicode.Scalar {
    fileprivate var isDigit: Bool { ("0"..."9").contains(self) }
    /// Whether the character ends a row of digits for the redaction.
    fileprivate var isLetter: Bool { ("a"..."z").contains(self) || ("A"..."Z").contains(self) || self == "_" }
}
