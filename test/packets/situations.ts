/* From the tables to what is run: every row in both families, with TCP and with UDP. */
import type { Family } from '../../src/model/ip.ts'
import { ip } from '../model/fixtures.ts'
import { inOtherFamily, mapTexts } from './families.ts'
import { type Probe, sentenceOf } from './sight.ts'
import type { Expected, Row, Scenario } from './table.ts'
import { type World, world } from './world.ts'

/** One world and the packets that are sent in it. */
export type Situation = {
  readonly title: string
  readonly family: Family
  readonly world: World
  readonly cases: readonly Case[]
}

export type Case = {
  readonly title: string
  readonly probe: Probe
  readonly expect: Expected
  readonly machineOnly?: string | undefined
}

export type Variant = { readonly family: Family; readonly protocol: 'tcp' | 'udp' }

/** With UDP the two protocols change places, in Services and packets alike. */
export const variants: readonly Variant[] = (['IPv4', 'IPv6'] as const).flatMap((family) =>
  (['tcp', 'udp'] as const).map((protocol) => ({ family, protocol })),
)

/** One situation for each column of a scenario, and one more where the slices are deleted afterwards. */
export function situationsOf(scenario: Scenario, variant: Variant): Situation[] {
  const { title, given, columns = { '': {} }, isRejectedWithoutSlices = false } = scenario
  return Object.entries(columns).flatMap(([column, parts]): Situation[] => {
    const situation: Situation = {
      title: [title, ...(column === '' ? [] : [column])].join(', '),
      family: variant.family,
      world: inVariant(variant, world({ ...given, ...parts })),
      cases: inVariant(variant, scenario.rows.map(withProtocol)).map((row) =>
        caseOf(row, row.in?.[column] ?? row.expect),
      ),
    }
    return isRejectedWithoutSlices ? [situation, withoutSlices(situation, scenario.rows)] : [situation]
  })
}

/** Data written for TCP over IPv4, in a variant. */
export function inVariant<T>({ family, protocol }: Variant, data: T): T {
  const inFamily = family === 'IPv4' ? data : inOtherFamily(data)
  return protocol === 'tcp' ? inFamily : mapTexts(inFamily, (text) => swappedProtocols[text] ?? text)
}

const swappedProtocols: Readonly<Record<string, string>> = { tcp: 'udp', udp: 'tcp', TCP: 'UDP', UDP: 'TCP' }

function withProtocol(row: Row): Row & Required<Pick<Row, 'protocol'>> {
  return { ...row, protocol: row.protocol ?? 'tcp' }
}

function caseOf(row: Row & Required<Pick<Row, 'protocol'>>, expect: Expected): Case {
  const { id, from, to, port = 80, protocol, machineOnly } = row
  const probe: Probe = { from: ip(from), to: ip(to), port, protocol }
  return { title: `${id} ${sentenceOf(probe, expect)}`, probe, expect, machineOnly }
}

function withoutSlices(situation: Situation, rows: readonly Row[]): Situation {
  const { title, world, cases } = situation
  return {
    ...situation,
    title: `${title}, and then without slices`,
    world: { ...world, services: world.services.map((service) => ({ ...service, endpoints: [] })) },
    cases: cases.map(({ probe }, index) => ({
      title: `${rows[index]?.id ?? ''} ${sentenceOf(probe, 'rejected')}`,
      probe,
      expect: 'rejected',
    })),
  }
}
