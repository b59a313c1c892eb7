import type { Node } from '../kube/types.ts'
import type { Clock } from '../sync/clock.ts'

/** How long a Node may take to appear with an address, and from then on to get its pod ranges. */
const nodeMs = 30_000
const podCidrsMs = 300_000
const pollMs = 100

export type NodeWaitOptions = {
  readonly nodeName: string
  /** The Node as it is known now. */
  readonly node: () => Node | undefined
  /** Without pod ranges nothing could tell pods from others. */
  readonly arePodCidrsNeeded: boolean
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** What is still missing when nobody waits any longer; with `isFatal` the agent cannot work. */
export type MissingNode = { readonly problem: string; readonly isFatal: boolean }

/**
 * Waits until the Node is known with an address, and if they are needed, with its pod ranges. Resolves with what is
 * missing after 30 seconds, of pod ranges after another 5 minutes, and with undefined when nothing is or when aborted.
 */
export async function waitForNode(options: NodeWaitOptions): Promise<MissingNode | undefined> {
  const { nodeName, node, arePodCidrsNeeded } = options
  await until(() => hasAddress(node()), nodeMs, options)
  const hasPodCidrs = (): boolean => (node()?.spec?.podCIDRs ?? []).length > 0
  if (arePodCidrsNeeded) await until(hasPodCidrs, podCidrsMs, options)
  if (options.signal.aborted) return undefined
  if (arePodCidrsNeeded && node() === undefined) {
    return {
      problem: `Node ${nodeName} did not appear; detect-local mode NodeCIDR needs its spec.podCIDRs`,
      isFatal: true,
    }
  }
  if (arePodCidrsNeeded && !hasPodCidrs()) {
    const problem = `Node ${nodeName} was allocated no spec.podCIDRs, which detect-local mode NodeCIDR needs`
    return { problem, isFatal: true }
  }
  if (node() === undefined) {
    return {
      problem: `Node ${nodeName} does not exist; it is not known which addresses are this Node's`,
      isFatal: false,
    }
  }
  if (hasAddress(node())) return undefined
  return { problem: `Node ${nodeName} has neither InternalIP nor ExternalIP in status.addresses`, isFatal: false }
}

function hasAddress(node: Node | undefined): boolean {
  return (node?.status?.addresses ?? []).some(({ type }) => type === 'InternalIP' || type === 'ExternalIP')
}

async function until(isThere: () => boolean, longestMs: number, { clock, signal }: NodeWaitOptions): Promise<void> {
  const endMs = clock.now() + longestMs
  while (!isThere() && !signal.aborted && clock.now() < endMs) {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const cancel = clock.schedule(pollMs, done)
      signal.addEventListener('abort', done)
    })
  }
}
