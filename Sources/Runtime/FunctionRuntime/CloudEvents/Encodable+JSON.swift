import FoundationEssentials

extension Encodable {
    /// The value as JSON. Equal values give equal bytes.
    var json: Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return try encoder.encode(self)
        } catch {
            preconditionFailure("strings and integers always encode: \(error)")
        }
    }
}
