/** Gives the value that was first seen under a key instead of an equal one, and so keeps one copy of it in memory. */
export type Pool<Value> = (key: string, value: Value) => Value

/** A pool that forgets everything when it is full: sharing is worth memory only while values repeat. */
export function createPool<Value>(maxEntries: number): Pool<Value> {
  const values = new Map<string, Value>()
  return (key, value) => {
    const known = values.get(key)
    if (known !== undefined) return known
    if (values.size >= maxEntries) values.clear()
    values.set(key, value)
    return value
  }
}
