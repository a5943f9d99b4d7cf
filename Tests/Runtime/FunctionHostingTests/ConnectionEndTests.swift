import TestSupport
import Testing

@testable import FunctionHosting

@Suite("The end of a connection", .timeLimit(.minutes(5)))
struct ConnectionEndTests {
    @Test("ends the wait, whether it happens before or during it; the first answer counts")
    func races() async {
        await withDiscardingTaskGroup { group in
            for number in 0..<2000 {
                group.addTask {
                    let end = ConnectionEnd()
                    await withDiscardingTaskGroup { ends in
                        ends.addTask { await end.wait() }
                        ends.addTask {
                            if number.isMultiple(of: 2) { await Task.yield() }
                            end.come(.stopping)
                        }
                    }
                    end.come(nil)
                    await end.wait()
                    #expect(end.interruption != nil)
                }
            }
        }
    }
}
