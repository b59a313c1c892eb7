/** Tables as nft(8) text, in the form of `nft list table`; `nft -f` reads it back. */
import type { BaseChain, Chain, Flowtable, NftSet, SetElement, TableContents } from './objects.ts'
import { declarationText, elementTexts } from './render-element.ts'
import { setWord } from './render-operation.ts'
import { ruleText } from './render-rule.ts'
import { durationText, quoted } from './render-text.ts'

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
  const comment = table.comment === undefined ? [] : [`\tcomment ${quoted(table.comment)}`]
  const head = [`table ${table.family} ${table.name} {`, ...comment].join('\n')
  return `${head}\n${blocks.join('\n\n')}${blocks.length === 0 ? '' : '\n'}}\n`
}

function setBlock(set: NftSet, elements: readonly SetElement[]): string {
  const lines = [
    declarationText(set),
    ...(set.size === undefined ? [] : [`size ${set.size}`]),
    ...(hasFlagsLine(set) ? [`flags ${set.flags?.join(',') ?? ''}`] : []),
    ...(set.timeoutMs === undefined ? [] : [`timeout ${durationText(set.timeoutMs)}`]),
    ...(set.comment === undefined ? [] : [`comment ${quoted(set.comment)}`]),
    ...(elements.length === 0 ? [] : [`elements = { ${elementTexts(set, elements).join(',\n\t\t\t     ')} }`]),
  ]
  return block(`${setWord(set)} ${set.name}`, lines)
}

/** A default timeout says the flag `timeout` already. */
function hasFlagsLine(set: NftSet): boolean {
  const flags = set.flags ?? []
  return flags.length > 0 && !(set.timeoutMs !== undefined && flags.length === 1 && flags[0] === 'timeout')
}

function flowtableBlock({ name, priority, devices, hasCounters }: Flowtable): string {
  return block(`flowtable ${name}`, [
    `hook ingress priority ${priorityText('ingress', priority)}`,
    ...(devices.length === 0 ? [] : [`devices = { ${devices.map((device) => quoted(device)).join(', ')} }`]),
    ...(hasCounters === true ? ['counter'] : []),
  ])
}

function chainBlock({ name, base, comment }: Chain, rules: readonly string[]): string {
  return block(`chain ${name}`, [
    ...(comment === undefined ? [] : [`comment ${quoted(comment)}`]),
    ...(base === undefined ? [] : [baseLine(base)]),
    ...rules,
  ])
}

function baseLine({ type, hook, priority, policy }: BaseChain): string {
  return `type ${type} hook ${hook} priority ${priorityText(hook, priority)}; policy ${policy ?? 'accept'};`
}

/** Names of nft(8) for priorities; two of them exist at one hook only. */
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
    ([, value, only]) => Math.abs(priority - value) <= 10 && (only === undefined || only === hook),
  )
  if (near === undefined) return String(priority)
  const distance = priority - near[1]
  return distance === 0 ? near[0] : `${near[0]} ${distance < 0 ? '-' : '+'} ${Math.abs(distance)}`
}

function block(head: string, lines: readonly string[]): string {
  return [`\t${head} {`, ...lines.map((line) => `\t\t${line}`), '\t}'].join('\n')
}
