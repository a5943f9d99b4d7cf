/// The value of a column as Spanner writes it in JSON: INT64, NUMERIC, BYTES, DATE, TIMESTAMP and
/// JSON as strings, arrays as lists. No case will be added: JSON has no other kinds of values.
///
/// Source: Spanner's documentation, "Change streams partitions, records, and queries", "Data change
/// records"; `TypeCode`.
public enum ColumnValue: Hashable, Sendable {
    case null
    case string(String)
    case bool(Bool)
    /// A number without a fraction. The producers write INT64 as a string; Google's documentation
    /// shows a number.
    case integer(Int64)
    case number(Double)
    /// An array or an object, which is not decoded, or a number beyond the range of `Double`.
    case container

    /// The text of a STRING or the digits of an INT64 in either spelling; nil for any other value.
    public var text: String? {
        switch self {
        case .string(let text): text
        case .integer(let number): String(number)
        case .null, .bool, .number, .container: nil
        }
    }
}
