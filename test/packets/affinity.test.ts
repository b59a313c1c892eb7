/* Session affinity: the same scenarios with real packets, and as far as no table changes with imagined ones. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { indexTables } from '../../src/explain/ruleset.ts'
import type { Outcome, SetChange } from '../../src/explain/trace.ts'
import type { Family } from '../../src/model/ip.ts'
import { type ClusterLab, createClusterLab } from '../lab/cluster.ts'
import { needs, root } from '../lab/requirements.ts'
import { ip } from '../model/fixtures.ts'
import { KernelNode } from './kernel-node.ts'
import { outcomesOf, sightsOf, tableOfWorld } from './machine.ts'
import { type Probe, sightOf } from './sight.ts'
import { inVariant } from './situations.ts'
import { type AffinityScenario, affinityScenarios, type Dial, portsOfEach } from './tables/affinity.ts'
import { type World, world } from './world.ts'

const families = ['IPv4', 'IPv6'] as const
const protocols = ['tcp', 'udp'] as const

const tries = 3

/** What is left out of a world is IPv4 too, so it is put in before the family is changed. */
function scenariosOf(family: Family): readonly AffinityScenario[] {
  const complete = affinityScenarios.map((scenario) => ({
    ...scenario,
    given: world(scenario.given),
    steps: scenario.steps.map((step) =>
      step.step === 'change' ? { ...step, given: world({ ...scenario.given, ...step.given }) } : step,
    ),
  }))
  return inVariant({ family, protocol: 'tcp' }, complete)
}

/** The packets of a dial: each port of a protocol once. */
function probesOf({ from, to, firstPort }: Dial, protocol: Probe['protocol']): readonly Probe[] {
  return Array.from({ length: portsOfEach }, (_, index) => ({
    from: ip(from),
    to: ip(to),
    port: firstPort + index,
    protocol,
  }))
}

describe('real clients with session affinity', { ...needs(root), concurrency: true }, () => {
  let lab: ClusterLab

  before(async () => {
    lab = await createClusterLab()
  })

  after(() => lab.close())

  for (const family of families) {
    describe(`over ${family}`, { concurrency: false }, () => {
      let node: KernelNode

      before(() => {
        node = new KernelNode(lab, family)
      })

      after(() => node.close())

      for (const scenario of scenariosOf(family)) {
        test(`${scenario.id} ${scenario.title}`, () => new RealClients(node, scenario).run())
      }
    })
  }
})

describe('imagined clients with session affinity', () => {
  for (const family of families) {
    for (const scenario of scenariosOf(family)) {
      test(`${scenario.id} ${scenario.title}, over ${family}`, () => imagine(scenario, family))
    }
  }
})

/** By port: who answered. One of them, if the client is stuck. */
type Picks = readonly (readonly string[])[]

class RealClients {
  readonly #node: KernelNode
  readonly #scenario: AffinityScenario
  readonly #picks = new Map<string, Picks>()
  #world: World
  #first: string | undefined
  #removed: string | undefined
  #before: Picks | undefined

  constructor(node: KernelNode, scenario: AffinityScenario) {
    this.#node = node
    this.#scenario = scenario
    this.#world = world(scenario.given)
  }

  async run(): Promise<void> {
    // The clients that earlier scenarios had are gone with their Services.
    await this.#node.enter(world())
    await this.#enter()
    for (const step of this.#scenario.steps) {
      switch (step.step) {
        case 'dial':
          for (const protocol of protocols) await this.#dial(step, protocol)
          break
        case 'wait':
          await sleep(step.ms)
          break
        case 'change':
          this.#world = world(step.given)
          await this.#enter()
          break
        case 'remove endpoint':
          this.#removed = this.#first
          await this.#enter()
          break
        case 'restore endpoint':
          this.#removed = undefined
          await this.#enter()
          break
        case 'restart':
          if (step.removesEndpoint === true) this.#removed = this.#first
          this.#node.forgetProxy()
          await this.#enter()
          break
      }
    }
  }

  async #dial(dial: Dial, protocol: Probe['protocol']): Promise<void> {
    const probes = probesOf(dial, protocol).map((probe) => ({ probe, count: tries }))
    const picks = await this.#node.sights(probes)
    const key = `${dial.from} ${dial.to} ${protocol}`
    const earlier = this.#picks.get(key)
    const among = dial.among.flatMap((address) =>
      address === this.#removed ? [] : [sightOf(address, 80, dial.isMasqueraded)],
    )
    const text = JSON.stringify(picks)
    assert.ok(
      picks.flat().every((pick) => among.includes(pick)),
      `${text} of ${among.join()}`,
    )
    const isStuck = picks.every((pick) => pick.length === 1)
    assert.equal(isStuck, dial.expect !== 'none', text)
    if (dial.expect === 'lost') assert.notDeepEqual(picks, earlier)
    if (dial.expect === 'kept')
      assert.deepEqual(
        picks,
        earlier?.map((pick, index) => this.#keptOrMoved(pick, picks[index])),
      )
    if (dial.isIndependent === true) assert.notDeepEqual(picks.map(endpointsOf), this.#before?.map(endpointsOf))
    this.#picks.set(key, picks)
    if (protocol === 'udp') this.#before = picks
    this.#first ??= dial.among.find((address) => picks[0]?.includes(sightOf(address, 80, dial.isMasqueraded)))
  }

  /** What a client who had that has to have now: something else if that endpoint is gone. */
  #keptOrMoved(earlier: readonly string[], now: readonly string[] | undefined): readonly string[] | undefined {
    const removed = this.#removed
    if (removed === undefined) return earlier
    return [true, false].some((isMasqueraded) => earlier.includes(sightOf(removed, 80, isMasqueraded))) ? now : earlier
  }

  async #enter(): Promise<void> {
    await this.#node.enter({
      ...this.#world,
      services: this.#world.services.map((service) => ({
        ...service,
        endpoints: service.endpoints.filter(({ address }) => address !== this.#removed),
      })),
    })
  }
}

/** `10.180.0.1:80` of `10.180.0.1:80 sees the client` */
function endpointsOf(pick: readonly string[]): readonly string[] {
  return pick.map((sight) => sight.slice(0, sight.indexOf(' ')))
}

/** Until the first step that changes the table: the machine knows nothing of syncs. */
function imagine({ given, steps }: AffinityScenario, family: Family): void {
  const imagined = world(given)
  const ruleset = indexTables([tableOfWorld(imagined, family)])
  const picks = new Map<string, string>()
  let setChanges: readonly SetChange[] = []
  const send = (probe: Probe): readonly Outcome[] => outcomesOf(ruleset, imagined, probe, { setChanges })
  for (const step of steps) {
    if (step.step === 'wait') setChanges = setChanges.map((change) => later(change, step.ms))
    else if (step.step !== 'dial') return
    else {
      const { among, isMasqueraded, expect } = step
      const all = among.map((address) => sightOf(address, 80, isMasqueraded)).sort()
      for (const probe of protocols.flatMap((protocol) => probesOf(step, protocol))) {
        const key = JSON.stringify(probe)
        const outcomes = send(probe)
        assert.deepEqual(sightsOf(outcomes, probe), expect === 'kept' ? [picks.get(key)] : all)
        const chosen = outcomes[probe.port % outcomes.length]
        assert.ok(chosen !== undefined)
        setChanges = chosen.setChanges
        picks.set(key, sightsOf([chosen], probe).join())
        assert.deepEqual(sightsOf(send(probe), probe), [picks.get(key)])
      }
    }
  }
}

function later(change: SetChange, ms: number): SetChange {
  const { expiresMs = 0 } = change.element
  return { ...change, element: { ...change.element, expiresMs: Math.max(0, expiresMs - ms) } }
}
