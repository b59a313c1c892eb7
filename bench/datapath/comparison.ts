import { median } from '../agent/figures.ts'
import type { ClientRound } from './client.ts'

/** Rounds of both, of which those with the same index ran one right after the other. */
export type Rounds = { readonly ours: readonly ClientRound[]; readonly peer: readonly ClientRound[] }

/** A median of ratios ours / peer, and where the true one lies in 95 of 100 cases. */
export type Ratio = { readonly median: number; readonly low: number; readonly high: number }

export function latencyRatio({ ours, peer }: Rounds): Ratio {
  return ratio(ours, peer, ({ latenciesMs }) => median(latenciesMs))
}

export function rateRatio({ ours, peer }: Rounds): Ratio {
  return ratio(ours, peer, connectionsPerSecond)
}

export function connectionsPerSecond({ latenciesMs, totalMs }: ClientRound): number {
  return (latenciesMs.length * 1000) / totalMs
}

function ratio(
  ours: readonly ClientRound[],
  peer: readonly ClientRound[],
  value: (round: ClientRound) => number,
): Ratio {
  const ratios = ours.flatMap((round, index) => {
    const other = peer[index]
    return other === undefined ? [] : [value(round) / value(other)]
  })
  return { median: median(ratios), ...medianInterval(ratios) }
}

/**
 * The 95 % confidence interval of a median by order statistics: how many values lie below it is binomial, whatever their
 * distribution, so no assumption is made of the noise.
 */
export function medianInterval(values: readonly number[]): { readonly low: number; readonly high: number } {
  const sorted = values.toSorted((a, b) => a - b)
  const count = sorted.length
  const reach = (1.96 * Math.sqrt(count)) / 2
  const low = Math.max(0, Math.floor(count / 2 - reach))
  const high = Math.min(count - 1, Math.ceil(count / 2 + reach))
  return { low: sorted[low] ?? Number.NaN, high: sorted[high] ?? Number.NaN }
}
