import BookingStatusSync
import FoundationEssentials
import Support

extension OutboundTransport {
    /// Sends a request for a booking source.
    ///
    /// - Parameter who: the service, for the error.
    func answer(
        _ request: OutboundRequest,
        _ deadline: Deadline,
        _ who: String
    ) async throws(BookingSourceError) -> (status: Int, body: Data) {
        var request = request
        // A hundred bookings are a few kilobytes.
        request.maximumAnswerBytes = 8 << 20
        do throws(OutboundError) {
            let answer = try await send(request, timeout: min(deadline.remaining, .seconds(10)))
            return (answer.status, answer.body)
        } catch {
            throw BookingSourceError("no answer from \(who): \(error)")
        }
    }
}
