package import HTTPTypes

extension HTTPFields {
    /// The value of a field. Same result as `self[name]`, which joins repeated fields, at a quarter
    /// of the cost if the field occurs at most once.
    package func value(_ name: HTTPField.Name) -> String? {
        var found: String?
        for index in indices where self[index].name == name {
            guard found == nil else { return self[name] }
            found = self[index].value
        }
        return found
    }
}
