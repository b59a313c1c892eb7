/** Operations as nft(8) commands, for error messages and logs. */
import { decodeElements } from './elements.ts'
import type { BaseChain, NftSet, TableRef } from './objects.ts'
import { declarationText, elementText } from './render-element.ts'
import { ruleText } from './render-rule.ts'
import { quoted } from './render-text.ts'
import type { Operation } from './transaction.ts'

/** Elements and devices shown before the rest is only counted. */
const shownElements = 3

/** The command, for example `add element ip kube-proxy service-ips { 10.96.0.1 . tcp . 80 : goto pick-tcp-2 }`. */
export function operationText(
  operation: Operation,
  setOf: (name: string) => NftSet | undefined = () => undefined,
): string {
  const { verb, table } = operation
  const where = tableText(table)
  switch (operation.object) {
    case 'table':
      return `${verb} table ${where}`
    case 'chain':
      return 'chain' in operation
        ? `${verb} chain ${where} ${operation.chain.name}${baseText(operation.chain.base)}`
        : `${verb} chain ${where} ${operation.name}`
    case 'rule': {
      if (!('rule' in operation)) return `${verb} rule ${where} ${operation.chain} handle ${operation.handle}`
      const { chain, handle } = operation.rule
      const place = verb === 'replace' ? `${chain} handle ${handle}` : chain
      return `${verb} rule ${where} ${place} ${ruleText(operation.rule, setOf)}`
    }
    case 'set': {
      const declaration = verb === 'add' || verb === 'create' ? ` { ${declarationText(operation.set)}; }` : ''
      return `${verb} ${setWord(operation.set)} ${where} ${operation.set.name}${declaration}`
    }
    case 'element':
      return `${verb} element ${where} ${operation.set.name} { ${elementsText(operation.set, operation.elements)} }`
    case 'flowtable':
      return `${verb} flowtable ${where} ${operation.flowtable.name}`
    case 'flowtable-devices':
      return `${verb} flowtable ${where} ${operation.flowtable} { devices = { ${devicesText(operation.devices)} }; }`
  }
}

/** `map` for what has values, else `set`. */
export function setWord(set: NftSet): 'map' | 'set' {
  return set.value === undefined ? 'set' : 'map'
}

function tableText({ family, name }: TableRef): string {
  return `${family} ${name}`
}

function baseText(base: BaseChain | undefined): string {
  return base === undefined ? '' : ` { type ${base.type} hook ${base.hook} priority ${base.priority}; }`
}

function devicesText(devices: readonly string[]): string {
  const shown = devices.slice(0, shownElements).map(quoted)
  const more = devices.length - shown.length
  return more > 0 ? `${shown.join(', ')}, ... ${more} more` : shown.join(', ')
}

function elementsText(set: NftSet, bytes: Uint8Array): string {
  const elements = decodeElements(bytes)
  const shown = elements.slice(0, shownElements).map((element) => elementText(set, element))
  const more = elements.length - shown.length
  return more > 0 ? `${shown.join(', ')}, ... ${more} more` : shown.join(', ')
}
