/// One thing that a check of an account found.
package struct Finding: Equatable, Sendable {
    package enum Severity: String, Sendable {
        case good = "ok"
        /// It works, but not as well as it could, or could not be looked at.
        case warning
        /// The function would not do its work.
        case problem
    }

    package var severity: Severity
    package var text: String
    /// What to do about it.
    package var advice: String?

    static func good(_ text: String) -> Finding { Finding(severity: .good, text: text) }
    static func warning(_ text: String, _ advice: String) -> Finding { Finding(severity: .warning, text: text, advice: advice) }
    static func problem(_ text: String, _ advice: String) -> Finding { Finding(severity: .problem, text: text, advice: advice) }
}
