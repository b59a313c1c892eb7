import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { Host } from '../../../src/demo/host.ts'
import { connectHosts } from '../../../src/demo/network.ts'
import { addAddress } from '../../../src/netlink/address.ts'
import { createVethPair, deleteLink, renameLink, setLinkDown, setLinkUp } from '../../../src/netlink/link.ts'
import { addRoute } from '../../../src/netlink/route.ts'
import { until } from '../../cli/until.ts'
import { runInNamespace } from '../../lab/program.ts'
import { clusterIp, service, servicePort } from '../lab/cluster.ts'
import { EchoServer, type Flow, openTcp } from '../lab/flows.ts'
import { addresses, assertOffloaded, assertSlow, client, one, router, serverPorts } from '../lab/lab.ts'
import { Proxy } from '../lab/proxy.ts'
import { nft, nftList, slowPackets } from '../lab/watch.ts'

const usual = ['eth0', 'veth-one', 'veth-two']
const newcomer = '10.244.0.13'
const bridged = '10.244.0.14'

describe('devices', () => {
  let proxy: Proxy
  let flow: Flow

  before(async () => {
    const services = [
      ...service(1, ['one']),
      ...service(2, ['two']),
      ...service(3, { addresses: [newcomer] }),
      ...service(4, { addresses: [bridged] }),
    ]
    proxy = await Proxy.start(['--fastpath-packet-threshold=1'], services)
    await proxy.logged(/fast path is active/)
    flow = await open(1)
    await assertOffloaded(flow)
  })

  after(async () => {
    await flow.close()
    await proxy.kill()
  })

  function open(number: number): Promise<Flow> {
    return openTcp(client.namespace, clusterIp('IPv4', number), servicePort)
  }

  /** Waits until these, and no others, are in the flow table, and those that are interfaces in the rule. */
  async function members(interfaces: readonly string[], ports: readonly string[] = []): Promise<void> {
    const isThere = (): boolean =>
      areSame(currentMembers(), [...interfaces, ...ports]) && areSame(currentInterfaces(), interfaces)
    await proxy.until(isThere, `devices ${interfaces.join(' ')}`)
  }

  test('a pod that starts takes part, and one that goes leaves', async () => {
    const pod = await startPod('newcomer')
    await attach(pod, 'veth-new', newcomer)
    const server = new EchoServer('newcomer', pod.namespace, serverPorts)
    await members([...usual, 'veth-new'])
    const other = await open(3)
    await assertOffloaded(other)
    await other.close()
    await deleteLink(router.route, 'veth-new')
    await members(usual)
    server.close()
    await pod.close()
    await assertOffloaded(flow)
  })

  test('three hundred at once do, and nothing is lost meanwhile', async () => {
    const before = slowPackets(router.namespace)
    const names: string[] = []
    for (let pair = 0; pair < 150; pair++) {
      const [name, peer] = [`many${pair}a`, `many${pair}b`]
      await createVethPair(router.route, { name, peer: { name: peer } })
      for (const end of [name, peer]) await setLinkUp(router.route, end)
      names.push(name, peer)
    }
    await members([...usual, ...names])
    await flow.exchange(10)
    for (let pair = 0; pair < 150; pair++) await deleteLink(router.route, `many${pair}a`)
    await members(usual)
    await flow.exchange(10)
    // A link that goes makes the kernel look up all routes again: each flow meets the rules once, and is taken back.
    const slow = slowPackets(router.namespace) - before
    assert.ok(slow <= 8, `${slow} packets met the rules`)
    await assertOffloaded(flow)
  })

  test('one that goes down and comes back takes its connections on again', async () => {
    // Not masqueraded: with their link go the connections that have its address.
    const other = await openTcp(one.namespace, clusterIp('IPv4', 2), servicePort)
    await assertOffloaded(other)
    await setLinkDown(router.route, 'veth-two')
    await members(usual.filter((name) => name !== 'veth-two'))
    await setLinkUp(router.route, 'veth-two')
    await restoreRoutes('veth-two')
    await members(usual)
    await assertOffloaded(other)
    await other.close()
  })

  test('one that is renamed takes part under its new name', async () => {
    await setLinkDown(router.route, 'veth-two')
    await renameLink(router.route, 'veth-two', 'veth-2')
    await setLinkUp(router.route, 'veth-2')
    await restoreRoutes('veth-2')
    await members(['eth0', 'veth-one', 'veth-2'])
    const other = await open(2)
    await assertOffloaded(other)
    await other.close()
    await setLinkDown(router.route, 'veth-2')
    await renameLink(router.route, 'veth-2', 'veth-two')
    await setLinkUp(router.route, 'veth-two')
    await restoreRoutes('veth-two')
    await members(usual)
  })

  test('a bridge takes part with its ports', async () => {
    const pod = await startPod('bridged')
    const ip = (...args: string[]): void => {
      const { status, stderr } = runInNamespace(router.namespace, 'ip', args)
      assert.equal(status, 0, stderr)
    }
    await createVethPair(router.route, { name: 'port', peer: { name: 'eth0', namespaceFd: pod.namespace.fd } })
    ip('link', 'add', 'name', 'bridge', 'type', 'bridge')
    ip('link', 'set', 'port', 'master', 'bridge')
    for (const name of ['port', 'bridge']) await setLinkUp(router.route, name)
    await addAddress(router.route, 'bridge', '10.244.0.1/32')
    await address(pod, 'bridge', bridged)
    const server = new EchoServer('bridged', pod.namespace, serverPorts)
    await members([...usual, 'bridge'], ['port'])
    const other = await open(4)
    await assertOffloaded(other)
    await other.close()
    for (const name of ['bridge', 'port']) await deleteLink(router.route, name)
    await members(usual)
    server.close()
    await pod.close()
  })

  test("somebody else's flow table with the same devices is reported, and both work", async () => {
    nft(
      router.namespace,
      `table inet others {
         flowtable theirs { hook ingress priority 0; devices = { eth0, veth-one }; }
         chain forward { type filter hook forward priority 0; policy accept; tcp dport 8081 flow add @theirs
         }
       }`,
    )
    const other = await open(1)
    await assertOffloaded(other)
    await other.close()
    // It is noticed when links are looked at.
    await createVethPair(router.route, { name: 'news', peer: { name: 'news-peer' } })
    await proxy.logged(/flowtable inet others theirs/)
    await deleteLink(router.route, 'news')
    nft(router.namespace, 'delete table inet others')
  })
})

describe('a table of the same name that somebody else owns', () => {
  test('stops the fast path and nothing else', async () => {
    nft(router.namespace, 'add table inet kube-proxy-fastpath\ndelete table inet kube-proxy-fastpath')
    const owner = router.namespace.run(() => spawn('nft', ['-i'], { stdio: ['pipe', 'ignore', 'inherit'] }))
    owner.stdin.write('add table inet kube-proxy-fastpath { flags owner; }\n')
    await until(
      () => nftList(router.namespace, 'tables').includes('kube-proxy-fastpath') || undefined,
      () => 'the table of the same name',
    )
    const proxy = await Proxy.start(['--fastpath-packet-threshold=1'], service(1, ['one']))
    try {
      await proxy.logged(/kube-proxy-fastpath/)
      const flow = await openTcp(client.namespace, clusterIp('IPv4', 1), servicePort)
      await assertSlow(flow)
      await flow.close()
      const start = proxy.log.length
      proxy.write([...service(1, ['one']), ...service(2, ['two'])])
      await proxy.logged(/^synced$/, start)
      const next = await openTcp(client.namespace, clusterIp('IPv4', 2), servicePort)
      await assertSlow(next)
      await next.close()
      owner.stdin.end()
      await once(owner, 'close')
    } finally {
      owner.kill()
      await proxy.kill()
    }
  })
})

/** Its thread is ready: one that is ended while it still loads takes the process with it. */
async function startPod(name: string): Promise<Host> {
  const pod = await Host.start(name)
  await (await pod.listenTcp('127.0.0.1', serverPorts[0])).close()
  return pod
}

/** Joins a new pod to the router. */
async function attach(pod: Host, link: string, podAddress: string): Promise<void> {
  await connectHosts({ host: router, link, addresses: ['10.244.0.1/32'] }, { host: pod, link: 'eth0', addresses: [] })
  await address(pod, link, podAddress)
}

/** Gives a pod behind a link of the router its address and its way back. */
async function address(pod: Host, link: string, podAddress: string): Promise<void> {
  await setLinkUp(pod.route, 'eth0')
  await addAddress(pod.route, 'eth0', `${podAddress}/32`)
  await addRoute(pod.route, { destination: '0.0.0.0/0', gateway: '10.244.0.1', link: 'eth0', isOnLink: true })
  await addRoute(router.route, { destination: `${podAddress}/32`, link })
}

/** Those to the second server, which a link that goes down loses. */
async function restoreRoutes(link: string): Promise<void> {
  await addRoute(router.route, { destination: `${addresses.IPv4.two}/32`, link })
}

function currentMembers(): readonly string[] {
  const listed = nftList(router.namespace, 'flowtables')
  return names(/flowtable kube-proxy-flowtable \{[^}]*devices = \{([^}]*)\}/.exec(listed)?.[1])
}

function currentInterfaces(): readonly string[] {
  const listed = nftList(router.namespace, 'set', 'inet', 'kube-proxy-fastpath', 'interfaces')
  return names(/elements = \{([^}]*)\}/.exec(listed)?.[1])
}

function names(list = ''): readonly string[] {
  return list.split(',').map((name) => name.trim().replaceAll('"', ''))
}

function areSame(names: readonly string[], others: readonly string[]): boolean {
  return [...names].sort().join(' ') === [...others].sort().join(' ')
}
