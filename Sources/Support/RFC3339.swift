/// An RFC 3339 time, to the nanosecond and with its number of fraction digits.
///
/// Foundation's ISO 8601 parser accepts 30 February and ignores text after the zone. An envelope or
/// a change record with either is damaged and must be refused. A commit timestamp must keep all of
/// its digits.
package struct RFC3339: Hashable, Sendable {
    /// Whole seconds since 1970-01-01T00:00:00Z.
    package var seconds: Int64
    /// The fraction of the second, 0 to 999,999,999.
    package var nanoseconds: Int32
    /// The number of fraction digits, 0 to 9.
    package var fractionDigits: Int

    package init(seconds: Int64, nanoseconds: Int32 = 0, fractionDigits: Int = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
        self.fractionDigits = fractionDigits
    }

    /// Reads `2026-11-23T20:13:31.535191Z`; nil for anything RFC 3339, section 5.6, does not allow.
    package init?(_ text: String) {
        var text = text
        guard let time = text.withUTF8({ RFC3339(ASCIIScanner($0)) }) else { return nil }
        self = time
    }

    private init?(_ scanner: ASCIIScanner) {
        var scanner = scanner
        guard
            let year = scanner.digits(4), scanner.take("-"),
            let month = scanner.digits(2), scanner.take("-"),
            let day = scanner.digits(2), scanner.take("T") || scanner.take("t"),
            let hour = scanner.digits(2), scanner.take(":"),
            let minute = scanner.digits(2), scanner.take(":"),
            let second = scanner.digits(2),
            let civil = CivilTime(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
        else { return nil }
        seconds = civil.secondsSince1970
        nanoseconds = 0
        fractionDigits = 0
        if scanner.take(".") {
            while let digit = scanner.digits(1) {
                // A fraction may have any number of digits. Those beyond the ninth are cut.
                guard fractionDigits < 9 else { continue }
                nanoseconds = nanoseconds * 10 + Int32(digit)
                fractionDigits += 1
            }
            guard fractionDigits > 0 else { return nil }
            for _ in fractionDigits..<9 { nanoseconds *= 10 }
        }
        if !(scanner.take("Z") || scanner.take("z")) {
            let east = scanner.take("+")
            guard east || scanner.take("-") else { return nil }
            guard let hours = scanner.digits(2), hours < 24, scanner.take(":"), let minutes = scanner.digits(2), minutes < 60 else {
                return nil
            }
            let offset = Int64(hours * 3600 + minutes * 60)
            seconds += east ? -offset : offset
        }
        guard scanner.isAtEnd else { return nil }
    }
}

extension RFC3339: CustomStringConvertible {
    /// The time in UTC with `fractionDigits` digits, truncated, not rounded.
    package var description: String {
        let civil = CivilTime(secondsSince1970: seconds)
        var text = "\(padded(civil.year, 4))-\(padded(civil.month, 2))-\(padded(civil.day, 2))T"
        text += "\(padded(civil.hour, 2)):\(padded(civil.minute, 2)):\(padded(civil.second, 2))"
        if fractionDigits > 0 {
            text += "." + padded(Int(nanoseconds), 9).prefix(fractionDigits)
        }
        return text + "Z"
    }
}
