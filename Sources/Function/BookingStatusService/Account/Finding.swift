/// One thing that a check of an account found.
struct Finding: Equatable, Sendable {
    enum Severity: String, Sendable {
        case good = "ok"
        /// It works, but not at its best, or it could not be checked.
        case warning
        /// The function would not work.
        case problem
    }

    var severity: Severity
    var text: String
    /// What to do about it.
    var advice: String?

    static func good(_ text: String) -> Finding { Finding(severity: .good, text: text) }
    static func warning(_ text: String, _ advice: String) -> Finding { Finding(severity: .warning, text: text, advice: advice) }
    static func problem(_ text: String, _ advice: String) -> Finding { Finding(severity: .problem, text: text, advice: advice) }
}
