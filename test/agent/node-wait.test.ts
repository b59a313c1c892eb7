import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type MissingNode, waitForNode } from '../../src/agent/node-wait.ts'
import type { Node } from '../../src/kube/types.ts'
import { ManualClock } from '../sync/manual-clock.ts'

const address = { type: 'InternalIP', address: '192.168.1.10' }
const withoutAddress = node([])
const withAddress = node([address])

/** When the Node is first seen in which state, in seconds after the start. */
type History = readonly (readonly [seconds: number, node: Node])[]

type Case = {
  readonly title: string
  readonly arePodCidrsNeeded: boolean
  readonly history: History
  /** When the wait ends, in seconds, and how. */
  readonly endsAt: number
  readonly missing?: { readonly problem: RegExp; readonly isFatal: boolean }
}

const cases: readonly Case[] = [
  {
    title: 'a Node with an address is not waited for',
    arePodCidrsNeeded: false,
    history: [[0, withAddress]],
    endsAt: 0,
  },
  {
    title: 'a Node that never exists is given up after 30 s, and the start goes on',
    arePodCidrsNeeded: false,
    history: [],
    endsAt: 30,
    missing: { problem: /^Node n1 does not exist/, isFatal: false },
  },
  {
    title: 'a Node that never gets an address is given up after 30 s, and the start goes on',
    arePodCidrsNeeded: false,
    history: [[0, withoutAddress]],
    endsAt: 30,
    missing: { problem: /^Node n1 has neither InternalIP nor ExternalIP/, isFatal: false },
  },
  {
    title: 'a Node that gets its address is waited for until then',
    arePodCidrsNeeded: false,
    history: [
      [0, withoutAddress],
      [7, withAddress],
    ],
    endsAt: 7,
  },
  {
    title: 'NodeCIDR: a Node that never exists ends the start',
    arePodCidrsNeeded: true,
    history: [],
    endsAt: 330,
    missing: { problem: /^Node n1 did not appear/, isFatal: true },
  },
  {
    title: 'NodeCIDR: a Node that never gets pod ranges ends the start 5 minutes after its address',
    arePodCidrsNeeded: true,
    history: [[0, withAddress]],
    endsAt: 300,
    missing: { problem: /^Node n1 was allocated no spec.podCIDRs/, isFatal: true },
  },
  {
    title: 'NodeCIDR: pod ranges that come late are waited for',
    arePodCidrsNeeded: true,
    history: [
      [0, withAddress],
      [120, node([address], ['10.0.0.0/24'])],
    ],
    endsAt: 120,
  },
  {
    title: 'NodeCIDR: pod ranges without an address let the start go on',
    arePodCidrsNeeded: true,
    history: [[0, node([], ['10.0.0.0/24'])]],
    endsAt: 30,
    missing: { problem: /^Node n1 has neither/, isFatal: false },
  },
]

describe('the wait for the Node', () => {
  for (const { title, arePodCidrsNeeded, history, endsAt, missing } of cases) {
    test(title, async () => {
      const { result, seconds } = await wait(arePodCidrsNeeded, history)
      assert.equal(Math.round(seconds), endsAt)
      assert.equal(result?.isFatal, missing?.isFatal)
      if (missing !== undefined) assert.match(result?.problem ?? '', missing.problem)
    })
  }

  test('ends when it is aborted', async () => {
    const stop = new AbortController()
    const options = { nodeName: 'n1', node: () => undefined, arePodCidrsNeeded: true, clock: new ManualClock() }
    const waiting = waitForNode({ ...options, signal: stop.signal })
    stop.abort()
    assert.equal(await waiting, undefined)
  })
})

async function wait(
  arePodCidrsNeeded: boolean,
  history: History,
): Promise<{ result: MissingNode | undefined; seconds: number }> {
  const clock = new ManualClock()
  const startMs = clock.now()
  const node = (): Node | undefined => history.findLast(([seconds]) => seconds * 1000 <= clock.now() - startMs)?.[1]
  const { signal } = new AbortController()
  let isOver = false
  const waiting = waitForNode({ nodeName: 'n1', node, arePodCidrsNeeded, clock, signal }).finally(() => {
    isOver = true
  })
  for (;;) {
    await nextTurn()
    if (isOver) return { result: await waiting, seconds: (clock.now() - startMs) / 1000 }
    await clock.goTo(clock.now() + 100)
  }
}

function node(addresses: readonly (typeof address)[], podCIDRs: readonly string[] = []): Node {
  return { kind: 'Node', metadata: { namespace: '', name: 'n1' }, spec: { podCIDRs }, status: { addresses } }
}
