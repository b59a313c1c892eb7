import type Registry from 'prom-client/lib/registry.js'
import { negotiate } from './negotiate.ts'

/** The formats that metrics are written in, the one for clients without a wish first. */
const contentTypes = {
  'text/plain': 'text/plain; version=0.0.4; charset=utf-8',
  'application/openmetrics-text': 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const

/** All metrics of a registry in the format that the header Accept asks for. */
export async function exposition(
  registry: Registry,
  accept: string | undefined,
): Promise<{ readonly contentType: string; readonly text: string }> {
  const format = negotiate(accept, ['text/plain', 'application/openmetrics-text'])
  const text = await registry.metrics()
  return {
    contentType: contentTypes[format],
    text: format === 'text/plain' ? text : openMetrics(text),
  }
}

/**
 * OpenMetrics 1.0.0: counters are named without `_total` in their headers, numbers of buckets have a fraction, there are
 * no blank lines, and the end is marked. The registry's own writer of it renames the metrics for good.
 */
function openMetrics(text: string): string {
  const lines = text
    .replace(/^# HELP (\w+)_total (.*)\n# TYPE \1_total counter$/gm, '# HELP $1 $2\n# TYPE $1 counter')
    .replace(/le="(\d+)"/g, 'le="$1.0"')
    .replace(/\n{2,}/g, '\n')
  return `${lines}# EOF\n`
}
