/// Why data is no change record; the reason names the member at fault and quotes no value.
public struct ChangeRecordError: Error, Equatable, CustomStringConvertible {
    public let reason: String

    init(_ reason: String) { self.reason = reason }

    init(_ error: any Error) {
        func path(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
            (context.codingPath + (last.map { [$0] } ?? [])).map(\.stringValue).joined(separator: ".")
        }
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            reason = "\(path(context, key)) is missing"
        case DecodingError.typeMismatch(_, let context) where !context.codingPath.isEmpty,
            DecodingError.valueNotFound(_, let context) where !context.codingPath.isEmpty,
            DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
            reason = "\(path(context)) has no valid value"
        case DecodingError.typeMismatch:
            reason = "the data is not a JSON object"
        default:
            reason = "the data is not JSON"
        }
    }

    public var description: String { "not a change record: \(reason)" }
}
