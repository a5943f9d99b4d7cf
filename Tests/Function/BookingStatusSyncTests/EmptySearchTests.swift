import BookingStatusSync
import FunctionRuntime
import InMemoryLogging
import Logging
import Support
import Synchronization
import TestSupport
import Testing
import ZendeskSimulator

/// Zendesk answers a search without hits like any other, for whatever reason it finds nothing.
@Suite("Empty searches")
struct EmptySearchTests {
    private func world(brands: [Int] = [700], hiddenStatus: Int = 403) -> HandlerWorld {
        let world = HandlerWorld()
        for (number, brand) in brands.enumerated() {
            for id in 1...3 { open(world, number * 10 + id, booking: "W\(number)\(id)x", brand: brand) }
        }
        world.transport.withAccount { account, _ in account.form.hiddenStatus = hiddenStatus }
        return world
    }

    private func open(_ world: HandlerWorld, _ id: Int, booking: String, brand: Int = 700) {
        world.open(id, booking: booking)
        world.transport.withAccount { account, now in
            var ticket = account.tickets[id]!
            ticket.brand = brand
            account.put(ticket, now: now)
        }
    }

    private func deliver(_ world: HandlerWorld, _ booking: String, at time: Int64 = 1) async -> String {
        do {
            try await world.deliver(booking, from: nil, to: "Booked", at: time)
            return world.outcomes.last ?? ""
        } catch {
            return "\(error)"
        }
    }

    private static func searches(_ world: HandlerWorld) -> Int { world.transport.requests.count { $0.target.contains("search.json") } }

    @Test("a search that counts more tickets than it shows is asked again, and then refused with the reason")
    func miscounted() async throws {
        let world = world()
        world.transport.withAccount { account, _ in account.searchBehavior.miscounts = true }
        #expect(await deliver(world, "none-1x").contains("counts 1 tickets and shows 0"))
        #expect(Self.searches(world) == 2)
        world.transport.withAccount { account, _ in account.searchBehavior.miscounts = false }
        #expect(await deliver(world, "none-1x") == "no_ticket")
    }

    @Test("an index that is down is noticed", arguments: [true, false], [true, false])
    func blind(isFresh: Bool, sharesCalls: Bool) async throws {
        var world = world()
        world.settings.sharesCalls = sharesCalls
        open(world, 7, booking: "guest-7x")
        for id in [1, 2, 3, 7] { world.age(id, by: 700) }
        #expect(await deliver(world, "W01x") == "1 added")
        if isFresh { world.restart() }
        world.transport.withAccount { account, _ in account.searchBehavior.isBlind = true }
        let answer = await deliver(world, "guest-7x")
        #expect(answer.contains("search_is_blind"))
        #expect(isFresh || answer.contains("brand 700"))
        #expect(world.log.entries.last?.level == .error)
        world.transport.withAccount { account, _ in account.searchBehavior.isBlind = false }
        #expect(await deliver(world, "guest-7x") == "7 added")
    }

    @Test("a lost brand or group is noticed, whatever status its tickets have", arguments: [403, 404], [true, false])
    func lostBrand(status: Int, knowsTerms: Bool) async throws {
        let world = world(brands: [700, 701], hiddenStatus: status)
        open(world, 7, booking: "guest-7x", brand: 701)
        for booking in ["W01x", "W02x", "W11x", "W12x"] { #expect(await deliver(world, booking).hasSuffix("added")) }
        if knowsTerms { #expect(await deliver(world, "none-1x") == "no_ticket") }
        world.transport.withAccount { account, _ in account.hiddenBrands = [701] }
        let answer = await deliver(world, "guest-7x")
        #expect(answer.contains("search_is_blind"))
        #expect(answer.contains("brand 701"))
        #expect(await deliver(world, "none-2x").contains("search_is_blind"))
        // What is found is not held up.
        #expect(await deliver(world, "W03x") == "3 added")
        // A fresh search for witnesses does not overrule it.
        world.time.advance(.seconds(120))
        #expect(await deliver(world, "none-3x").contains("search_is_blind"))
        world.transport.withAccount { account, _ in account.hiddenBrands = [] }
        #expect(await deliver(world, "guest-7x") == "7 added")
        world.time.advance(.seconds(31))
        #expect(await deliver(world, "none-3x") == "no_ticket")
    }

    @Test("a lost brand is noticed although another brand's tickets are in the same group")
    func sharedGroup() async throws {
        let world = world(brands: [700, 701])
        world.transport.withAccount { account, now in
            for var ticket in account.tickets.values {
                ticket.group = 9
                account.put(ticket, now: now)
            }
        }
        for booking in ["W11x", "W12x", "W01x", "W02x"] { #expect(await deliver(world, booking).hasSuffix("added")) }
        world.transport.withAccount { account, _ in account.hiddenBrands = [701] }
        for number in 1...4 {
            #expect(await deliver(world, "none-\(number)x").contains("search_is_blind"))
            world.time.advance(.seconds(31))
        }
    }

    @Test("a blind index is checked once in half a minute, and bookings with hits continue")
    func storm() async throws {
        let world = world(brands: [700, 701])
        for booking in ["W01x", "W02x", "W11x", "W12x"] { _ = await deliver(world, booking) }
        world.transport.withAccount { account, _ in account.hiddenBrands = [701] }
        _ = await deliver(world, "none-1x")
        let before = world.transport.requests.count
        for number in 2...11 { #expect(await deliver(world, "none-\(number)x").contains("search_is_blind")) }
        #expect(world.transport.requests.count - before == 10)
        #expect(await deliver(world, "W03x") == "3 added")
    }

    @Test("a ticket does not count as a witness if search cannot find its booking ID", arguments: ["-", "?", "…"])
    func unfindable(text: String) async throws {
        let world = HandlerWorld()
        world.open(1, booking: text)
        world.age(1, by: 700)
        for number in 1...3 { #expect(await deliver(world, "none-\(number)x") == "no_ticket") }
        #expect(try await world.sweepAll().tickets == 1)
    }

    @Test("closed tickets at the start of the list prove nothing")
    func closedFirst() async throws {
        let world = HandlerWorld()
        world.open(500, booking: "guest-1x")
        world.age(500, by: 7000)
        for id in 1...150 {
            world.open(id, booking: "", isClosed: true)
            world.age(id, by: Double(600 + id))
        }
        world.transport.withAccount { account, _ in account.searchBehavior.isBlind = true }
        #expect(await deliver(world, "none-1x").contains("search_is_blind"))
    }

    @Test("old tickets that name no booking do not end the list, and one that cannot be read leaves it open", arguments: [true, false])
    func unnamedFirst(isReadable: Bool) async throws {
        let world = HandlerWorld()
        world.open(500, booking: "guest-1x")
        world.age(500, by: 7000)
        if isReadable {
            for id in 1...150 {
                world.open(id, booking: "")
                world.age(id, by: Double(600 + id))
            }
        } else {
            world.transport.withAccount { account, _ in account.listForm.hasCustomFields = false }
            world.transport.before { request, _ in request.target.contains("/tickets/") ? OutboundResponse(status: 504) : nil }
        }
        world.transport.withAccount { account, _ in account.searchBehavior.isBlind = true }
        #expect(await deliver(world, "none-1x").contains(isReadable ? "search_is_blind" : "cannot be read"))
    }

    @Test("a ticket that spoils every page of tickets is read by itself, and tells that the index is blind")
    func spoiledPage() async throws {
        let world = HandlerWorld()
        world.open(500, booking: "guest-1x")
        world.age(500, by: 7000)
        world.transport.withAccount { account, _ in (account.listForm.hasCustomFields, account.searchBehavior.isBlind) = (false, true) }
        world.transport.before { request, _ in request.target.contains("show_many") ? OutboundResponse(status: 504) : nil }
        #expect(await deliver(world, "none-1x").contains("search_is_blind"))
    }

    @Test("if a ticket must match all terms, one ticket reveals it, and each booking is then searched alone")
    func allTerms() async throws {
        let world = world()
        for id in 11...15 { open(world, id, booking: "guest-\(id)x") }
        world.transport.withAccount { account, _ in account.searchBehavior.repeatedTerms = .all }
        for booking in ["W01x", "W02x", "W03x"] { _ = await deliver(world, booking) }
        let before = Self.searches(world)
        try await world.deliver(SharedCallsTests.record((11...15).map { "guest-\($0)x" }))
        #expect((11...15).allSatisfy { world.status($0) == "Booked" })
        // The shared one, the witness alone, and five.
        #expect(Self.searches(world) - before == 7)
    }

    @Test("while the booking's field is hidden, no ticket is taken for one without a booking", arguments: [true, false])
    func hiddenField(isFresh: Bool) async throws {
        var world = world()
        for id in 1...3 { world.age(id, by: 700) }
        _ = await deliver(world, "W01x")
        _ = await deliver(world, "W02x")
        if isFresh {
            world.restart()
            world.transport.withAccount { account, _ in account.searchBehavior.isBlind = true }
        }
        // It was looked at a few seconds ago.
        _ = await deliver(world, "W03x")
        world.time.advance(.seconds(5))
        world.transport.withAccount { account, _ in
            account.searchBehavior.isBlind = true
            for index in account.fields.indices where account.fields[index].id == HandlerWorld.bookingField {
                account.fields[index].isActive = false
            }
        }
        #expect(await deliver(world, "none-1x") != "no_ticket")
    }

    @Test("a booking that search miscounts does not keep others from being written")
    func miscountedNeighbor() async throws {
        let world = world()
        for id in 11...14 { open(world, id, booking: "guest-\(id)x") }
        for booking in ["W01x", "W02x", "none-0x"] { _ = await deliver(world, booking) }
        world.transport.before { [transport = world.transport] request, _ in
            guard request.target.contains("guest-12x"), request.target.contains("search.json") else { return nil }
            return transport.withAccount { account, now in
                account.searchBehavior.miscounts = true
                defer { account.searchBehavior.miscounts = false }
                let answer = account.respond(to: .init(method: "GET", target: request.target), now: now)
                return OutboundResponse(status: answer.status, headers: answer.headers, body: answer.body)
            }
        }
        let bookings = (11...14).map { "guest-\($0)x" }
        await #expect(throws: FunctionFailure.self) { try await world.deliver(SharedCallsTests.record(bookings)) }
        #expect([11, 13, 14].allSatisfy { world.status($0) == "Booked" })
    }

    @Test("deleted, closed or re-booked witnesses cast no doubt on the index", arguments: [1, 2, 3])
    func goneWitnesses(count: Int) async throws {
        let world = world()
        for booking in ["W01x", "W02x", "W03x"] { _ = await deliver(world, booking) }
        world.transport.withAccount { account, now in
            account.delete(1)
            if count > 1 { account.edit(2, now: now) { $0.status = "closed" } }
            if count > 2 { account.edit(3, now: now) { $0.customFields[HandlerWorld.bookingField] = "other" } }
        }
        #expect(await deliver(world, "none-1x") == "no_ticket")
    }

    @Test("two deleted witnesses are doubted for ten minutes, because a lost brand may look the same")
    func deletedWitnesses() async throws {
        let world = world(hiddenStatus: 404)
        for booking in ["W01x", "W02x", "W03x"] { _ = await deliver(world, booking) }
        world.transport.withAccount { account, _ in
            for id in 1...3 { account.delete(id) }
        }
        #expect(await deliver(world, "none-1x").contains("search_is_blind"))
        world.time.advance(.seconds(601))
        #expect(await deliver(world, "none-1x") == "no_ticket")
    }

    @Test("if no ticket names a booking, the list of tickets is read once in ten minutes")
    func bare() async throws {
        let world = HandlerWorld()
        for id in 1...250 {
            world.open(id, booking: "")
            world.age(id, by: Double(id))
        }
        func lists() -> Int { world.transport.requests.count { $0.target.contains("sort=-updated_at") } }
        for number in 1...5 { #expect(await deliver(world, "none-\(number)x") == "no_ticket") }
        #expect(lists() == 3)
        world.time.advance(.seconds(601))
        #expect(await deliver(world, "none-9x") == "no_ticket")
        #expect(lists() == 6)
    }

    @Test("a witness that spoils searches is left out of them for a while")
    func spoiler() async throws {
        let world = world()
        for id in 11...14 { open(world, id, booking: "guest-\(id)x") }
        // The only one of its brand.
        open(world, 3, booking: "W03x", brand: 701)
        for booking in ["W01x", "W02x", "W03x", "none-0x"] { _ = await deliver(world, booking) }
        let spoiled = Mutex(0)
        world.transport.before { request, _ in
            guard request.target.contains("search.json"), request.target.contains("W03x"),
                request.target.ranges(of: "custom_field").count > 1
            else { return nil }
            spoiled.withLock { $0 += 1 }
            return OutboundResponse(status: 504)
        }
        for _ in 0..<2 {
            try await world.deliver(SharedCallsTests.record((11...14).map { "guest-\($0)x" }))
            #expect((11...14).allSatisfy { world.status($0) == "Booked" })
        }
        #expect(spoiled.withLock { $0 } == 1)
    }

    @Test("a full sweep refuses to start, with the reason, while the index is down")
    func sweepAll() async throws {
        let world = world()
        for id in 1...3 { world.age(id, by: 700) }
        world.transport.withAccount { account, _ in account.searchBehavior.isBlind = true }
        await #expect(throws: SweepFailure.self) { try await world.sweepAll() }
        #expect(!world.transport.requests.contains { $0.target.contains("export") })
        world.transport.withAccount { account, _ in account.searchBehavior.isBlind = false }
        #expect(try await world.sweepAll().tickets == 3)
    }

    @Test("while only tickets too young for the index name a booking, no empty answer counts")
    func young() async throws {
        let world = HandlerWorld()
        world.transport.withAccount { account, _ in account.searchLag = 300...300 }
        world.open(1, booking: "guest-1x")
        world.age(1, by: 0)
        #expect(await deliver(world, "none-1x").contains("deferred"))
        world.time.advance(.seconds(301))
        #expect(await deliver(world, "none-1x") == "no_ticket")
        #expect(await deliver(world, "guest-1x") == "1 added")
    }

    @Test("where repeated terms are alternatives, an empty answer costs one search; elsewhere one more")
    func calls() async throws {
        for (terms, cost) in [(SearchBehavior.RepeatedTerms.any, 1), (.all, 2)] {
            let world = world()
            world.transport.withAccount { account, _ in account.searchBehavior.repeatedTerms = terms }
            _ = await deliver(world, "W01x")
            _ = await deliver(world, "W02x")
            _ = await deliver(world, "none-1x")
            let before = Self.searches(world)
            #expect(await deliver(world, "none-2x") == "no_ticket")
            #expect(Self.searches(world) - before == cost)
        }
    }
}
