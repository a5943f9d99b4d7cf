package import Support

extension TimeSource {
    /// Sleeps. Reports a cancellation as a failed call.
    package func pause(_ duration: Duration) async throws(ZendeskError) {
        do {
            try await sleep(duration)
        } catch {
            throw ZendeskError(.cancelled, "cancelled while waiting")
        }
    }
}
