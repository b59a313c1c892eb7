import type { NetworkNamespace } from '../../src/netlink/namespace.ts'

/** What `open` opens belongs to the namespace; it never returns a promise. */
export function inNamespace<T>(namespace: NetworkNamespace, open: () => T): T {
  const opened: T[] = []
  namespace.run(() => void opened.push(open()))
  return opened[0] as T
}
