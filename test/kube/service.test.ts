import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeObject } from '../../src/kube/decode.ts'
import { formatWarning } from '../../src/kube/types.ts'
import type { Service } from '../../src/kube/types.ts'
import { rawService } from './fixtures.ts'
import type { Raw } from './fixtures.ts'

function decode(raw: Raw): { object: Service; warnings: string[] } {
  const { object, warnings } = decodeObject(raw)
  assert.ok(object?.kind === 'Service')
  return { object, warnings: warnings.map(formatWarning) }
}

/** The spec of a Service with nothing wrong. */
function spec(parts: Raw): Service['spec'] {
  const { object, warnings } = decode(rawService(parts))
  assert.deepEqual(warnings, [])
  return object.spec
}

test('a Service as the API server sends it keeps what we read, and nothing else', () => {
  const raw = rawService({
    type: 'LoadBalancer',
    clusterIPs: ['172.30.0.41', 'fd00:172:30::41'],
    ipFamilies: ['IPv4', 'IPv6'],
    ipFamilyPolicy: 'RequireDualStack',
    selector: { app: 'cart' },
    ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 8080, nodePort: 30080, appProtocol: 'http' }],
    externalIPs: ['192.0.2.7'],
    loadBalancerIP: '192.0.2.9',
    loadBalancerSourceRanges: ['203.0.113.0/25'],
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } },
    internalTrafficPolicy: 'Local',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: 30000,
    trafficDistribution: 'PreferClose',
  })
  const ingress = [{ ip: '192.0.2.8', ipMode: 'VIP', ports: [] }, { hostname: 'lb.example' }]
  const { object, warnings } = decode({ ...raw, status: { loadBalancer: { ingress } } })
  assert.deepEqual(warnings, [])
  assert.deepEqual(JSON.parse(JSON.stringify(object)), {
    kind: 'Service',
    metadata: { namespace: 'shop', name: 'cart' },
    spec: {
      type: 'LoadBalancer',
      clusterIP: '172.30.0.41',
      clusterIPs: ['172.30.0.41', 'fd00:172:30::41'],
      ipFamilies: ['IPv4', 'IPv6'],
      ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }],
      externalIPs: ['192.0.2.7'],
      loadBalancerSourceRanges: ['203.0.113.0/25'],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } },
      internalTrafficPolicy: 'Local',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 30000,
    },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.8', ipMode: 'VIP' }, {}] } },
  })
})

describe('defaults', () => {
  test('are those of the API server', () => {
    const { type, ports, sessionAffinity, internalTrafficPolicy } = spec({ ports: [{ port: 80 }] })
    assert.deepEqual([type, sessionAffinity, internalTrafficPolicy], ['ClusterIP', 'None', 'Cluster'])
    assert.deepEqual(ports, [{ name: '', protocol: 'TCP', port: 80, nodePort: 0 }])
  })

  test('of session affinity are three hours', () => {
    const seconds = (parts: Raw): unknown => spec(parts).sessionAffinityConfig?.clientIP?.timeoutSeconds
    assert.equal(seconds({ sessionAffinity: 'ClientIP' }), 10_800)
    assert.equal(seconds({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: {} } }), 10_800)
    assert.equal(seconds({ sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } } }), undefined)
  })

  const families: [Raw, readonly string[], readonly string[]][] = [
    [{ clusterIP: '172.30.0.41' }, ['172.30.0.41'], ['IPv4']],
    [{ clusterIP: 'fd00:172:30::41' }, ['fd00:172:30::41'], ['IPv6']],
    [{ clusterIP: undefined, clusterIPs: ['fd00::1', '172.30.0.1'] }, ['fd00::1', '172.30.0.1'], ['IPv6', 'IPv4']],
    [{ clusterIP: 'None' }, ['None'], []],
    [{ clusterIP: '' }, [], []],
    [{ clusterIP: undefined }, [], []],
    [{ clusterIP: undefined, ipFamilies: ['IPv6'] }, [], ['IPv6']],
  ]
  for (const [parts, clusterIPs, ipFamilies] of families) {
    test(`of the families follow from the cluster IPs in ${JSON.stringify(parts)}`, () => {
      const decoded = spec(parts)
      assert.deepEqual(decoded.clusterIPs, clusterIPs)
      assert.deepEqual(decoded.ipFamilies, ipFamilies)
      assert.equal(decoded.clusterIP, clusterIPs[0] ?? '')
    })
  }
})

describe('a bad port', () => {
  const bad: [unknown, string][] = [
    [{ port: 0 }, 'port: 0 is not a whole number from 1 to 65535'],
    [{ port: 65_536 }, 'port: 65536 is not a whole number from 1 to 65535'],
    [{ port: 80.5 }, 'port: 80.5 is not a whole number from 1 to 65535'],
    [{ port: '80' }, 'port: "80" is not a whole number from 1 to 65535'],
    [{ name: 'http' }, 'port: is missing'],
    [{ port: 80, nodePort: -1 }, 'nodePort: -1 is not a whole number from 0 to 65535'],
    [{ port: 80, nodePort: 70_000 }, 'nodePort: 70000 is not a whole number from 0 to 65535'],
    [{ port: 80, protocol: 'tcp' }, 'protocol: "tcp" is not one of TCP, UDP, SCTP'],
    [{ port: 80, protocol: 6 }, 'protocol: 6 is not one of TCP, UDP, SCTP'],
    [{ port: 80, name: 'HTTP' }, 'name: "HTTP" is not a DNS label'],
    [{ port: 80, name: 80 }, 'name: 80 is not a DNS label'],
  ]
  for (const [port, message] of bad) {
    test(`${JSON.stringify(port)} is dropped with a warning, and the others stay`, () => {
      const { object, warnings } = decode(rawService({ ports: [port, { name: 'https', port: 443 }] }))
      assert.deepEqual(warnings, [`Service shop/cart: spec.ports[0].${message}`])
      assert.deepEqual(
        object.spec.ports?.map(({ port }) => port),
        [443],
      )
    })
  }

  for (const port of [null, 80, 'http', []]) {
    test(`${JSON.stringify(port)} is dropped with a warning`, () => {
      const { object, warnings } = decode(rawService({ ports: [port] }))
      assert.match(warnings.join(), /^Service shop\/cart: spec\.ports\[0\]: .* is not an object$/)
      assert.deepEqual(object.spec.ports, [])
    })
  }

  test('is one that has the name and protocol, or the number and protocol, of an earlier one', () => {
    const ports = [
      { name: 'dns', protocol: 'UDP', port: 53 },
      { name: 'dns', protocol: 'TCP', port: 53 },
      { name: 'dns', protocol: 'UDP', port: 54 },
      { name: 'more', protocol: 'UDP', port: 53 },
      { name: 'more', protocol: 'UDP', port: 55 },
    ]
    const { object, warnings } = decode(rawService({ ports }))
    assert.deepEqual(
      object.spec.ports?.map(({ port, protocol }) => `${port}/${protocol}`),
      ['53/UDP', '53/TCP', '55/UDP'],
    )
    assert.deepEqual(warnings, [
      'Service shop/cart: spec.ports[2].name: another UDP port of the Service has the name "dns"',
      'Service shop/cart: spec.ports[3].port: another port of the Service is 53/UDP',
    ])
  })
})

describe('a field of the wrong type', () => {
  const wrong: [Raw, string][] = [
    [{ ports: {} }, 'spec.ports: {} is not an array'],
    [{ type: 'Internal' }, 'spec.type: "Internal" is not one of ClusterIP, NodePort, LoadBalancer, ExternalName'],
    [{ clusterIP: 7 }, 'spec.clusterIP: 7 is not a string'],
    [{ externalIPs: '192.0.2.7' }, 'spec.externalIPs: "192.0.2.7" is not an array'],
    [{ externalIPs: ['192.0.2.7', 7] }, 'spec.externalIPs[1]: 7 is not a string'],
    [{ ipFamilies: ['IPv5'] }, 'spec.ipFamilies: ["IPv5"] has a word other than IPv4, IPv6'],
    [{ internalTrafficPolicy: 'local' }, 'spec.internalTrafficPolicy: "local" is not one of Cluster, Local'],
    [{ healthCheckNodePort: 'x' }, 'spec.healthCheckNodePort: "x" is not a whole number from 0 to 65535'],
    [
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } } },
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: 0 is not a whole number from 1 to 86400',
    ],
  ]
  for (const [parts, message] of wrong) {
    test(`is left out with a warning: ${message}`, () => {
      assert.deepEqual(decode(rawService(parts)).warnings, [`Service shop/cart: ${message}`])
    })
  }

  test('of the families leaves them to the cluster IPs', () => {
    assert.deepEqual(decode(rawService({ ipFamilies: ['IPv5'] })).object.spec.ipFamilies, ['IPv4'])
  })

  test('is named once when it is the spec or the status', () => {
    assert.deepEqual(decode({ ...rawService(), spec: 7 }).warnings, ['Service shop/cart: spec: 7 is not an object'])
    assert.deepEqual(decode({ ...rawService(), spec: null }).warnings, ['Service shop/cart: spec: is missing'])
    const status = { loadBalancer: { ingress: [{ ip: 7 }] } }
    assert.deepEqual(decode({ ...rawService(), status }).warnings, [
      'Service shop/cart: status.loadBalancer.ingress[0].ip: 7 is not a string',
    ])
  })
})
