/// The position and kind of a value in a JSON text.
struct JSONValue {
    let kind: Kind
    /// Offsets from the text's start.
    let range: Range<Int>

    enum Kind {
        case null
        case bool(Bool)
        case number
        case string(hasEscapes: Bool)
        /// Elements are read on demand.
        case array
        case object([Member])
        /// An object whose members were not kept, because it lies too deep or has too many.
        case skippedObject
    }

    struct Member {
        let name: JSONValue
        let value: JSONValue
    }
}
