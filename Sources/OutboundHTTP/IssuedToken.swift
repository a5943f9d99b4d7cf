/// How long what was fetched may be used, by what its issuer says. No issuer can make us fetch it
/// for each call, nor keep it for good.
package func usableTime(saidSeconds seconds: Double?, default defaultTime: Duration, in range: ClosedRange<Duration>) -> Duration {
    guard let seconds, !seconds.isNaN else { return defaultTime }
    let bounds = (range.lowerBound / .seconds(1))...(range.upperBound / .seconds(1))
    return .seconds(min(max(seconds, bounds.lowerBound), bounds.upperBound))
}

/// What an issuer calls an access token, if it can be one: a header takes it as it is, and cannot
/// be ended by it.
///
/// Source: RFC 6750, section 2.1, for the characters; the length is what servers take in a header.
package func accessToken(_ text: String) -> String? {
    (1...8192).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) } ? text : nil
}
