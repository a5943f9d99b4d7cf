/// The time for which a fetched value may be used: what its issuer says, within bounds. No issuer
/// can make us fetch for each call or keep a value forever.
package func usableTime(saidSeconds seconds: Double?, default defaultTime: Duration, in range: ClosedRange<Duration>) -> Duration {
    guard let seconds, !seconds.isNaN else { return defaultTime }
    let bounds = (range.lowerBound / .seconds(1))...(range.upperBound / .seconds(1))
    return .seconds(min(max(seconds, bounds.lowerBound), bounds.upperBound))
}

/// Returns an issuer's access token, or nil if it cannot be one. A header takes the text as it is,
/// so it must not be able to end the header.
///
/// Source: RFC 6750, section 2.1, for the characters; the length is what servers take in a header.
package func accessToken(_ text: String) -> String? {
    (1...8192).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) } ? text : nil
}
