/// A change of one booking's status, as a change record or a sweep reports it.
package struct BookingChange: Sendable {
    package let bookingID: String
    package let from: FormerStatus
    /// Nil if the booking was deleted or its status emptied.
    package let to: BookingStatus?
    package let cause: ChangeCause

    package init(bookingID: String, from: FormerStatus, to: BookingStatus?, cause: ChangeCause) {
        self.bookingID = bookingID
        self.from = from
        self.to = to
        self.cause = cause
    }

    package var version: BookingVersion { cause.version }
    package var isFresh: Bool { cause.isFresh }
    package var source: ChangeCause.Source { cause.source }
    /// Whether a ticket can show the new status: it has a tag, or the booking has no status.
    var hasTag: Bool { to == nil || to?.tag != nil }
    /// Our version on a ticket that shows this change.
    var kept: KeptVersion { KeptVersion(bookingID: bookingID, version: version, tag: to?.tag) }
}

/// A booking's status, and the tag that a ticket shows for it.
package final class BookingStatus: Equatable, Sendable {
    package let name: String
    /// Nil if no tag is configured for it.
    package let tag: String?

    package init(name: String, tag: String?) {
        self.name = name
        self.tag = tag
    }

    package static func == (left: BookingStatus, right: BookingStatus) -> Bool { (left.name, left.tag) == (right.name, right.tag) }
}

/// A booking's status before a change.
package enum FormerStatus: Equatable, Sendable {
    case status(BookingStatus)
    /// The booking had no status or did not exist.
    case none
    /// The stream does not capture old values.
    case unknown

    var text: String {
        switch self {
        case .status(let status): status.name
        case .none: "none"
        case .unknown: "unknown"
        }
    }

    var tag: String? { if case .status(let status) = self { status.tag } else { nil } }
}

extension BookingChange {
    /// The metadata for the ticket's audit.
    ///
    /// - Parameter status: the tag that the update sets, `none` for an emptied field; nil if it
    ///   leaves the status field alone. It distinguishes a tag that Zendesk dropped from one that a
    ///   person replaced.
    func metadata(status: String?) -> [String: String] {
        var metadata = ["source": "booking-status-sync", "booking": bookingID, "event": cause.eventID, "version": kept.text]
        if let status { metadata["status"] = status }
        metadata["task"] = cause.task
        return metadata
    }
}
