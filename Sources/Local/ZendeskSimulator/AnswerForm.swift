/// Undocumented details that vary between recorded Zendesk answers. A seed picks one variant of
/// each.
///
/// Sources: recorded traffic in zenpy's tests (2023, 2024) for the headers; a published audit of
/// 2017, whose drop-downs had the former value `""` where the same audit has `null` for system
/// fields; Zendesk API reference, "Tickets", for custom fields.
package struct AnswerForm: Equatable, Sendable {
    /// The value of an empty custom field.
    package var emptyFieldValue = Empty.null
    /// `previous_value` of a change to a field that was empty.
    package var emptyFormerValue = Empty.null
    /// Names the headers `rate-limit` and `zendesk-rate-limit-tickets-update`, instead of
    /// `ratelimit-limit` and `zendesk-ratelimit-tickets-update`.
    package var spellsLimitsAsIn2023 = false
    /// The status for a ticket whose brand the token's owner may not see. No source says which.
    package var hiddenStatus = 403

    package enum Empty: CaseIterable, Sendable {
        case null, text, absent

        /// The member with this name; nil if it is left out.
        func member(_ name: String) -> JSON.Member? {
            switch self {
            case .null: .init(name: name, value: nil)
            case .text: .init(name: name, value: "")
            case .absent: nil
            }
        }
    }

    package init() {}

    init(seed: UInt64) {
        var random = SplitMix64(seed: ~seed)
        emptyFieldValue = Empty.allCases.randomElement(using: &random)!
        emptyFormerValue = Empty.allCases.randomElement(using: &random)!
        spellsLimitsAsIn2023 = Bool.random(using: &random)
        hiddenStatus = Bool.random(using: &random) ? 403 : 404
    }
}

/// Undocumented properties of the list of tickets by update time.
package struct ListForm: Equatable, Sendable {
    package var isSorted = true
    package var hasCustomFields = true

    package init() {}
}

/// Page sizes and result limits.
///
/// Source: Zendesk API reference, "Search", "Show Multiple Tickets", "Pagination".
package struct PageLimits: Equatable, Sendable {
    /// Items per page.
    package var items = 100
    /// Items per page of the search export.
    package var exported = 1000
    /// Total results of a search.
    package var hits = 1000
    /// Ticket IDs in one request.
    package var ids = 100

    package init() {}
}
