/*
 * Patterns for names of network interfaces, as a shell has them: `eth0`, `eth*`, `ens?f0`, `veth[0-9a-f]*`. One that
 * begins with `!` excludes what it matches.
 */

/** Of a list of patterns: which names they choose, and which pattern it is that matches. */
export type InterfaceChoice = {
  /** The first exclusion that matches. */
  readonly excludedBy: (name: string) => string | undefined
  /** Without any pattern but exclusions everything is included. */
  readonly includes: (name: string) => boolean
  /** The patterns that match none of the names. */
  readonly unmatched: (names: readonly string[]) => readonly string[]
}

/** IFNAMSIZ is 16 with the final zero. */
const nameMaxBytes = 15

/** What is wrong with a pattern, undefined for nothing. */
export function interfacePatternProblem(pattern: string): string | undefined {
  const glob = globOf(pattern)
  if (glob === '') return 'is empty'
  if (shortestMatch(glob) > nameMaxBytes) return `is longer than the ${nameMaxBytes} bytes of an interface name`
  if (!/^(?:\[!|[^\s/:,!])+$/.test(glob)) return 'has characters that no interface name has'
  if (/\[[^\]]*$/.test(glob)) return 'has a [ without its ]'
  if (toRegExp(glob) === undefined) return 'has a range that is none'
  if (!isExclusion(pattern) && matches(glob, 'lo')) return 'matches the loopback interface lo, which never takes part'
  return undefined
}

/** The choice that valid patterns make. */
export function interfaceChoice(patterns: readonly string[]): InterfaceChoice {
  const inclusions = patterns.filter((pattern) => !isExclusion(pattern))
  const exclusions = patterns.filter(isExclusion)
  return {
    excludedBy: (name) => exclusions.find((pattern) => matches(globOf(pattern), name)),
    includes: (name) => inclusions.length === 0 || inclusions.some((pattern) => matches(pattern, name)),
    unmatched: (names) => patterns.filter((pattern) => !names.some((name) => matches(globOf(pattern), name))),
  }
}

function isExclusion(pattern: string): boolean {
  return pattern.startsWith('!')
}

function globOf(pattern: string): string {
  return isExclusion(pattern) ? pattern.slice(1) : pattern
}

function matches(glob: string, name: string): boolean {
  return toRegExp(glob)?.test(name) ?? false
}

/** `*` is any text, `?` one character, `[...]` one of some; undefined for a range that is none, such as `[z-a]`. */
function toRegExp(glob: string): RegExp | undefined {
  const source = glob.replace(/\[[!^]?[^\]]+\]|[^]/g, (part) => {
    if (part === '*') return '.*'
    if (part === '?') return '.'
    if (part.length > 1) return part.replace(/^\[[!^]/, '[^').replaceAll('\\', String.raw`\\`)
    return part.replace(/[$()*+.?[\\\]^{|}]/, String.raw`\$&`)
  })
  try {
    return new RegExp(`^${source}$`)
  } catch {
    return undefined
  }
}

/** In bytes. */
function shortestMatch(glob: string): number {
  return Buffer.byteLength(glob.replace(/\[[^\]]+\]/g, '?').replaceAll('*', ''))
}
