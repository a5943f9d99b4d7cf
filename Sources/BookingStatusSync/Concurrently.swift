/// Does the work for every element, for a few at a time, and gives the results in the elements' order.
func concurrently<Element: Sendable, Result: Sendable>(
    _ elements: [Element],
    width: Int,
    _ work: @escaping @Sendable (Element) async -> Result
) async -> [Result] {
    await withTaskGroup(of: (Int, Result).self) { group in
        var results: [Int: Result] = [:]
        for (index, element) in elements.enumerated() {
            if index >= width, let (finished, result) = await group.next() { results[finished] = result }
            group.addTask { (index, await work(element)) }
        }
        for await (finished, result) in group { results[finished] = result }
        return elements.indices.compactMap { results[$0] }
    }
}
