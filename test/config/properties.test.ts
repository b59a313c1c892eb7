import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { parseDocument, stringify } from 'yaml'
import { readConfiguration, toYaml } from '../../src/config/configuration-file.ts'
import { ConfigError } from '../../src/config/errors.ts'
import { toApiObject } from '../../src/config/kube-proxy-configuration.ts'
import { runFlags, attributeOf } from '../../src/config/run-flag-table.ts'
import { fileText, kubeadmText, load } from './configurations.ts'

/** What people write by mistake, and what nobody writes. */
const anyValue = fc.oneof(
  fc.constantFrom<unknown>(
    '',
    'primary',
    '10.0.0.0/8',
    '::',
    '[::]:80',
    '1s',
    '-1h',
    '0',
    'nftables',
    'NodeCIDR',
    [],
    {},
    null,
  ),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.string(),
  fc.jsonValue({ maxDepth: 3 }),
)

const ms = fc.oneof(
  fc.constant('1s'),
  fc.integer({ min: 1, max: 1e12 }).map((ns) => `${ns}ns`),
)
const cidr4 = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([ip, length]) => `${ip}/${length}`)
const cidr6 = fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })).map(([ip, length]) => `${ip}/${length}`)
const maybe = { requiredKeys: [] }

/** Files that are valid, with any fields left out. */
const validFile = fc.record(
  {
    featureGates: fc.record({ ComponentFlagz: fc.boolean(), AllAlpha: fc.boolean() }, maybe),
    clientConnection: fc.record(
      { kubeconfig: fc.string(), qps: fc.double({ noNaN: true, noDefaultInfinity: true }), burst: fc.nat() },
      maybe,
    ),
    logging: fc.record(
      {
        format: fc.constant('text'),
        flushFrequency: fc.oneof(ms, fc.nat()),
        verbosity: fc.nat(),
        vmodule: fc.array(fc.record({ filePattern: fc.stringMatching(/^[a-z*]+$/), verbosity: fc.nat() })),
      },
      maybe,
    ),
    hostnameOverride: fc.stringMatching(/^[a-zA-Z0-9.-]{1,20}$/),
    bindAddress: fc.oneof(fc.ipV4(), fc.ipV6()),
    healthzBindAddress: fc.oneof(
      fc.ipV4(),
      fc.ipV6().map((ip) => `[${ip}]:99`),
    ),
    mode: fc.constantFrom('', 'nftables'),
    iptables: fc.record({ masqueradeBit: fc.nat(31), localhostNodePorts: fc.boolean(), syncPeriod: ms }, maybe),
    nftables: fc.record(
      {
        masqueradeBit: fc.nat(31),
        masqueradeAll: fc.boolean(),
        minSyncPeriod: fc.constantFrom('0s', '1ms', '5s'),
        fastpathPacketThreshold: fc.nat(),
        fastpathInterfaces: fc.array(fc.constantFrom('eth0', 'ens?', 'veth[0-9]*', '!docker0')),
        fastpathResetTCP: fc.boolean(),
      },
      maybe,
    ),
    ipvs: fc.record({ excludeCIDRs: fc.array(cidr4), scheduler: fc.string(), tcpTimeout: ms }, maybe),
    winkernel: fc.record({ networkName: fc.string(), enableDSR: fc.boolean() }, maybe),
    clusterCIDR: fc.oneof(
      cidr4,
      fc.tuple(cidr4, fc.constant('fd00::/64')).map((pair) => pair.join(',')),
    ),
    nodePortAddresses: fc.oneof(
      fc.constant(['primary']),
      fc.array(
        fc.oneof(
          cidr4,
          cidr6.filter((cidr) => !cidr.includes('.')),
        ),
      ),
    ),
    oomScoreAdj: fc.integer({ min: -1000, max: 1000 }),
    conntrack: fc.record({ maxPerCore: fc.nat(), min: fc.nat(), udpTimeout: ms, tcpBeLiberal: fc.boolean() }, maybe),
    configSyncPeriod: ms,
    portRange: fc.string(),
  },
  maybe,
)

/** All paths of a file, also those of sections. */
function pathsOf(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([name, below]) => pathsOf(below, [...path, name]))]
}

const kubeadmPaths = pathsOf(parseDocument(kubeadmText).toJS()).slice(1)

/** A Config, or a ConfigError that names a flag or a field; anything else is thrown on. */
function tryLoad(flags: Parameters<typeof load>[0], text?: string): void {
  try {
    load(flags, text)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const { field, message } of error.problems) {
      assert.match(field, /^(?:--?[a-z]|KubeProxyConfiguration\.[a-zA-Z])/)
      assert.notEqual(message, '')
    }
  }
}

describe('whatever is in a file', () => {
  test('a valid one with any values in it is a Config or an error that names fields', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...kubeadmPaths), anyValue), { maxLength: 4 }), (changes) => {
        const document = parseDocument(kubeadmText)
        for (const [path, value] of changes) {
          if (document.hasIn(path.slice(0, -1))) {
            const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
            if (typeof parent === 'object' && parent !== null && 'set' in parent) document.setIn(path, value)
          }
        }
        tryLoad({}, document.toString())
      }),
      { numRuns: 150 },
    )
  })

  test('a valid one with any characters in it is a Config or an error that names fields', () => {
    const change = fc.tuple(
      fc.nat(kubeadmText.length),
      fc.nat(20),
      fc.oneof(fc.string(), fc.constantFrom('\n', '\t', '- ', ': ', '{', '*a', '&a ', '"')),
    )
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const text = changes.reduce(
          (text, [at, length, put]) => text.slice(0, at) + put + text.slice(at + length),
          kubeadmText,
        )
        tryLoad({}, text)
      }),
      { numRuns: 150 },
    )
  })

  test('a valid one is accepted, and read again as the same when it is written', () => {
    fc.assert(
      fc.property(validFile, (fields) => {
        const { configuration } = load({}, Object.keys(fields).length === 0 ? fileText() : fileText(fields))
        assert.deepEqual(readConfiguration(toYaml(configuration), 'again'), { configuration, warnings: [] })
        assert.deepEqual(
          readConfiguration(JSON.stringify(toApiObject(configuration)), 'json').configuration,
          configuration,
        )
        assert.deepEqual(load({}, toYaml(configuration)).configuration, configuration)
      }),
      { numRuns: 150 },
    )
  })

  test('text that is no configuration at all is an error', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.jsonValue().map((value) => stringify(value)),
    )
    fc.assert(
      fc.property(texts, (text) => {
        assert.throws(() => load({}, text), { code: 'ERR_CONFIG', field: '--config' })
      }),
    )
  })
})

describe('whatever flags are given', () => {
  test('they are a Config or an error that names them', () => {
    const value = fc.oneof(fc.string(), fc.constantFrom('true', '0', '-1', '1s', '10.0.0.0/8', 'a=true', 'a=1', '::1'))
    const given = fc.dictionary(
      fc.constantFrom(...runFlags.map(attributeOf)),
      fc.array(value, { minLength: 1, maxLength: 3 }),
    )
    fc.assert(fc.property(given, fc.boolean(), (flags, hasFile) => tryLoad(flags, hasFile ? kubeadmText : undefined)))
  })
})
