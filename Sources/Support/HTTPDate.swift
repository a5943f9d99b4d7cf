/// Reads and writes HTTP header dates, `Tue, 24 Nov 2026 02:54:00 GMT`, in the form that RFC 9110,
/// section 5.6.7, requires of servers.
package enum HTTPDate {
    private static let months: [StaticString] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    private static let days: [StaticString] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]

    /// Whole seconds since 1970; nil if the text is not such a date.
    package static func seconds(_ text: String) -> Int64? {
        var text = text
        return text.withUTF8 { seconds(ASCIIScanner($0)) }
    }

    private static func seconds(_ scanner: ASCIIScanner) -> Int64? {
        var scanner = scanner
        guard
            days.contains(where: { scanner.take($0) }), scanner.take(", "),
            let day = scanner.digits(2), scanner.take(" "),
            let month = months.firstIndex(where: { scanner.take($0) }), scanner.take(" "),
            let year = scanner.digits(4), scanner.take(" "),
            let hour = scanner.digits(2), scanner.take(":"),
            let minute = scanner.digits(2), scanner.take(":"),
            let second = scanner.digits(2), scanner.take(" GMT"), scanner.isAtEnd
        else { return nil }
        return CivilTime(year: year, month: month + 1, day: day, hour: hour, minute: minute, second: second)?.secondsSince1970
    }

    package static func text(seconds: Int64) -> String {
        let time = CivilTime(secondsSince1970: seconds)
        return "\(days[time.dayOfWeek]), \(padded(time.day, 2)) \(months[time.month - 1]) \(padded(time.year, 4)) "
            + "\(padded(time.hour, 2)):\(padded(time.minute, 2)):\(padded(time.second, 2)) GMT"
    }
}
