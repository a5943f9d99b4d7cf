import Zendesk

/// Why a sweep cannot continue.
package struct SweepFailure: Error, CustomStringConvertible {
    package var description: String
    package var needsPerson: Bool
    package var retryAfter: Duration?

    init(_ error: ZendeskError) {
        (description, retryAfter) = (error.description, error.retryAfter)
        needsPerson = error.kind == .misconfigured || !error.canSucceedLater
    }

    package init(_ error: BookingSourceError) { (description, needsPerson) = (error.description, error.needsPerson) }
}
