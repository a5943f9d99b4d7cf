import Support

/// Undocumented behavior of a query with several terms of one field.
package struct SearchBehavior: Equatable, Sendable {
    package var repeatedTerms = RepeatedTerms.any
    /// The number of field terms that count; further ones are ignored. Nil for no limit.
    package var maximumTerms: Int?
    /// Longer queries, in characters, are refused with 422. Nil for no limit.
    package var maximumQueryLength: Int?
    /// Finds nothing, and says so like any other answer: Zendesk's incident of 14 October 2015.
    package var isBlind = false
    /// Counts one ticket more than it shows: zendesk/zendesk_api_client_php#265.
    package var miscounts = false

    /// Which of the terms a ticket must match. Zenpy and agent-ruby rely on `any`;
    /// agent-nodejs#1658 says `all`.
    package enum RepeatedTerms: String, CaseIterable, Sendable { case any, all, first, last }

    package init() {}
}

/// A query of Zendesk's search language. Only part of the language is simulated.
///
/// Source: Zendesk help, "Zendesk Support search reference".
struct SearchQuery {
    private var terms: [Term] = []
    /// The phrases to search for in each field, without the ignored ones.
    private var phrases: [Int: [[String]]] = [:]
    private let repeatedTerms: SearchBehavior.RepeatedTerms

    private enum Term {
        case anything
        case statusBelow(Int)
        /// Seconds since 1970.
        case createdFrom(Double)
        case hasValue(Int)
        case noValue(Int)
    }

    struct Unsupported: Error { let term: String }

    static let statuses = ["new", "open", "pending", "hold", "solved", "closed"]

    init(_ text: String, _ behavior: SearchBehavior = .init()) throws(Unsupported) {
        repeatedTerms = behavior.repeatedTerms
        guard behavior.maximumQueryLength.map({ text.count <= $0 }) ?? true else {
            throw Unsupported(term: "query of \(text.count) characters")
        }
        var count = 0
        for term in Self.split(text) {
            if term == "type:ticket" {
                terms.append(.anything)
            } else if let status = term.dropping("status<"), let rank = Self.statuses.firstIndex(of: status) {
                terms.append(.statusBelow(rank))
            } else if let time = term.dropping("created>=").flatMap({ RFC3339($0) }) {
                terms.append(.createdFrom(Double(time.seconds)))
            } else if let id = term.dropping("-custom_field_")?.dropping(suffix: ":*").flatMap({ Int($0) }) {
                terms.append(.noValue(id))
            } else if let rest = term.dropping("custom_field_"), let colon = rest.firstIndex(of: ":"), let id = Int(rest[..<colon]) {
                let value = rest[rest.index(after: colon)...]
                count += 1
                if value == "*" {
                    terms.append(.hasValue(id))
                } else if behavior.maximumTerms.map({ count <= $0 }) ?? true {
                    phrases[id, default: []].append(Self.words(value))
                }
            } else {
                throw Unsupported(term: term)
            }
        }
    }

    /// A field and word prefixes: every match has a word with one of them. Nil for a query without
    /// words.
    var prefixes: (field: Int, [String])? {
        guard let (field, phrases) = phrases.min(by: { $0.key < $1.key }) else { return nil }
        switch repeatedTerms {
        case .any: return (field, phrases.compactMap(\.last))
        case .all, .first: return (field, [phrases[0]].compactMap(\.last))
        case .last: return (field, [phrases[phrases.count - 1]].compactMap(\.last))
        }
    }

    func matches(_ ticket: SimulatedTicket) -> Bool {
        let isInScope = terms.allSatisfy { term in
            switch term {
            case .anything: true
            case .statusBelow(let rank): (Self.statuses.firstIndex(of: ticket.status) ?? 0) < rank
            case .createdFrom(let time): ticket.createdAt >= time
            case .noValue(let id): ticket.customFields[id] == nil
            case .hasValue(let id): ticket.customFields[id] != nil
            }
        }
        return isInScope
            && phrases.allSatisfy { field, phrases in
                let text = ticket.text(of: field) ?? ""
                return switch repeatedTerms {
                case .any: phrases.contains { Self.contains($0, in: text) }
                case .all: phrases.allSatisfy { Self.contains($0, in: text) }
                case .first: Self.contains(phrases[0], in: text)
                case .last: Self.contains(phrases[phrases.count - 1], in: text)
                }
            }
    }

    /// Matches word by word, ignoring case; the last word matches as a prefix. Quotes make the
    /// words a phrase, but not an exact match.
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

    /// Splits at spaces outside quotes.
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
