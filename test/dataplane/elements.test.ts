import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { serviceCidrElements } from '../../src/dataplane/cluster-ips.ts'
import { addPortElements, type Placed } from '../../src/dataplane/elements.ts'
import { tableLayout } from '../../src/dataplane/layout.ts'
import { type EndpointSlice, fastpathAnnotation, type Service } from '../../src/kube/types.ts'
import type { Cidr } from '../../src/model/cidr.ts'
import { elementTexts } from '../../src/nft/render-element.ts'
import { endpoint, nodeName, service, servicePort, slice, sliceEndpoint } from '../model/fixtures.ts'
import { createProxy, dataplaneOptions } from '../sync/proxy.ts'

const setsOf = (family: 'IPv4' | 'IPv6') => tableLayout(dataplaneOptions({ family })).sets

/** `service-ips 172.30.0.41 . tcp . 80 : goto pick-tcp-2`, as nft prints elements. */
function lines(placed: readonly Placed[], family: 'IPv4' | 'IPv6' = 'IPv4'): string[] {
  return placed.flatMap(({ set: name, element }) => {
    const set = setsOf(family).find((set) => set.name === name)
    assert.ok(set !== undefined, `the table has a set ${name}`)
    return elementTexts(set, [element]).map((text) => `${name} ${text}`)
  })
}

describe('the elements of a cluster IP', () => {
  const endpoints = [sliceEndpoint('10.180.0.1'), sliceEndpoint('10.180.2.1')]
  const sctp = { name: 'sctp', protocol: 'SCTP', port: 132 } as const
  const dns6 = { name: 'dns', protocol: 'UDP', port: 53 } as const
  const cases: readonly [title: string, objects: readonly (Service | EndpointSlice)[], lines: readonly string[]][] = [
    [
      'lead to the chain for as many endpoints as there are slots',
      [service(), slice({ endpoints })],
      [
        'add cluster-ips 172.30.0.41',
        'add service-ips 172.30.0.41 . tcp . 80 comment "shop/cart:http" : goto pick-tcp-2',
        'add endpoints-tcp 172.30.0.41 . 80 . 0 : 10.180.0.1 . 8080',
        'add endpoints-tcp 172.30.0.41 . 80 . 1 : 10.180.2.1 . 8080',
      ],
    ],
    [
      'reject what nobody can serve',
      [service({ ports: [{ port: 80 }] })],
      [
        'add cluster-ips 172.30.0.41',
        'add no-endpoint-services 172.30.0.41 . tcp . 80 comment "shop/cart" : goto reject-chain',
      ],
    ],
    [
      'drop what must not leave the Node',
      [service({ ports: [sctp], internalTrafficPolicy: 'Local' }), slice({ ports: [sctp], endpoints })],
      [
        'add cluster-ips 172.30.0.41',
        'add no-endpoint-services 172.30.0.41 . sctp . 132 comment "shop/cart:sctp" : drop',
      ],
    ],
    [
      'have IPv6 addresses in the IPv6 table',
      [
        service({ ports: [dns6], clusterIPs: ['fd00:10:96::53'] }),
        slice({ ports: [dns6], addressType: 'IPv6', endpoints: [sliceEndpoint('fd00:10:180::1', { nodeName })] }),
      ],
      [
        'add cluster-ips fd00:10:96::53',
        'add hairpin-connections fd00:10:180::1 . fd00:10:180::1 . udp . 53',
        'add service-ips fd00:10:96::53 . udp . 53 comment "shop/cart:dns" : goto pick-udp-1',
        'add endpoints-udp fd00:10:96::53 . 53 . 0 : fd00:10:180::1 . 53',
      ],
    ],
  ]
  for (const [title, objects, lines] of cases) {
    test(title, async () => {
      const proxy = createProxy({ family: title.includes('IPv6') ? 'IPv6' : 'IPv4' })
      await proxy.sync()
      await proxy.sync(...objects)
      const added = proxy.lastLines().filter((line) => !/ (chain|rule) /.test(line))
      assert.deepEqual(added.toSorted(), lines.toSorted())
    })
  }
})

test('a Service that leaves the fast path goes to another chain, its endpoints stay where they are', async () => {
  const proxy = createProxy({ dataplane: { fastpath: { labelBit: 90 } } })
  await proxy.sync(service(), slice({ endpoints: [sliceEndpoint('10.180.0.1')] }))
  await proxy.sync(service({}, { annotations: { [fastpathAnnotation]: 'off' } }))
  assert.deepEqual(
    proxy.transactions.slice(-2).map((lines) => lines.map((line) => line.replace('ip kube-proxy ', ''))),
    [
      [
        'add chain pick-slowpath-tcp-1',
        'add rule pick-slowpath-tcp-1 dnat ip to ip daddr . tcp dport . numgen random mod 1 map @endpoints-tcp',
      ],
      [
        'delete service-ips 172.30.0.41 . tcp . 80 comment "shop/cart:http" : goto pick-tcp-1',
        'add service-ips 172.30.0.41 . tcp . 80 comment "shop/cart:http" : goto pick-slowpath-tcp-1',
      ],
    ],
  )
  await proxy.sync(service())
  assert.ok(proxy.lastLines().at(-1)?.endsWith(': goto pick-tcp-1'))
})

test('a service port has its cluster IP, and a hairpin connection for each of its local endpoints', () => {
  const localEndpoints = [endpoint('10.180.0.1', { port: 8080 }), endpoint('10.180.0.2', { port: 8080 })]
  const placed: Placed[] = []
  addPortElements({ servicePort: servicePort({ protocol: 'udp' }), frontends: [], localEndpoints }, placed)
  assert.deepEqual(lines(placed), [
    'cluster-ips 172.30.0.41',
    'hairpin-connections 10.180.0.1 . 10.180.0.1 . udp . 8080',
    'hairpin-connections 10.180.0.2 . 10.180.0.2 . udp . 8080',
  ])
})

describe('the ranges of cluster IPs', () => {
  const cases: readonly [cidrs: readonly string[], texts: readonly string[]][] = [
    [[], []],
    [['172.30.0.0/16'], ['172.30.0.0/16']],
    [
      ['10.96.0.0/16', '10.97.0.0/16'],
      ['10.96.0.0/16', '10.97.0.0/16'],
    ],
    [['172.30.0.41/32'], ['172.30.0.41']],
    [['0.0.0.0/0'], ['0.0.0.0/0']],
    [['255.255.0.0/16'], ['255.255.0.0/16']],
    [['fd00:10:96::/112'], ['fd00:10:96::/112']],
  ]
  for (const [cidrs, texts] of cases) {
    test(`hold ${cidrs.join(' and ') || 'nothing when none is known'}`, () => {
      const set = setsOf(cidrs[0]?.includes(':') === true ? 'IPv6' : 'IPv4').find(
        ({ name }) => name === 'service-cidrs',
      )
      assert.ok(set !== undefined)
      assert.deepEqual(elementTexts(set, serviceCidrElements(cidrs as Cidr[])), texts)
    })
  }
})
