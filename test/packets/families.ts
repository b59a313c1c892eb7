/* From one family to the other: addresses and ranges of the plan have counterparts, whatever text they are in. */
import { parseCidr } from '../../src/model/cidr.ts'
import { parseIp } from '../../src/model/ip.ts'
import { ipv4, ipv6 } from '../lab/addresses.ts'

/** Data with every address and range of the plan in the other family. Throws RangeError for one that has no counterpart. */
export function inOtherFamily<T>(data: T): T {
  return mapTexts(data, (text) => text.split(',').map(counterpart).join(','))
}

/** Data with every text in it replaced; the names of members stay. */
export function mapTexts<T>(data: T, map: (text: string) => string): T {
  return mapped(data, map) as T
}

function mapped(data: unknown, map: (text: string) => string): unknown {
  if (typeof data === 'string') return map(data)
  if (Array.isArray(data)) return data.map((item) => mapped(item, map))
  if (typeof data !== 'object' || data === null) return data
  return Object.fromEntries(Object.entries(data).map(([name, member]) => [name, mapped(member, map)]))
}

const counterparts: ReadonlyMap<string, string> = new Map(
  Object.keys(ipv4).flatMap((name) => {
    const key = name as keyof typeof ipv4
    const [four, six] = [[ipv4[key]].flat(), [ipv6[key]].flat()]
    return four.flatMap((text, index): [string, string][] => {
      const other = six[index] ?? ''
      return [
        [text, other],
        [other, text],
        [`${text}/32`, `${other}/128`],
        [`${other}/128`, `${text}/32`],
      ]
    })
  }),
)

/** White space around an address stays. */
function counterpart(text: string): string {
  const found = counterparts.get(text.trim())
  if (found !== undefined) return text.replace(text.trim(), found)
  if (parseIp(text) === undefined && parseCidr(text) === undefined) return text
  throw new RangeError(`${text} has no counterpart in the other family`)
}
