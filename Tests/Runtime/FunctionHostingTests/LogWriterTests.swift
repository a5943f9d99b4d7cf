import Foundation
import Testing

@testable import FunctionHosting

@Suite("Writing the log", .timeLimit(.minutes(1)))
struct LogWriterTests {
    private let pipe = Pipe()

    private func writer() -> LogWriter {
        LogWriter(descriptor: pipe.fileHandleForWriting.fileDescriptor) { "dropped \($0)\n" }
    }

    @Test("lines arrive whole and in order")
    func order() throws {
        let writer = writer()
        for number in 0..<1000 { writer.write("\(number)\n") }
        writer.flush(within: .seconds(10))
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        let expected = (0..<1000).map { "\($0)\n" }.joined()
        #expect(text == expected)
    }

    @Test("a stopped reader does not block writers; dropped lines are counted in a line", arguments: [false, true])
    func stoppedReader(isNonBlocking: Bool) throws {
        if isNonBlocking {
            let descriptor = pipe.fileHandleForWriting.fileDescriptor
            #expect(fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) == 0)
        }
        let writer = writer()
        let line = String(repeating: "x", count: 999) + "\n"
        // More than the thread may have taken and the buffer may hold, a megabyte each.
        for _ in 0..<4_000 { writer.write(line) }
        writer.flush(within: .milliseconds(50))
        var rest = Data()
        var (written, dropped) = (0, 0)
        while written + dropped < 4_000 {
            rest += pipe.fileHandleForReading.availableData
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: rest[..<end], as: UTF8.self)
                rest = rest[(end + 1)...]
                // The number of reports of dropped lines depends on the thread's timing.
                if line.hasPrefix("dropped ") {
                    dropped += Int(line.dropFirst(8)) ?? 0
                } else {
                    #expect(line.utf8.count == 999)
                    written += 1
                }
            }
        }
        #expect(written + dropped == 4_000)
        #expect(dropped > 0)
    }

    @Test("a closed reader does not end the process")
    func goneReader() throws {
        let writer = writer()
        try pipe.fileHandleForReading.close()
        for _ in 0..<100 { writer.write("x\n") }
        writer.flush(within: .seconds(10))
    }
}
