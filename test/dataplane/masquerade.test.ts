import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { tableLayout } from '../../src/dataplane/layout.ts'
import type { DataplaneOptions } from '../../src/dataplane/options.ts'
import { ruleText } from '../../src/nft/render-rule.ts'
import { dataplaneOptions, podsIn } from '../sync/proxy.ts'

/** The rules of a chain as nft prints them. */
function rules(chain: string, options: Partial<DataplaneOptions>): string[] {
  const layout = tableLayout(dataplaneOptions(options))
  const setOf = (name: string) => layout.sets.find((set) => set.name === name)
  return layout.rules.filter((rule) => rule.chain === chain).map((rule) => ruleText(rule, setOf))
}

describe('traffic to cluster IPs is marked for masquerading', () => {
  const pods = podsIn('10.0.0.0/8')
  const cases: readonly [title: string, options: Partial<DataplaneOptions>, rule: string | undefined][] = [
    [
      'when it comes from outside the pod network',
      pods,
      'ip daddr @cluster-ips ip saddr != 10.0.0.0/8 meta mark set meta mark | 0x00004000' +
        ' comment "masquerade clusterIP traffic from outside cluster"',
    ],
    [
      'whoever sends it when everything is masqueraded',
      { ...pods, masqueradeAll: true },
      'ip daddr @cluster-ips meta mark set meta mark | 0x00004000 comment "masquerade all clusterIP traffic"',
    ],
    [
      'whoever sends it when everything is masqueraded and the pod network is unknown',
      { masqueradeAll: true },
      'ip daddr @cluster-ips meta mark set meta mark | 0x00004000 comment "masquerade all clusterIP traffic"',
    ],
    ['never when the pod network is unknown', {}, undefined],
    [
      'in the IPv6 table by IPv6 addresses',
      { family: 'IPv6', ...podsIn('fd00:10::/64') },
      'ip6 daddr @cluster-ips ip6 saddr != fd00:10::/64 meta mark set meta mark | 0x00004000' +
        ' comment "masquerade clusterIP traffic from outside cluster"',
    ],
  ]
  for (const [title, options, rule] of cases) {
    test(title, () => {
      const marking = rules('services', options).filter((text) => text.includes('@cluster-ips'))
      assert.deepEqual(marking, rule === undefined ? [] : [rule])
    })
  }
})

for (const [mark, hex] of [
  [1, '0x00000001'],
  [0x4000, '0x00004000'],
  [0x8000_0000, '0x80000000'],
] as const) {
  test(`what carries the mark ${hex} is masqueraded and loses it`, () => {
    assert.equal(
      rules('masquerading', { masqueradeMark: mark })[0],
      `meta mark & ${hex} != 0x00000000 meta mark set meta mark ^ ${hex} masquerade fully-random`,
    )
  })
}
