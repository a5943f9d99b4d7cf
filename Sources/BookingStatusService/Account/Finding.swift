/// One thing that a check of an account found.
package struct Finding: Equatable, Sendable {
    package enum Severity: String, Sendable {
        case good = "ok"
        /// It works, but not at its best, or it could not be checked.
        case warning
        /// The function would not work.
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
