/** Words that several kinds of nft(8) text share. */
import { fittingComment } from './userdata.ts'

/** `comment "shop/web:http"` as the kernel keeps it, or nothing. */
export function commentTexts(comment: string | undefined): string[] {
  return comment === undefined ? [] : [`comment ${quoted(fittingComment(comment))}`]
}

/** A quoted string: nft has no escapes, so the text must hold no double quote. */
export function quoted(text: string): string {
  return `"${text}"`
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
