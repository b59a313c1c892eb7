/*
 * The network of the cases, and the proxy under test in its middle:
 *
 *   client ---- eth0 [ router ] veth-one ---- server one
 *                               veth-two ---- server two
 *
 * All cases share it; it is there as soon as the module is.
 */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { createNetwork } from '../../../src/demo/network.ts'
import { EchoServer, type Flow } from './flows.ts'
import { slowPackets, tracked, watchSlowPath } from './watch.ts'

/** By family: the router's own addresses, the client, the servers, which are pods. */
export const addresses = {
  IPv4: { router: '192.168.0.2', client: '203.0.113.2', one: '10.244.0.11', two: '10.244.0.12' },
  IPv6: { router: '2001:db8::2', client: '2001:db8:113::2', one: 'fd00:10:244::11', two: 'fd00:10:244::12' },
} as const
export const podRanges = '10.244.0.0/16,fd00:10:244::/64'

/** The ports that both servers listen on. */
export const serverPorts = [8080, 8081] as const

const both = (who: keyof typeof addresses.IPv4): string[] => [addresses.IPv4[who], addresses.IPv6[who]]

const network = await createNetwork({
  node: { name: 'router', addresses: [`${addresses.IPv4.router}/24`, `${addresses.IPv6.router}/64`] },
  outside: { name: 'client', link: 'eth0', addresses: both('client') },
  pods: {
    one: { name: 'one', link: 'veth-one', addresses: both('one') },
    two: { name: 'two', link: 'veth-two', addresses: both('two') },
  },
})
export const { node: router, outside: client } = network
export const { one, two } = network.pods
export const servers = {
  one: new EchoServer('one', one.namespace, serverPorts),
  two: new EchoServer('two', two.namespace, serverPorts),
}
watchSlowPath(router.namespace)

after(async () => {
  for (const server of Object.values(servers)) server.close()
  await network.close()
})

/** So many packets of a round trip go each way at least. */
const rounds = 20

/** Runs the flow until it is offloaded, then proves that the rules see none of its packets. */
export async function assertOffloaded(flow: Flow, warmUpRounds = 5): Promise<void> {
  await flow.exchange(warmUpRounds)
  const before = slowPackets(router.namespace)
  await flow.exchange(rounds)
  const slow = slowPackets(router.namespace) - before
  const entry = tracked(router.namespace, flow)
  assert.ok(entry?.isOffloaded, `not offloaded, ${slow} packets met the rules: ${entry?.text ?? 'not tracked'}`)
  assert.equal(slow, 0, 'packets of an offloaded connection met the rules')
}

/** Proves that the rules see each packet of the flow. */
export async function assertSlow(flow: Flow, warmUpRounds = 5): Promise<void> {
  await flow.exchange(warmUpRounds)
  const before = slowPackets(router.namespace)
  await flow.exchange(rounds)
  const slow = slowPackets(router.namespace) - before
  const entry = tracked(router.namespace, flow)
  assert.ok(entry !== undefined && !entry.isOffloaded, `offloaded: ${entry?.text ?? 'not tracked'}`)
  assert.ok(slow >= 2 * rounds, `${slow} packets met the rules in ${rounds} rounds`)
}
