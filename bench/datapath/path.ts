import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { addAddress } from '../../src/netlink/address.ts'
import { createVethPair, setLinkUp } from '../../src/netlink/link.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { addRoute } from '../../src/netlink/route.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import type { ClientOrder, ClientRound } from './client.ts'
import type { RulesetOrder } from './program-ruleset.ts'

/** All pods of the cluster are addresses of the server's loopback; the client has one as a pod has. */
const podAddresses = '100.64.0.1/15'
const [clientAddress, serverAddress, linkPrefix] = ['100.127.255.1', '100.127.255.2', 30]
const link = 'eth0'
const podPort = 8080

/**
 * A client and a server in network namespaces of their own, joined by a link; the client's has the rules of one proxy.
 *
 *   client 100.127.255.1 --- dnat of the cluster IP --- eth0 ===== eth0 100.127.255.2, 100.64.0.0/15, port 8080
 */
export class DataPath {
  readonly #namespaces: readonly NetworkNamespace[]
  readonly #client: ChildProcess
  readonly #server: ChildProcess
  readonly #clientGone: Promise<unknown>

  private constructor(namespaces: readonly NetworkNamespace[], client: ChildProcess, server: ChildProcess) {
    this.#namespaces = namespaces
    this.#client = client
    this.#server = server
    this.#clientGone = once(client, 'exit')
  }

  /** Undefined when the proxy did not program its rules in time. */
  static async create(order: RulesetOrder): Promise<DataPath | undefined> {
    const near = NetworkNamespace.create()
    const far = NetworkNamespace.create()
    await connect(near, far)
    const script = fileURLToPath(new URL('program-ruleset.ts', import.meta.url))
    const programming = near.run(() => {
      return spawn(process.execPath, [script, JSON.stringify(order)], { stdio: ['ignore', 'ignore', 'inherit'] })
    })
    const [status] = await once(programming, 'close')
    if (status !== 0) {
      for (const namespace of [near, far]) namespace.close()
      return undefined
    }
    near.run(() => forgetClosedConnections())
    const server = far.run(() => {
      const args = [fileURLToPath(new URL('server.ts', import.meta.url)), String(podPort)]
      return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    })
    await once(server.stdout, 'data')
    const client = near.run(() => fork(fileURLToPath(new URL('client.ts', import.meta.url))))
    return new DataPath([near, far], client, server)
  }

  get clientPid(): number {
    return this.#client.pid ?? 0
  }

  async round(order: ClientOrder): Promise<ClientRound> {
    const answered = once(this.#client, 'message')
    this.#client.send(order)
    const answer = await Promise.race([answered, this.#clientGone.then(() => undefined)])
    if (answer === undefined) throw new Error('the client could not connect')
    return answer[0] as ClientRound
  }

  async close(): Promise<void> {
    for (const child of [this.#client, this.#server]) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const closed = once(child, 'exit')
      child.kill('SIGKILL')
      await closed
    }
    for (const namespace of this.#namespaces) namespace.close()
  }
}

async function connect(near: NetworkNamespace, far: NetworkNamespace): Promise<void> {
  const nearLinks = near.run(() => new NetlinkSocket(NETLINK_ROUTE))
  const farLinks = far.run(() => new NetlinkSocket(NETLINK_ROUTE))
  await createVethPair(nearLinks, { name: link, peer: { name: link, namespaceFd: far.fd } })
  for (const links of [nearLinks, farLinks]) for (const name of ['lo', link]) await setLinkUp(links, name)
  await addAddress(nearLinks, link, `${clientAddress}/${linkPrefix}`)
  await addAddress(farLinks, link, `${serverAddress}/${linkPrefix}`)
  await addAddress(farLinks, 'lo', podAddresses)
  await addRoute(nearLinks, { destination: '0.0.0.0/0', gateway: serverAddress })
  for (const links of [nearLinks, farLinks]) links.close()
}

/** Else tens of thousands of them stay in the kernel's table for ten seconds, as many more as one side is quicker. */
function forgetClosedConnections(): void {
  writeFileSync('/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close', '1')
}
