/* Packets through a real kernel: the lab's node is programmed with one world after the other, and its hosts send. */
import { tableOf } from '../../src/dataplane/names.ts'
import { HostError } from '../../src/demo/host.ts'
import type { Outcome } from '../../src/demo/host-operations.ts'
import type { KubeObject } from '../../src/kube/types.ts'
import type { Family } from '../../src/model/ip.ts'
import { addAddress } from '../../src/netlink/address.ts'
import { createVethPair, deleteLink, setLinkUp } from '../../src/netlink/link.ts'
import { NftConnection } from '../../src/nft/connection.ts'
import { readTable } from '../../src/nft/dump.ts'
import type { TableContents } from '../../src/nft/objects.ts'
import { proxyOn } from '../kernel/node.ts'
import { type AddressPlan, ipv4, ipv6 } from '../lab/addresses.ts'
import { type ClusterLab, listen, sendFrom } from '../lab/cluster.ts'
import { forgetConnections } from '../lab/connections.ts'
import type { Proxy } from '../sync/proxy.ts'
import { type Probe, sightOf } from './sight.ts'
import { dataplaneOf, objectsOf, type World } from './world.ts'

/** One family of the lab's node, under the control of a proxy. */
export class KernelNode {
  readonly #lab: ClusterLab
  readonly #family: Family
  readonly #plan: AddressPlan
  readonly #connection: NftConnection
  readonly #servers = new Map<string, Promise<unknown>>()
  #proxy: Proxy | undefined
  #options = ''
  #objects: readonly KubeObject[] = []
  #bound: readonly string[] = []
  #lastPort = firstPort

  constructor(lab: ClusterLab, family: Family) {
    this.#lab = lab
    this.#family = family
    this.#plan = family === 'IPv4' ? ipv4 : ipv6
    this.#connection = lab.node.namespace.run(() => new NftConnection())
  }

  /** Makes the world real, and forgets the connections of the one before. */
  async enter(world: World): Promise<void> {
    await this.change(world)
    await this.serveEndpoints(world)
    await forgetConnections(this.#lab.node.namespace, this.#family)
  }

  /**
   * Makes the world real. A proxy that goes on with the options that it has changes what is different; with other
   * options a new one starts, as after a restart with other flags.
   */
  async change(world: World): Promise<void> {
    await this.bind(world.boundAddresses)
    const { options, nodePortIps } = dataplaneOf(world, this.#family)
    const key = JSON.stringify(options)
    if (this.#options !== key) this.forgetProxy()
    const proxy = this.#proxy ?? proxyOn(this.#connection, this.#family, options)
    const objects = objectsOf(world, this.#family)
    proxy.delete(...this.#objects.filter((object) => !objects.some((wanted) => isSameObject(object, wanted))))
    proxy.syncer.setNodePortIps(nodePortIps)
    await proxy.clock.goTo(proxy.clock.now() + 1000)
    await proxy.sync(...objects)
    this.#proxy = proxy
    this.#options = key
    this.#objects = objects
  }

  /** As if the program had ended: the next world is entered by a new proxy, which finds the table of this one. */
  forgetProxy(): void {
    this.#proxy = undefined
    this.#objects = []
  }

  /**
   * Sends each packet so many times and says what is to be seen of each, in order. Whatever it is sent to answers, so
   * that a packet which no rule touches is answered too.
   */
  async sights(burst: readonly Repeated[]): Promise<readonly (readonly string[])[]> {
    for (const { probe } of burst) await this.serve(probe.to, probe.port, probe.protocol)
    const sent = new Map(burst.map((one): [Repeated, Sent[]] => [one, []]))
    // By themselves and few at once: an answer that is late because much goes on shall not look like a drop.
    for (const isDropped of [false, true]) {
      const next = burst
        .filter((one) => (one.isDropped ?? false) === isDropped)
        .flatMap((one) => Array.from({ length: one.count }, () => one))
        .values()
      const sendSome = async (): Promise<void> => {
        for (const one of next) sent.get(one)?.push(await this.#send(one.probe, isDropped ? silenceMs : patienceMs))
      }
      await Promise.all(Array.from({ length: mostAtOnce }, sendSome))
    }
    return burst.map((one) => this.#sightsOf(sent.get(one) ?? [], one.probe))
  }

  /** The node has these addresses beside its own, on a link that is deleted to take them away. */
  async bind(addresses: readonly string[]): Promise<void> {
    const { route } = this.#lab.node
    const link = this.#family === 'IPv4' ? 'bound4' : 'bound6'
    if (this.#bound.length > 0) await deleteLink(route, link)
    this.#bound = addresses
    if (addresses.length === 0) return
    await createVethPair(route, { name: link, peer: { name: `${link}-peer` } })
    await setLinkUp(route, link)
    for (const address of addresses) {
      await addAddress(route, link, `${address}/${this.#family === 'IPv4' ? 32 : 128}`)
    }
  }

  /** Somebody answers at an address of the lab. */
  async serve(address: string, port: number, protocol: Probe['protocol']): Promise<void> {
    if (protocol === 'sctp') return
    const host = this.#hostOf(address)
    const key = `${host.name} ${address} ${port} ${protocol}`
    const server = this.#servers.get(key) ?? listen(host, protocol, address, port)
    this.#servers.set(key, server)
    await server
  }

  /** All endpoints of a world answer. */
  async serveEndpoints({ services }: World): Promise<void> {
    for (const { ports, endpoints } of services) {
      for (const { targetPort, protocol } of ports) {
        const name = protocol === 'TCP' ? 'tcp' : protocol === 'UDP' ? 'udp' : 'sctp'
        await Promise.all(endpoints.map(({ address }) => this.serve(address, targetPort, name)))
      }
    }
  }

  /** The table as it is in the kernel. Throws NetlinkError. */
  read(): Promise<TableContents | undefined> {
    return readTable(this.#connection, tableOf(this.#family))
  }

  close(): void {
    this.#connection.close()
  }

  /** One new connection, from a port that this node has not used for long. */
  async #send(probe: Probe, timeoutMs: number, attemptsLeft = 3): Promise<Sent> {
    const { from, to, port, protocol } = probe
    if (protocol === 'sctp') throw new RangeError('Node.js has no SCTP sockets')
    const sourcePort = this.#nextPort()
    const flow = { source: from, sourcePort, destination: to, port, protocol, timeoutMs }
    try {
      return { sourcePort, outcome: await sendFrom(this.#hostOf(from), flow) }
    } catch (error) {
      // A connection that was dropped goes on asking for two minutes, and keeps its port for that destination.
      const isTaken = error instanceof HostError && error.errno === 'EADDRNOTAVAIL'
      if (!isTaken || attemptsLeft === 1) throw error
      return this.#send(probe, timeoutMs, attemptsLeft - 1)
    }
  }

  #sightsOf(sent: readonly Sent[], { from }: Probe): readonly string[] {
    const answers = Map.groupBy(sent, ({ outcome }) =>
      outcome.outcome === 'answered' ? `${outcome.endpoint.address} ${outcome.endpoint.port}` : outcome.outcome,
    )
    return [...answers].flatMap(([, ofOne]) => [...new Set(ofOne.map((one) => this.#sightOf(one, ofOne, from)))]).sort()
  }

  #sightOf({ outcome }: Sent, ofEndpoint: readonly Sent[], from: string): string {
    if (outcome.outcome !== 'answered') return verdicts[outcome.outcome] ?? outcome.outcome
    const { endpoint, peer } = outcome
    const isNodeItself = from === this.#plan.node
    // The node's own address tells nothing. Then it is the ports, of which masquerading draws new ones; now and then it
    // draws the same, and without it a port changes that a masqueraded connection to the endpoint has already.
    const isMasqueraded = isNodeItself ? hasMostlyOtherPorts(ofEndpoint) : peer.address !== from
    const sight = sightOf(endpoint.address, endpoint.port, isMasqueraded)
    return [from, this.#plan.node].includes(peer.address) ? sight : `${sight}, as ${peer.address}`
  }

  #hostOf(address: string) {
    return this.#bound.includes(address) ? this.#lab.node : this.#lab.hostOf(address)
  }

  #nextPort(): number {
    this.#lastPort = this.#lastPort === lastPort ? firstPort : this.#lastPort + 1
    return this.#lastPort
  }
}

/** A packet to be sent more than once. One that is to be dropped is not waited for long. */
export type Repeated = { readonly probe: Probe; readonly count: number; readonly isDropped?: boolean }

/**
 * How many connections it takes to see all of so many endpoints, and one more that should not be there, but for a chance
 * of one in a hundred million.
 */
export function enoughConnections(endpoints: number): number {
  const possible = endpoints + 1
  return Math.ceil(Math.log(1e-8 / possible) / Math.log(1 - 1 / possible))
}

/** What a client met, and the port that it sent from. */
type Sent = { readonly sourcePort: number; readonly outcome: Outcome }

/** Silence for so long is a drop. */
const silenceMs = 250
/** Whoever is to be answered is given more time. */
const patienceMs = 3000
const mostAtOnce = 32

/** Below the ports that the system gives to clients itself. */
const firstPort = 20_000
const lastPort = 31_999

const verdicts: Readonly<Partial<Record<Outcome['outcome'], string>>> = { refused: 'rejected', timeout: 'dropped' }

function hasMostlyOtherPorts(sent: readonly Sent[]): boolean {
  const others = sent.filter(
    ({ outcome, sourcePort }) => outcome.outcome === 'answered' && outcome.peer.port !== sourcePort,
  )
  return others.length > sent.length / 2
}

function isSameObject({ kind, metadata: a }: KubeObject, { kind: otherKind, metadata: b }: KubeObject): boolean {
  return kind === otherKind && a.namespace === b.namespace && a.name === b.name
}
