import { median, ms } from '../agent/figures.ts'
import type { PeerResults } from './results.ts'

/** One measured start. */
type Point = { readonly services: number; readonly readyMs: number }
type Line = { readonly name: string; readonly cssClass: 'ours' | 'peer'; readonly points: readonly Point[] }

/** Of the sizes with so many endpoints, which are measured for both. */
const endpointsShown = 2
const [width, height] = [720, 400]
const plot = { left: 70, right: 600, top: 50, bottom: 340 }

/**
 * The time of a start against the number of Services, both axes logarithmic, as an SVG that reads well on light and dark.
 * Undefined when no start was measured.
 */
export function startChart(results: PeerResults): string | undefined {
  const all: readonly Line[] = [
    { name: 'kube-proxy', cssClass: 'peer', points: points(results, 'peer') },
    { name: 'flowproxy', cssClass: 'ours', points: points(results, 'ours') },
  ]
  const lines = all.filter((line) => line.points.length > 0)
  const shown = lines.flatMap((line) => line.points)
  if (shown.length === 0) return undefined
  const services = [...new Set(shown.map((point) => point.services))].toSorted((a, b) => a - b)
  const decades = decadesAround(shown.map(({ readyMs }) => readyMs))
  const x = logScale(services.at(0) ?? 1, services.at(-1) ?? 1, plot.left + 30, plot.right)
  const y = logScale(decades.at(0) ?? 1, decades.at(-1) ?? 1, plot.bottom, plot.top)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title">
<title id="title">Time from the start of the process until the kernel is programmed, by number of Services</title>
<style>
  text { font: 13px system-ui, sans-serif; fill: #424a53; }
  .heading, .name { font-weight: 600; }
  .grid { stroke: #d1d9e0; }
  polyline { fill: none; stroke-width: 2.5; }
${lineColours('#0969da', '#bc4c00')}
  @media (prefers-color-scheme: dark) {
    text { fill: #b7bdc8; }
    .grid { stroke: #3d444d; }
${lineColours('#58a6ff', '#f0883e')}
  }
</style>
<text class="heading" x="${plot.left}" y="24">Start of the process to programmed kernel, ${endpointsShown} endpoints for each Service</text>
${decades.map((decade) => gridLine(decade, y(decade))).join('\n')}
${services.map((count) => `<text x="${x(count)}" y="${plot.bottom + 22}" text-anchor="middle">${count}</text>`).join('\n')}
<text x="${(plot.left + plot.right) / 2}" y="${plot.bottom + 46}" text-anchor="middle">Services</text>
${lines.map((line) => lineMarkup(line, x, y)).join('\n')}
</svg>
`
}

function lineColours(ours: string, peer: string): string {
  return Object.entries({ ours, peer })
    .map(
      ([name, colour]) =>
        `  .${name} polyline { stroke: ${colour}; }   .${name} circle, .${name} text { fill: ${colour}; }`,
    )
    .join('\n')
}

function points({ rows }: PeerResults, which: 'ours' | 'peer'): Point[] {
  return rows
    .filter(({ endpoints }) => endpoints === endpointsShown)
    .toSorted((a, b) => a.services - b.services)
    .flatMap((row) => {
      const result = row[which]
      if (result.outcome !== 'measured') return []
      return [{ services: row.services, readyMs: median(result.coldStarts.map(({ readyMs }) => readyMs)) }]
    })
}

/** Powers of ten from the one below all values to the one above. */
function decadesAround(values: readonly number[]): number[] {
  const first = Math.floor(Math.log10(Math.min(...values)))
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values))))
  return Array.from({ length: last - first + 1 }, (_, step) => 10 ** (first + step))
}

type Scale = (value: number) => number

function logScale(low: number, high: number, from: number, to: number): Scale {
  if (low === high) return () => (from + to) / 2
  return (value) => Math.round(from + ((to - from) * Math.log(value / low)) / Math.log(high / low))
}

function gridLine(decade: number, y: number): string {
  const label = `<text x="${plot.left - 8}" y="${y + 4}" text-anchor="end">${decadeText(decade)}</text>`
  return `<line class="grid" x1="${plot.left}" x2="${plot.right + 30}" y1="${y}" y2="${y}"/>${label}`
}

function decadeText(decade: number): string {
  return decade >= 1000 ? `${decade / 1000} s` : `${decade} ms`
}

/** The name stands at the end of its line, each value above its point. */
function lineMarkup({ name, cssClass, points }: Line, x: Scale, y: Scale): string {
  const places = points.map(({ services, readyMs }) => ({ x: x(services), y: y(readyMs), readyMs }))
  const circles = places.map(({ x, y, readyMs }) => {
    return `<circle cx="${x}" cy="${y}" r="4"/><text x="${x}" y="${y - 10}" text-anchor="middle">${ms(readyMs)}</text>`
  })
  const last = places.at(-1) ?? { x: 0, y: 0 }
  return `<g class="${cssClass}">
<polyline points="${places.map(({ x, y }) => `${x},${y}`).join(' ')}"/>
${circles.join('\n')}
<text class="name" x="${last.x + 30}" y="${last.y + 5}">${name}</text>
</g>`
}
