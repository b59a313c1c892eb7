import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { formatWarning } from '../../src/kube/types.ts'
import type { Service, ServiceSpec } from '../../src/kube/types.ts'
import type { Family } from '../../src/model/ip.ts'
import {
  displayAddress,
  displayName,
  fastpathAnnotation,
  isExternallyAccessible,
  serviceKeyOf,
  servicePorts,
  usesClusterEndpoints,
  usesLocalEndpoints,
} from '../../src/model/service-port.ts'
import type { ServicePort } from '../../src/model/service-port.ts'
import { dualStackService, ip, metadata, service, servicePort } from './fixtures.ts'

function only(object: Service, family: Family = 'IPv4'): ServicePort {
  const { ports, warnings } = servicePorts(object, family)
  assert.deepEqual(warnings, [])
  assert.equal(ports.length, 1)
  const [port] = ports
  assert.ok(port)
  return port
}

function warnings(object: Service, family: Family = 'IPv4'): string[] {
  return servicePorts(object, family).warnings.map(formatWarning)
}

describe('which Services have ports', () => {
  const cases: [string, Partial<ServiceSpec>, Family, number][] = [
    ['a Service with a cluster IP has its ports', {}, 'IPv4', 1],
    ['a Service with an empty cluster IP has none', { clusterIP: '', clusterIPs: [] }, 'IPv4', 0],
    ['a headless Service has none', { clusterIP: 'None', clusterIPs: ['None'] }, 'IPv4', 0],
    ['an ExternalName Service has none even with a cluster IP', { type: 'ExternalName' }, 'IPv4', 0],
    ['a Service without a cluster IP of the family has none', {}, 'IPv6', 0],
    ['a Service with an empty list of ports has none', { ports: [] }, 'IPv4', 0],
    ['a family whose place is beyond the cluster IPs has none', { ipFamilies: ['IPv4', 'IPv6'] }, 'IPv6', 0],
    ['without ipFamilies the cluster IP tells the family', { ipFamilies: [] }, 'IPv4', 1],
    ['without ipFamilies there is nothing for the other family', { ipFamilies: [] }, 'IPv6', 0],
  ]
  for (const [title, spec, family, count] of cases) {
    test(title, () => {
      const { ports, warnings } = servicePorts(service(spec), family)
      assert.equal(ports.length, count)
      assert.deepEqual(warnings, [])
    })
  }

  test('the cluster IP is the one at the place of the family', () => {
    const clusterIPs = ['fd00:172:30::41', '172.30.0.41']
    const object = service({ clusterIPs, ipFamilies: ['IPv6', 'IPv4'] })
    assert.equal(only(object, 'IPv4').clusterIp, '172.30.0.41')
    assert.equal(only(object, 'IPv6').clusterIp, 'fd00:172:30::41')
  })

  test('a malformed cluster IP, or one of the other family, leaves the family without ports and is reported', () => {
    const malformed = service({ clusterIP: '172.30.0', clusterIPs: ['172.30.0'] })
    assert.deepEqual(servicePorts(malformed, 'IPv4').ports, [])
    assert.deepEqual(warnings(malformed), ['Service shop/cart: spec.clusterIPs[0]: "172.30.0" is not an IPv4 address'])
    const swapped = dualStackService({ ipFamilies: ['IPv6', 'IPv4'] })
    assert.deepEqual(warnings(swapped, 'IPv4'), [
      'Service shop/cart: spec.clusterIPs[1]: "fd00:172:30::41" is not an IPv4 address',
    ])
  })
})

describe('the attributes of a service port', () => {
  test('come from the Service, canonical and in lower case', () => {
    const object = service(
      {
        clusterIPs: ['172.30.0.041'],
        ports: [{ name: 'dns', protocol: 'UDP', port: 53, nodePort: 30053 }],
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } },
        internalTrafficPolicy: 'Local',
      },
      { creationTimestamp: '2024-05-01T10:00:00Z' },
    )
    assert.deepEqual(only(object), {
      namespace: 'shop',
      name: 'cart',
      portName: 'dns',
      protocol: 'udp',
      clusterIp: '172.30.0.41',
      port: 53,
      nodePort: 30053,
      externalIps: [],
      loadBalancerIps: [],
      sourceRanges: [],
      affinityTimeoutSeconds: 600,
      internalPolicyLocal: true,
      externalPolicyLocal: false,
      usesFastpath: true,
      healthCheckNodePort: 0,
      creationTimestamp: '2024-05-01T10:00:00Z',
    })
  })

  for (const [value, usesFastpath, problems] of [
    ['on', true, []],
    ['off', false, []],
    ['Off', true, ['"Off" is neither on nor off']],
    ['', true, ['"" is neither on nor off']],
  ] as const) {
    test(`all ports have the fast path ${usesFastpath ? 'on' : 'off'} when the annotation is "${value}"`, () => {
      const object = service(
        {
          ports: [
            { name: 'http', port: 80 },
            { name: 'https', port: 443 },
          ],
        },
        { annotations: { [fastpathAnnotation]: value } },
      )
      const { ports, warnings } = servicePorts(object, 'IPv4')
      assert.deepEqual(
        ports.map((port) => port.usesFastpath),
        [usesFastpath, usesFastpath],
      )
      assert.deepEqual(
        warnings.map(formatWarning),
        problems.map((problem) => `Service shop/cart: metadata.annotations[flowproxy.dev/fastpath]: ${problem}`),
      )
    })
  }

  test('a bad annotation of a dual-stack Service is reported once', () => {
    const object = { ...dualStackService(), metadata: metadata({ annotations: { [fastpathAnnotation]: 'no' } }) }
    assert.deepEqual([warnings(object, 'IPv4').length, warnings(object, 'IPv6').length], [1, 0])
  })

  test('a port may have no name, no protocol and no node port', () => {
    const port = only(service({ ports: [{ port: 80 }] }))
    assert.deepEqual([port.portName, port.protocol, port.nodePort], ['', 'tcp', 0])
  })

  test('session affinity without a timeout lasts three hours, and is off without ClientIP', () => {
    assert.equal(only(service({ sessionAffinity: 'ClientIP' })).affinityTimeoutSeconds, 10_800)
    const sessionAffinityConfig = { clientIP: { timeoutSeconds: 60 } }
    assert.equal(only(service({ sessionAffinity: 'None', sessionAffinityConfig })).affinityTimeoutSeconds, 0)
  })

  test('external IPs are those of the family, canonical and each once', () => {
    const externalIPs = ['192.168.099.022', '', ' ', '2001:db8::1', '192.168.99.22', '192.0.2.7']
    assert.deepEqual(only(dualStackService({ externalIPs })).externalIps, ['192.168.99.22', '192.0.2.7'])
    assert.deepEqual(only(dualStackService({ externalIPs }), 'IPv6').externalIps, ['2001:db8::1'])
  })

  test('a malformed external IP is skipped and reported for one family only', () => {
    const object = dualStackService({ externalIPs: ['192.0.2.7', '1.2.3'] })
    assert.deepEqual(warnings(object), ['Service shop/cart: spec.externalIPs[1]: "1.2.3" is not an IP address'])
    assert.deepEqual(warnings(object, 'IPv6'), [])
    assert.deepEqual(servicePorts(object, 'IPv4').ports[0]?.externalIps, ['192.0.2.7'])
    const ipv6Only = service({ clusterIPs: ['fd00:172:30::41'], externalIPs: ['1.2.3'] })
    assert.deepEqual(warnings(ipv6Only, 'IPv6').length, 1)
  })

  test('load-balancer IPs are the ingress addresses of mode VIP, whatever the type of the Service', () => {
    const ingress = [
      { ip: '1.2.3.004' },
      { ip: '1.2.3.5', ipMode: 'VIP' },
      { ip: '1.2.3.6', ipMode: 'Proxy' },
      { ip: '2001:db8::1' },
      { ip: '' },
      {},
    ]
    const object = service({ type: 'NodePort' }, {}, { loadBalancer: { ingress } })
    assert.deepEqual(only(object).loadBalancerIps, ['1.2.3.4', '1.2.3.5'])
  })

  test('a malformed ingress address is reported', () => {
    const object = service({}, {}, { loadBalancer: { ingress: [{ ip: 'lb.example' }] } })
    assert.deepEqual(warnings(object), [
      'Service shop/cart: status.loadBalancer.ingress[0].ip: "lb.example" is not an IP address',
    ])
  })
})

describe('source ranges', () => {
  const cases: [string, string[], string[], string[]][] = [
    [
      'are split by family, in network form',
      [' 203.0.113.77/25', '2001:db8::1/64', '203.0.113.000/025'],
      ['203.0.113.0/25'],
      ['2001:db8::/64'],
    ],
    [
      'with a zero prefix lift the restriction of their family only',
      ['203.0.113.0/25', '1.2.3.4/0', 'fd00::/8'],
      [],
      ['fd00::/8'],
    ],
    ['with ::/0 lift the restriction of IPv6', ['203.0.113.0/25', '::/0'], ['203.0.113.0/25'], []],
    ['of the other family alone do not restrict', ['fd00::/8'], [], ['fd00::/8']],
    ['that are blank do not count', ['', '  '], [], []],
  ]
  for (const [title, ranges, ipv4, ipv6] of cases) {
    test(`source ranges ${title}`, () => {
      const object = dualStackService({ loadBalancerSourceRanges: ranges })
      assert.deepEqual(only(object, 'IPv4').sourceRanges, ipv4)
      assert.deepEqual(only(object, 'IPv6').sourceRanges, ipv6)
    })
  }

  test('malformed source ranges are dropped and reported, and do not restrict if none is left', () => {
    const object = service({ loadBalancerSourceRanges: ['203.0.113.0/33', 'x'] })
    assert.deepEqual(servicePorts(object, 'IPv4').ports[0]?.sourceRanges, [])
    assert.deepEqual(warnings(object), [
      'Service shop/cart: spec.loadBalancerSourceRanges[0]: "203.0.113.0/33" is not an IP address range',
      'Service shop/cart: spec.loadBalancerSourceRanges[1]: "x" is not an IP address range',
    ])
  })
})

describe('traffic policies', () => {
  const external: [string, Partial<ServiceSpec>, boolean][] = [
    ['counts on a NodePort Service', { type: 'NodePort' }, true],
    ['counts on a LoadBalancer Service', { type: 'LoadBalancer', healthCheckNodePort: 30000 }, true],
    ['counts on a ClusterIP Service with external IPs', { type: 'ClusterIP', externalIPs: ['192.0.2.7'] }, true],
    ['counts on a Service with external IPs of the other family only', { externalIPs: ['2001:db8::1'] }, true],
    ['does not count on a ClusterIP Service without external IPs', { type: 'ClusterIP' }, false],
    ['does not count when it is Cluster', { type: 'NodePort', externalTrafficPolicy: 'Cluster' }, false],
  ]
  for (const [title, spec, isLocal] of external) {
    test(`externalTrafficPolicy Local ${title}`, () => {
      assert.equal(only(service({ externalTrafficPolicy: 'Local', ...spec })).externalPolicyLocal, isLocal)
    })
  }

  test('internalTrafficPolicy is Cluster unless it is Local', () => {
    assert.equal(only(service()).internalPolicyLocal, false)
    assert.equal(only(service({ internalTrafficPolicy: 'Cluster' })).internalPolicyLocal, false)
    assert.equal(only(service({ internalTrafficPolicy: 'Local' })).internalPolicyLocal, true)
  })

  test('only a LoadBalancer Service with externalTrafficPolicy Local has a health check node port', () => {
    const port = (spec: Partial<ServiceSpec>): number =>
      only(service({ healthCheckNodePort: 30000, ...spec })).healthCheckNodePort
    assert.equal(port({ type: 'LoadBalancer', externalTrafficPolicy: 'Local' }), 30000)
    assert.equal(port({ type: 'LoadBalancer', externalTrafficPolicy: 'Cluster' }), 0)
    assert.equal(port({ type: 'NodePort', externalTrafficPolicy: 'Local' }), 0)
  })

  test('a missing health check node port is reported', () => {
    const object = service({ type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 0 })
    assert.equal(servicePorts(object, 'IPv4').ports[0]?.healthCheckNodePort, 0)
    assert.match(warnings(object).join(), /^Service shop\/cart: spec\.healthCheckNodePort: is missing/)
  })

  const predicates: [string, Partial<ServicePort>, [boolean, boolean, boolean]][] = [
    ['a plain port', {}, [false, true, false]],
    ['a node port', { nodePort: 30080 }, [true, true, false]],
    ['an external IP', { externalIps: [ip('192.0.2.7')] }, [true, true, false]],
    ['a load-balancer IP', { loadBalancerIps: [ip('192.0.2.8')] }, [true, true, false]],
    ['internal policy Local', { internalPolicyLocal: true }, [false, false, true]],
    ['internal policy Local with a node port', { internalPolicyLocal: true, nodePort: 30080 }, [true, true, true]],
    ['external policy Local without a way in', { externalPolicyLocal: true }, [false, true, false]],
    ['external policy Local with a node port', { externalPolicyLocal: true, nodePort: 30080 }, [true, true, true]],
  ]
  for (const [title, parts, expected] of predicates) {
    test(`${title} decides between external access, Cluster and Local endpoints`, () => {
      const port = servicePort(parts)
      assert.deepEqual([isExternallyAccessible(port), usesClusterEndpoints(port), usesLocalEndpoints(port)], expected)
    })
  }
})

test('a service port is shown with its name only if it has one, and its address with the protocol', () => {
  assert.equal(displayName(servicePort()), 'shop/cart:http')
  assert.equal(displayName(servicePort({ portName: '' })), 'shop/cart')
  assert.equal(displayAddress(servicePort()), '172.30.0.41:80/TCP')
  assert.equal(displayAddress(servicePort({ clusterIp: ip('fd00::1'), protocol: 'sctp' })), '[fd00::1]:80/SCTP')
  assert.equal(serviceKeyOf(servicePort()), 'shop/cart')
})
