import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Outcome, Protocol } from '../../src/demo/host-operations.ts'
import { families } from './addresses.ts'
import { type ClusterLab, createClusterLab, type Flow } from './cluster.ts'
import { runInNamespace } from './program.ts'
import { needs, root, tool } from './requirements.ts'

/** Who answered, and which source it saw. */
function summary(outcome: Outcome): string {
  if (outcome.outcome !== 'answered') return outcome.outcome
  return `${outcome.endpoint.address} saw ${outcome.peer.address}`
}

describe('the cluster lab', needs(root, tool('nft')), () => {
  let lab: ClusterLab

  before(async () => {
    lab = await createClusterLab()
    await Promise.all([lab.serve('tcp', 80), lab.serve('udp', 80)])
  })

  after(() => lab.close())

  for (const [family, plan] of Object.entries(families)) {
    const [hairpin, other] = plan.localEndpoints
    const [remote] = plan.remoteEndpoints
    const [clusterIp, refused, dropped] = plan.clusterIps

    /** Rules as a service proxy would write them, by hand and for three cluster IPs. */
    const rules = (protocol: Protocol) => {
      const ip = family === 'ipv4' ? 'ip' : 'ip6'
      return `
        table ${ip} lab
        delete table ${ip} lab
        table ${ip} lab {
          chain filter-forward { type filter hook forward priority -110
            ${ip} daddr ${refused} reject
            ${ip} daddr ${dropped} drop
          }
          chain filter-output { type filter hook output priority -110
            ${ip} daddr ${refused} reject
            ${ip} daddr ${dropped} drop
          }
          chain services {
            ${ip} daddr ${clusterIp} ${protocol} dport 8080 dnat to ${family === 'ipv4' ? remote : `[${remote}]`}:80
            ${ip} daddr ${clusterIp} ${protocol} dport 80 dnat to ${hairpin}
          }
          chain nat-prerouting { type nat hook prerouting priority -100; jump services; }
          chain nat-output { type nat hook output priority -100; jump services; }
          chain nat-postrouting { type nat hook postrouting priority 100
            ct status dnat ${ip} saddr != ${plan.podCidr} masquerade
            ct status dnat ${ip} saddr ${hairpin} ${ip} daddr ${hairpin} masquerade
          }
        }`
    }

    for (const protocol of ['tcp', 'udp'] as const) {
      describe(`${protocol} over ${family}`, () => {
        before(() => {
          const { status, stderr } = runInNamespace(lab.node.namespace, 'nft', ['-f', '-'], rules(protocol))
          assert.equal(status, 0, stderr)
        })

        const cases: [title: string, flow: Flow, expected: string][] = [
          [
            'a pod reaches a pod of its node',
            { source: plan.pod, destination: other, port: 80 },
            `${other} saw ${plan.pod}`,
          ],
          [
            'a pod of the node reaches another one',
            { source: other, destination: hairpin, port: 80 },
            `${hairpin} saw ${other}`,
          ],
          [
            'a cluster IP leads a pod to a local endpoint',
            { source: plan.pod, destination: clusterIp, port: 80 },
            `${hairpin} saw ${plan.pod}`,
          ],
          [
            'a cluster IP leads a pod to a remote endpoint',
            { source: plan.pod, destination: clusterIp, port: 8080 },
            `${remote} saw ${plan.pod}`,
          ],
          [
            'a masqueraded client outside is seen as the node',
            { source: plan.outsideClient, destination: clusterIp, port: 80 },
            `${hairpin} saw ${plan.node}`,
          ],
          [
            'the other client outside sends from its own address',
            { source: plan.blockedClient, destination: hairpin, port: 80 },
            `${hairpin} saw ${plan.blockedClient}`,
          ],
          [
            'the node reaches a cluster IP',
            { source: plan.node, destination: clusterIp, port: 80 },
            `${hairpin} saw ${plan.node}`,
          ],
          [
            'an endpoint reaches itself through the cluster IP',
            { source: hairpin, destination: clusterIp, port: 80 },
            `${hairpin} saw ${plan.node}`,
          ],
          ['a rejected flow is refused', { source: plan.pod, destination: refused, port: 80 }, 'refused'],
          ['a rejected flow of the node is refused', { source: plan.node, destination: refused, port: 80 }, 'refused'],
          ['a dropped flow is silence', { source: plan.pod, destination: dropped, port: 80 }, 'timeout'],
          ['a dropped flow of the node is silence', { source: plan.node, destination: dropped, port: 80 }, 'timeout'],
        ]
        for (const [title, flow, expected] of cases) {
          test(title, async () => {
            assert.equal(summary(await lab.send({ ...flow, protocol })), expected)
          })
        }
      })
    }
  }
})
