public import FoundationEssentials
public import HTTPTypes

/// The answer of an ``HTTPFunction``.
public struct FunctionResponse: Equatable, Sendable {
    /// 200 or above. The host answers 500 instead of an informational status.
    public var status: HTTPResponse.Status
    /// The host sets `Date` and the fields that frame the message.
    public var headerFields: HTTPFields
    /// Left out with a status that has no body: 204, 205 and 304.
    public var body: Data

    public init(status: HTTPResponse.Status, headerFields: HTTPFields = [:], body: Data = Data()) {
        self.status = status
        self.headerFields = headerFields
        self.body = body
    }
}
