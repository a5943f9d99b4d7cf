/// Why a message cannot be published.
package struct PublishFailure: Error, Equatable, CustomStringConvertible {
    /// For people. It contains no secret.
    package var description: String
    /// Whether a person has to fix something first.
    package var needsPerson: Bool

    package init(_ description: String, needsPerson: Bool = false) {
        self.description = description
        self.needsPerson = needsPerson
    }
}
