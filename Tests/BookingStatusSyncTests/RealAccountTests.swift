import Foundation
import FunctionRuntime
import TestSupport
import Testing
import Zendesk
import ZendeskSimulator

/// What a real account answers, and a wished-for one would not. Each test is named after what went wrong before.
@Suite("On a real account")
struct RealAccountTests {
    @Test("an empty field is empty, however it is written: an audit's \"\" is not a person's edit", arguments: AnswerForm.Empty.allCases)
    func emptyIsEmpty(former: AnswerForm.Empty) async throws {
        for field in AnswerForm.Empty.allCases {
            let world = HandlerWorld()
            world.transport.withAccount { account, _ in
                account.form.emptyFieldValue = field
                account.form.emptyFormerValue = former
            }
            world.open(1, booking: "b")
            try await world.deliver("b", from: nil, to: "Booked", at: 1)
            #expect(world.status(1) == "Booked")
            #expect(world.outcomes == ["1 added"])
            #expect(world.transport.writes.count == 1)
        }
    }
}
