package import Foundation

/// Files that tests read.
package enum Fixtures {
    private static let helpers = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

    /// Whole change records, one file for each producer and kind.
    package static var records: [URL] { json(in: helpers.appending(path: "Fixtures/records")) }

    /// The sample events that come with the package.
    package static var events: [URL] { json(in: helpers.appending(path: "../../events").standardized) }

    /// The types of each member of recorded Zendesk answers.
    package static var zendeskAnswers: Data {
        get throws { try Data(contentsOf: helpers.appending(path: "Fixtures/zendesk-answers.json")) }
    }

    package static func record(_ name: String) throws -> Data {
        try Data(contentsOf: helpers.appending(path: "Fixtures/records/\(name).json"))
    }

    private static func json(in folder: URL) -> [URL] {
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        return files.filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }
    }
}
