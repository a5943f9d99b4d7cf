package import ZendeskSimulator

/// What an agent sees: the open tickets, sorted by the tag of the booking status, as Zendesk sorts
/// a drop-down's column.
package struct AgentsView: CustomStringConvertible, Sendable {
    package struct Row: Equatable, Sendable {
        package var ticket: Int
        package var subject: String
        package var bookingID: String?
        package var status: String?
        /// From the commit of the booking's last change to the ticket's update, in milliseconds.
        package var milliseconds: Int?
        /// When the booking status was written last, in seconds since 1970.
        package var changedAt: Double?
    }

    package var rows: [Row]

    /// - Parameter commits: when each booking changed last, in seconds since 1970.
    package init(_ account: SimulatedZendesk, commits: [String: Double] = [:]) {
        let tickets = account.tickets.values.filter { $0.status != "closed" }
        let sorted = tickets.sorted { left, right in
            // Zendesk shows tickets without a value last.
            let tags = [left, right].map { $0.text(of: LocalAccount.bookingStatusField) ?? "\u{10FFFF}" }
            return (tags[0], left.id) < (tags[1], right.id)
        }
        rows = sorted.map { ticket in
            let commit = ticket.text(of: LocalAccount.bookingIDField).flatMap { commits[$0] }
            let write = ticket.audits.last { audit in
                audit.changes.contains { $0.field == String(LocalAccount.bookingStatusField) }
            }
            return Row(
                ticket: ticket.id,
                subject: ticket.subject,
                bookingID: ticket.text(of: LocalAccount.bookingIDField),
                status: LocalAccount.status(ofTag: ticket.text(of: LocalAccount.bookingStatusField)),
                milliseconds: commit.flatMap { commit in write.map { Int((($0.at - commit) * 1000).rounded()) } },
                changedAt: write?.at
            )
        }
    }

    package var description: String {
        let header = ["ticket", "booking", "booking status", "subject", "commit to ticket"]
        let lines = rows.map { row in
            [
                "#\(row.ticket)", row.bookingID.map { String($0.prefix(8)) } ?? "-", row.status ?? "-", row.subject,
                row.milliseconds.map { "\($0) ms" } ?? "-",
            ]
        }
        let widths = header.indices.map { column in ([header] + lines).map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            let padded = zip(cells, widths).map { cell, width in cell + String(repeating: " ", count: width - cell.count) }
            return "  " + padded.joined(separator: "   ")
        }
        return ([line(header), line(widths.map { String(repeating: "-", count: $0) })] + lines.map(line)).joined(separator: "\n")
    }
}
