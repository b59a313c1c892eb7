import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../monotonic.ts'

const pollIntervalMs = 20
const metric = /^kubeproxy_sync_proxy_rules_last_timestamp_seconds(?:\{ip_family="IPv4"\})? ([0-9.e+]+)$/m

/** When the proxy says that its first sync of IPv4 rules was done, by its own metrics; undefined without more hope. */
export async function firstSyncAt(url: string, isHopeful: () => boolean): Promise<number | undefined> {
  for (; isHopeful(); await sleep(pollIntervalMs)) {
    const seconds = lastSyncSeconds(await metricsText(url))
    // The metric is wall-clock time.
    if (seconds > 0) return seconds * 1000 - Date.now() + monotonicMs()
  }
  return undefined
}

/** Seconds since 1970; 0 as long as there was no sync. */
export function lastSyncSeconds(metrics: string): number {
  return Number(metric.exec(metrics)?.[1] ?? 0)
}

/** Empty as long as the proxy does not answer. */
function metricsText(url: string): Promise<string> {
  return new Promise((resolve) => {
    get(url, (response) => void text(response).then(resolve, () => resolve(''))).on('error', () => resolve(''))
  })
}
