import Timestamps

/// A query of Zendesk's search language, as far as it is simulated.
///
/// Source: Zendesk help, "Zendesk Support search reference".
struct SearchQuery {
    private var terms: [Term] = []

    private enum Term {
        case anything
        case statusBelow(Int)
        /// Seconds since 1970.
        case updatedAfter(Double)
        case createdFrom(Double)
        case field(Int, Pattern)
        case noValue(Int)
    }

    /// How a value is matched: without regard to case, word by word, the last word as a prefix. Quotes make the words a phrase, but
    /// do not make the match exact.
    private enum Pattern {
        case hasValue
        case words([String])
    }

    struct Unsupported: Error { let term: String }

    static let statuses = ["new", "open", "pending", "hold", "solved", "closed"]

    init(_ text: String) throws(Unsupported) {
        for term in Self.split(text) {
            if term == "type:ticket" {
                terms.append(.anything)
            } else if let status = term.dropping("status<"), let rank = Self.statuses.firstIndex(of: status) {
                terms.append(.statusBelow(rank))
            } else if let time = term.dropping("updated>").flatMap({ RFC3339($0) }) {
                terms.append(.updatedAfter(Double(time.seconds)))
            } else if let time = term.dropping("created>=").flatMap({ RFC3339($0) }) {
                terms.append(.createdFrom(Double(time.seconds)))
            } else if let id = term.dropping("-custom_field_")?.dropping(suffix: ":*").flatMap({ Int($0) }) {
                terms.append(.noValue(id))
            } else if let rest = term.dropping("custom_field_"), let colon = rest.firstIndex(of: ":"), let id = Int(rest[..<colon]) {
                let value = rest[rest.index(after: colon)...]
                terms.append(.field(id, value == "*" ? .hasValue : .words(Self.words(value))))
            } else {
                throw Unsupported(term: term)
            }
        }
    }

    /// What a word begins with in each ticket that is found; nil for a query without words.
    var prefix: (field: Int, String)? {
        for case .field(let id, .words(let words)) in terms {
            if let last = words.last { return (id, last) }
        }
        return nil
    }

    func matches(_ ticket: SimulatedTicket) -> Bool {
        terms.allSatisfy { term in
            switch term {
            case .anything: true
            case .statusBelow(let rank): (Self.statuses.firstIndex(of: ticket.status) ?? 0) < rank
            case .updatedAfter(let time): ticket.updatedAt > time
            case .createdFrom(let time): ticket.createdAt >= time
            case .noValue(let id): ticket.customFields[id] == nil
            case .field(let id, .hasValue): ticket.customFields[id] != nil
            case .field(let id, .words(let words)): Self.contains(words, in: ticket.text(of: id) ?? "")
            }
        }
    }

    private static func contains(_ phrase: [String], in text: String) -> Bool {
        let words = Self.words(text)
        guard !phrase.isEmpty, words.count >= phrase.count else { return false }
        return (0...(words.count - phrase.count)).contains { start in
            zip(words[start...], phrase).enumerated().allSatisfy { index, pair in
                index == phrase.count - 1 ? pair.0.hasPrefix(pair.1) : pair.0 == pair.1
            }
        }
    }

    static func words(_ text: some StringProtocol) -> [String] {
        text.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
    }

    /// At spaces that are not between quotes.
    private static func split(_ text: String) -> [String] {
        var terms: [String] = [""]
        var isQuoted = false
        for character in text {
            if character == "\"" { isQuoted.toggle() }
            if character == " ", !isQuoted {
                terms.append("")
            } else {
                terms[terms.count - 1].append(character)
            }
        }
        return terms.filter { !$0.isEmpty }
    }
}

extension String {
    fileprivate func dropping(_ prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }

    fileprivate func dropping(suffix: String) -> String? {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : nil
    }
}
