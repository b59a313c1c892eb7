/** Words that several kinds of nft(8) text share. */

/** A quoted string: nft has no escapes, so a double quote cannot be written and becomes a single one. */
export function quoted(text: string): string {
  return `"${text.replaceAll('"', "'")}"`
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const

/** A time as nft(8) writes it: `3h`, `1m30s`. */
export function durationText(milliseconds: number): string {
  let rest = milliseconds
  const parts = units.map(([unit, length]) => {
    const count = Math.floor(rest / length)
    rest -= count * length
    return count === 0 ? '' : `${count}${unit}`
  })
  return parts.join('') || '0s'
}
