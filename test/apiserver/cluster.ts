/*
 * A cluster of one node for the agent: the hosts of the lab, and etcd and an API server on the node. The test process
 * itself moves to the node, where it reaches all servers as it would on a real one.
 */
import { readFileSync } from 'node:fs'
import { CLONE_NEWNET, syscall } from '../../src/netlink/syscalls.ts'
import type { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { ipv4 as plan, ipv6 } from '../lab/addresses.ts'
import type { ApiClient } from '../lab/api-client.ts'
import { type ClusterLab, createClusterLab, type Flow } from '../lab/cluster.ts'
import { ControlPlane } from '../lab/control-plane.ts'
import { eventually } from '../lab/eventually.ts'
import { node, proxyAccount, serviceAccount } from './objects.ts'
import { kubeadmConfiguration, kubeadmKubeconfig, nodeName, Pod, type PodFiles } from './pod.ts'

/** A running cluster, in which the account kube-system/kube-proxy exists but may do nothing yet. */
export class Cluster {
  readonly lab: ClusterLab
  readonly plane: ControlPlane
  /** The administrator's. */
  readonly api: ApiClient

  private constructor(lab: ClusterLab, plane: ControlPlane) {
    this.lab = lab
    this.plane = plane
    this.api = plane.api
  }

  /** Endpoints answer on port 8080 of all protocols that the lab has. */
  static async start(): Promise<Cluster> {
    const lab = await createClusterLab()
    moveTo(lab.node.namespace)
    await Promise.all([lab.serve('tcp', 8080), lab.serve('udp', 8080)])
    const plane = await ControlPlane.start({ address: plan.node, serviceCidrs: [plan.serviceCidr, ipv6.serviceCidr] })
    await plane.api.create(node(nodeName, [plan.node, ipv6.node]), serviceAccount)
    return new Cluster(lab, plane)
  }

  /** A pod as kubeadm deploys it, in mode nftables. */
  async pod(): Promise<Pod> {
    return Pod.create({
      config: { 'config.conf': kubeadmConfiguration, 'kubeconfig.conf': kubeadmKubeconfig(this.plane) },
      account: await this.accountFiles(),
    })
  }

  /** What the kubelet puts into /var/run/secrets/kubernetes.io/serviceaccount, with a token made now. */
  async accountFiles(account = proxyAccount): Promise<PodFiles['account']> {
    return {
      token: await this.api.token(account),
      'ca.crt': readFileSync(this.plane.authority.certFile, 'utf8'),
      namespace: account.namespace,
    }
  }

  /** Waits until the proxy that runs on the node, ours or not, has programmed both families. */
  async untilProgrammed(): Promise<void> {
    let programmed: readonly string[] = []
    await eventually(
      async () => {
        const metrics = await textAt('http://127.0.0.1:10249/metrics')
        programmed = metrics.split('\n').filter((line) => line.startsWith(`${syncedAt}{`))
        return programmed.length === 2 || undefined
      },
      () => `two programmed families; programmed are ${JSON.stringify(programmed)}`,
    )
  }

  /** How a flow ends: the address of the endpoint that answered, or `refused`, `timeout` and the like. */
  async reach(flow: Partial<Flow> & { readonly destination: string }): Promise<string> {
    const outcome = await this.lab.send({ source: plan.pod, port: 80, ...flow })
    return outcome.outcome === 'answered' ? outcome.endpoint.address : outcome.outcome
  }

  /** Waits until a flow ends like that. */
  async untilReach(flow: Partial<Flow> & { readonly destination: string }, wanted: string): Promise<void> {
    let last = ''
    await eventually(
      async () => (last = await this.reach({ timeoutMs: 100, ...flow })) === wanted || undefined,
      () => `${flow.destination} to give "${wanted}", the last was "${last}"`,
    )
  }

  async close(): Promise<void> {
    await this.plane.close()
    await this.lab.close()
  }
}

/** The metric that a family has from its first successful sync on. */
const syncedAt = 'kubeproxy_sync_proxy_rules_last_timestamp_seconds'

/** A page's text; empty while nobody serves it. */
async function textAt(url: string): Promise<string> {
  try {
    return await (await fetch(url)).text()
  } catch {
    return ''
  }
}

/** This thread, and all that it opens or starts from now on, belongs to the namespace. */
function moveTo(namespace: NetworkNamespace): void {
  syscall('setns', namespace.fd, CLONE_NEWNET)
}
