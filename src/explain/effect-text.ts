/** What a rule found or did, in the words of nft(8) where it has some. */
import { elementText } from '../nft/render-element.ts'
import { hex32 } from '../nft/datatypes.ts'
import type { Effect } from './trace.ts'

/** `@service-ips: 172.30.0.41 . tcp . 80 comment "shop/web:http" : goto pick-tcp-2`, `dnat to 10.180.0.1:80`, ... */
export function effectText(effect: Effect): string {
  switch (effect.kind) {
    case 'element':
      return `@${effect.set.name}: ${elementText(effect.set, effect.element)}`
    case 'draw':
      return `${effect.by} mod ${effect.modulus} gives ${effect.value}`
    case 'mark':
      return `mark ${hex32(effect.mark)}`
    case 'connection mark':
      return `ct mark ${hex32(effect.mark)}`
    case 'labels':
      return `ct label ${effect.bits.join(',')}`
    case 'payload':
      return 'packet rewritten'
    case 'jump':
    case 'goto':
      return `${effect.kind} ${effect.chain}`
    case 'accept':
    case 'drop':
    case 'return':
    case 'reject':
      return effect.kind
    case 'dnat':
    case 'snat':
      return `${effect.kind} to ${addressText(effect.address, effect.port)}`
    case 'masquerade':
      return `masquerade as ${effect.address}`
    case 'set change':
      return `@${effect.set.name}: ${elementText(effect.set, effect.element)} ${effect.change}`
    case 'offload':
      return `flow add @${effect.flowtable}`
  }
}

function addressText(address = '', port: number | undefined): string {
  if (port === undefined) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
