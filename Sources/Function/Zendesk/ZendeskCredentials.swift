/// The credentials of the client.
///
/// Source: Zendesk API reference, "OAuth tokens for grant types", client credentials. API tokens
/// can no longer be made, and end on 30 April 2027.
package enum ZendeskCredentials: Equatable, Sendable {
    /// A confidential OAuth client, which acts as the user who owns it.
    case client(id: String, secret: String)
    /// An access token that was created elsewhere.
    case accessToken(String)
}
