public import FoundationEssentials

extension DataChangeRecord {
    /// Reads a record in any layout of its producers. Members that nobody needs are not looked at, whatever they hold.
    ///
    /// - Parameter json: the data of the Pub/Sub message.
    /// - Throws: ``ChangeRecordError``, which names the member at fault and quotes no value.
    public init(json: Data) throws(ChangeRecordError) {
        do {
            self = try JSONDecoder().decode(DataChangeRecord.self, from: json)
        } catch let error as ChangeRecordError {
            throw error
        } catch {
            throw ChangeRecordError(error)
        }
    }
}

extension DataChangeRecord: Decodable {
    private enum Key: String, CodingKey {
        case tableName, modType, mods, commitTimestamp, recordSequence
        case serverTransactionID = "serverTransactionId"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        tableName = try container.decode(String.self, forKey: .tableName)
        modType = try container.decode(ModType.self, forKey: .modType)
        mods = try container.decode([Mod].self, forKey: .mods)
        guard !mods.isEmpty else { throw ChangeRecordError("mods is empty") }
        commitTimestamp = try container.decodeIfPresent(CommitTimestamp.self, forKey: .commitTimestamp)
        serverTransactionID = try container.decodeIfPresent(String.self, forKey: .serverTransactionID)
        recordSequence = try container.decodeIfPresent(String.self, forKey: .recordSequence)
    }
}

extension DataChangeRecord.Mod: Decodable {
    private enum Key: String, CodingKey { case keysJson, oldValuesJson, newValuesJson }

    /// Each side is a string that holds JSON.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        func columns(_ text: String, _ key: Key) throws -> [String: ColumnValue] {
            if text == "null" { return [:] }
            guard let columns = try? JSONDecoder().decode([String: ColumnValue].self, from: Data(text.utf8)) else {
                throw ChangeRecordError("mods.\(key.rawValue) holds no JSON object")
            }
            return columns
        }
        keys = try columns(container.decode(String.self, forKey: .keysJson), .keysJson)
        oldValues = try container.decodeIfPresent(String.self, forKey: .oldValuesJson).map { try columns($0, .oldValuesJson) } ?? [:]
        newValues = try container.decodeIfPresent(String.self, forKey: .newValuesJson).map { try columns($0, .newValuesJson) } ?? [:]
    }
}
