/** Tables as nft(8) text, in the form of `nft list table`; `nft -f` reads it back. */
import type { BaseChain, Chain, Flowtable, NftSet, SetElement, SetFlag, TableContents } from './objects.ts'
import { declarationText, elementTexts } from './render-element.ts'
import { setWord } from './render-operation.ts'
import { ruleText } from './render-rule.ts'
import { commentTexts, durationText, quoted } from './render-text.ts'

/** The table with everything in it. The same contents always give the same bytes: elements are sorted. */
export function renderTable(contents: TableContents): string {
  const { table, flowtables, sets, chains, rules, elements } = contents
  const setsByName = new Map(sets.map((set) => [set.name, set]))
  const blocks = [
    ...sets.map((set) => setBlock(set, elements.get(set.name) ?? [])),
    ...flowtables.map(flowtableBlock),
    ...chains.map((chain) => {
      const own = rules.filter((rule) => rule.chain === chain.name)
      return chainBlock(
        chain,
        own.map((rule) => ruleText(rule, (name) => setsByName.get(name))),
      )
    }),
  ]
  const comment = commentTexts(table.comment).map((text) => `\t${text}`)
  const head = [`table ${table.family} ${table.name} {`, ...comment].join('\n')
  return `${head}\n${blocks.join('\n\n')}${blocks.length === 0 ? '' : '\n'}}\n`
}

function setBlock(set: NftSet, elements: readonly SetElement[]): string {
  const lines = [
    declarationText(set),
    ...(set.size === undefined || set.flags?.includes('constant') === true ? [] : [`size ${set.size}`]),
    ...flagTexts(set),
    ...(set.timeoutMs === undefined ? [] : [`timeout ${durationText(set.timeoutMs)}`]),
    ...commentTexts(set.comment),
    ...(elements.length === 0 ? [] : [`elements = { ${elementTexts(set, elements).join(',\n\t\t\t     ')} }`]),
  ]
  return block(`${setWord(set)} ${set.name}`, lines)
}

/** In nft's order. A default timeout implies the flag `timeout`, which is written only beside others then. */
function flagTexts({ flags = [], timeoutMs }: NftSet): string[] {
  const all: readonly SetFlag[] = timeoutMs === undefined ? flags : [...flags, 'timeout']
  const inOrder = setFlagNames.filter((flag) => all.includes(flag))
  const isImplied = inOrder.length === 0 || (timeoutMs !== undefined && inOrder.length === 1)
  return isImplied ? [] : [`flags ${inOrder.join(',')}`]
}

const setFlagNames = ['constant', 'interval', 'dynamic', 'timeout'] as const satisfies readonly SetFlag[]

/** nft 1.0.6 lists the devices without quotes; it loads them with or without. */
function flowtableBlock({ name, priority, devices, hasCounters }: Flowtable): string {
  return block(`flowtable ${name}`, [
    `hook ingress priority ${priorityText('ingress', priority)}`,
    ...(devices.length === 0 ? [] : [`devices = { ${devices.toSorted().map(quoted).join(', ')} }`]),
    ...(hasCounters === true ? ['counter'] : []),
  ])
}

function chainBlock({ name, base, comment }: Chain, rules: readonly string[]): string {
  return block(`chain ${name}`, [...commentTexts(comment), ...(base === undefined ? [] : [baseLine(base)]), ...rules])
}

function baseLine({ type, hook, priority, policy }: BaseChain): string {
  return `type ${type} hook ${hook} priority ${priorityText(hook, priority)}; policy ${policy ?? 'accept'};`
}

/** Names of nft(8) for priorities; two of them exist at one hook only, and at the ingress hook of flowtables there is one. */
const priorities = [
  ['raw', -300],
  ['mangle', -150],
  ['dstnat', -100, 'prerouting'],
  ['filter', 0],
  ['security', 50],
  ['srcnat', 100, 'postrouting'],
] as const

/** `filter`, `dstnat - 10`, or the number where no name is within ten. */
function priorityText(hook: string, priority: number): string {
  const near = priorities.find(
    ([name, value, only]) =>
      Math.abs(priority - value) <= 10 && (only ?? hook) === hook && (name === 'filter' || hook !== 'ingress'),
  )
  if (near === undefined) return String(priority)
  const distance = priority - near[1]
  return distance === 0 ? near[0] : `${near[0]} ${distance < 0 ? '-' : '+'} ${Math.abs(distance)}`
}

function block(head: string, lines: readonly string[]): string {
  return [`\t${head} {`, ...lines.map((line) => `\t\t${line}`), '\t}'].join('\n')
}
