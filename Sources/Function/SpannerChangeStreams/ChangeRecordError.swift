/// Why data is not a change record. The reason names the member at fault and quotes no value.
public struct ChangeRecordError: Error, Equatable, CustomStringConvertible {
    public let reason: String

    init(_ reason: String) { self.reason = reason }

    public var description: String { "not a change record: \(reason)" }
}
