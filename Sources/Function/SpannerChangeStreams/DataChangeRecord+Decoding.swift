public import FoundationEssentials
import Support

extension DataChangeRecord {
    /// Decodes a record in any layout of its producers. Ignores members that are not needed,
    /// whatever they hold.
    ///
    /// - Parameters:
    ///   - json: the data of the Pub/Sub message.
    ///   - columns: the columns to keep; nil keeps all. A side of a row may have 10,000 columns.
    /// - Throws: ``ChangeRecordError``, which names the member at fault and quotes no value.
    public init(json: Data, columns: Set<String>? = nil) throws(ChangeRecordError) {
        guard let text = JSONElement(json) else { throw ChangeRecordError("the data is not JSON") }
        do throws(JSONFault) {
            try self.init(text, columns)
        } catch {
            throw ChangeRecordError(error.reason)
        }
    }

    private init(_ text: JSONElement, _ columns: Set<String>?) throws(JSONFault) {
        guard let record = try? text.object() else { throw JSONFault("the data is not a JSON object") }
        tableName = try record.require("tableName").requireString()
        guard let modType = try ModType(rawValue: record.require("modType").requireString()) else {
            throw JSONFault("modType has no valid value")
        }
        self.modType = modType
        var mods: [Mod] = []
        try record.require("mods").forEachElement { (mod) throws(JSONFault) in mods.append(try Mod(mod, columns)) }
        guard !mods.isEmpty else { throw JSONFault("mods is empty") }
        self.mods = mods
        commitTimestamp = try record["commitTimestamp"].map { (time) throws(JSONFault) in try CommitTimestamp(time) }
        serverTransactionID = try record["serverTransactionId"]?.requireString()
        recordSequence = try record["recordSequence"]?.requireString()
    }
}

extension DataChangeRecord.Mod {
    fileprivate init(_ element: JSONElement, _ columns: Set<String>?) throws(JSONFault) {
        let mod = try element.object()
        keys = try Side(mod.require("keysJson"), columns).values
        let old = try mod["oldValuesJson"].map { (side) throws(JSONFault) in try Side(side, columns) }
        oldValues = old?.values ?? [:]
        hasOldValues = old?.isEmpty == false
        newValues = try mod["newValuesJson"].map { (side) throws(JSONFault) in try Side(side, columns).values } ?? [:]
    }

    /// A string that holds JSON: an object with a member for each column, or null.
    private struct Side {
        var values: [String: ColumnValue] = [:]
        var isEmpty = true

        init(_ element: JSONElement, _ columns: Set<String>?) throws(JSONFault) {
            let text = JSONElement(try element.unescapedText())
            if let text, text.isNull { return }
            guard let side = try? text?.object() else { throw JSONFault("\(element.path) holds no JSON object") }
            isEmpty = side.isEmpty
            if let columns {
                for name in columns {
                    if let value = side.element(name) { values[name] = try ColumnValue(value) }
                }
            } else {
                try side.forEach { (name, value) throws(JSONFault) in values[name] = try ColumnValue(value) }
            }
        }
    }
}

extension ColumnValue {
    fileprivate init(_ element: JSONElement) throws(JSONFault) {
        switch element.scalar {
        case .null: self = .null
        case .bool(let flag): self = .bool(flag)
        case .string: self = .string(try element.requireString())
        case .number(let digits):
            if let number = Int64(digits) {
                self = .integer(number)
            } else if let number = Double(digits), number.isFinite {
                self = .number(number)
            } else {
                self = .container
            }
        case nil: self = .container
        }
    }
}

extension CommitTimestamp {
    /// Reads `{"seconds": …, "nanos": …}` (Google's template, microseconds) or RFC 3339
    /// (mercari's).
    fileprivate init(_ element: JSONElement) throws(JSONFault) {
        let fault = JSONFault("\(element.path) has no valid value")
        if let text = element.string {
            guard let timestamp = CommitTimestamp(rfc3339: text) else { throw fault }
            self = timestamp
            return
        }
        let members = try element.object()
        guard let seconds = Self.integer(try members.require("seconds")) else { throw fault }
        let nanos = try members["nanos"].map { (nanos) throws(JSONFault) in
            guard let number = Self.integer(nanos) else { throw fault }
            return number
        }
        guard (-62_135_596_800...253_402_300_799).contains(seconds), (0..<1_000_000_000).contains(nanos ?? 0) else { throw fault }
        self.init(seconds: seconds, nanoseconds: Int32(nanos ?? 0), precision: (nanos ?? 0) % 1000 == 0 ? .microseconds : .nanoseconds)
    }

    /// A number or, as Spanner writes its INT64, a string.
    private static func integer(_ element: JSONElement) -> Int64? {
        if let text = element.string { return Int64(text) }
        return (try? element.integer()).map { Int64($0) }
    }
}
