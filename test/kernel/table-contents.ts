import { type NftSet, type SetElement, type TableContents } from '../../src/nft/objects.ts'
import { elementText } from '../../src/nft/render-element.ts'
import { ruleText } from '../../src/nft/render-rule.ts'

/** What has to be equal in two tables that shall do the same, however each became what it is. */
export type Behaviour = {
  /** By chain, those that pick left out. */
  readonly chains: Readonly<Record<string, readonly string[]>>
  /** By set: elements as text; of numbered endpoints, those of a frontend in any order of their numbers. */
  readonly elements: Readonly<Record<string, readonly string[]>>
}

/** The behaviour of a table. Throws when the numbers of a frontend's endpoints are not 0 to N-1. */
export function behaviourOf(contents: TableContents): Behaviour {
  const { sets, chains, elements } = contents
  return {
    chains: Object.fromEntries(
      chains.filter(({ name }) => !isShared(name)).map(({ name }) => [name, rulesOf(contents, name)]),
    ),
    elements: Object.fromEntries(
      sets.map((set) => {
        const found = elements.get(set.name) ?? []
        const texts = hasSlots(set) ? slotTexts(set, found) : found.map((element) => elementLine(set, element))
        return [set.name, texts.sort()]
      }),
    ),
  }
}

/** The chains that many frontends may share: they come and go with the numbers of endpoints. */
export function sharedChains(contents: TableContents): ReadonlyMap<string, readonly string[]> {
  const names = contents.chains.flatMap(({ name }) => (isShared(name) ? [name] : []))
  return new Map(names.map((name) => [name, rulesOf(contents, name)]))
}

function isShared(chain: string): boolean {
  return /\d$/.test(chain)
}

function rulesOf({ rules, sets }: TableContents, chain: string): string[] {
  const setOf = (name: string): NftSet | undefined => sets.find((set) => set.name === name)
  return rules.filter((rule) => rule.chain === chain).map((rule) => ruleText(rule, setOf))
}

function elementLine(set: NftSet, element: SetElement): string {
  return `${elementText(set, element)}${element.isIntervalEnd === true ? ' end' : ''}`
}

function hasSlots({ key }: NftSet): boolean {
  return key.kind === 'typeof' && key.parts.at(-1)?.text.startsWith('numgen') === true
}

/** `172.30.0.41 . 80 -> 10.180.0.1 . 8080`, for each slot. */
function slotTexts(set: NftSet, elements: readonly SetElement[]): string[] {
  const slots = new Map<string, number[]>()
  const texts = elements.map((element) => {
    const [, frontend = '', slot, endpoint] = /^(.*) \. (\d+) : (.*)$/.exec(elementText(set, element)) ?? []
    slots.set(frontend, [...(slots.get(frontend) ?? []), Number(slot)])
    return `${frontend} -> ${endpoint}`
  })
  for (const [frontend, numbers] of slots) {
    numbers.sort((a, b) => a - b)
    if (numbers.some((slot, index) => slot !== index)) {
      throw new RangeError(`${set.name} has the slots ${numbers.join()} for ${frontend}`)
    }
  }
  return texts
}
