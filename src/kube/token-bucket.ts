/**
 * Tells for each request, given the time, how many milliseconds it has to wait: `burst` requests pass at once, `qps` a
 * second in the long run. A negative `qps` is no limit, 0 is 5, as for all programs of Kubernetes.
 */
export function tokenBucket(qps: number, burst: number): (nowMs: number) => number {
  if (qps < 0) return () => 0
  const perMs = (qps === 0 ? 5 : qps) / 1_000
  const size = Math.max(1, burst)
  let tokens = size
  let atMs = 0
  return (nowMs) => {
    tokens = Math.min(size, tokens + Math.max(0, nowMs - atMs) * perMs) - 1
    atMs = Math.max(atMs, nowMs)
    return Math.max(0, -tokens / perMs)
  }
}
