/// Limits the lifetime that an issuer states for a fetched value. No issuer can make us fetch for
/// every call, or keep a value forever.
package func usableTime(saidSeconds seconds: Double?, default defaultTime: Duration, in range: ClosedRange<Duration>) -> Duration {
    guard let seconds, !seconds.isNaN else { return defaultTime }
    let bounds = (range.lowerBound / .seconds(1))...(range.upperBound / .seconds(1))
    return .seconds(min(max(seconds, bounds.lowerBound), bounds.upperBound))
}

/// Validates an access token; nil if it is not one. The text goes into a header unchanged, so it
/// must not contain anything that would end the header.
///
/// Source: RFC 6750, section 2.1, for the characters; the length is what servers take in a header.
package func accessToken(_ text: String) -> String? {
    (1...8192).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) } ? text : nil
}
