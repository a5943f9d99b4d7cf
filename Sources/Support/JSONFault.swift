/// A fault in a JSON text. The reason names the place and quotes nothing.
package struct JSONFault: Error, Equatable {
    package var reason: String

    package init(_ reason: String) { self.reason = reason }
}
