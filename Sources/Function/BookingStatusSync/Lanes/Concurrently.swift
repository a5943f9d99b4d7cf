/// Does the work for every element, with limited concurrency. Returns the results in the order of
/// the elements.
func concurrently<Element: Sendable, Result: Sendable>(
    _ elements: [Element],
    width: Int,
    _ work: @escaping @Sendable (Element) async -> Result
) async -> [Result] {
    // Usually there is only one. Without a task of its own it needs half the memory.
    if elements.count == 1 { return [await work(elements[0])] }
    return await withTaskGroup(of: (Int, Result).self) { group in
        var results: [Int: Result] = [:]
        for (index, element) in elements.enumerated() {
            if index >= width, let (finished, result) = await group.next() { results[finished] = result }
            group.addTask { (index, await work(element)) }
        }
        for await (finished, result) in group { results[finished] = result }
        return elements.indices.compactMap { results[$0] }
    }
}
