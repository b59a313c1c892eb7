import type { RequestListener } from 'node:http'
import { type Check, checksText, notFound, requestUrl, sendJson, sendText } from './answers.ts'
import type { HealthReport, ProxyHealth } from './proxy-health.ts'

export type HealthPagesOptions = {
  readonly health: ProxyHealth
  /** More lines for `?verbose`, as in `[+]API server connected`; of no influence on the status. */
  readonly facts?: (() => readonly string[]) | undefined
  /** Called with each answer. */
  readonly onAnswer?: ((page: HealthPage, status: 200 | 503, checks: readonly Check[]) => void) | undefined
}

/**
 * `healthz`: send new connections to this Node; `livez`: do not restart the proxy; `readyz`: every family has been
 * programmed once.
 */
export type HealthPage = 'healthz' | 'livez' | 'readyz'

/** Go's zero time, which stands for never in kube-proxy's answers. */
const never = '0001-01-01T00:00:00Z'

/** The pages of the node health server. `/healthz` and `/livez` answer as kube-proxy's do. */
export function healthPages({ health, facts = () => [], onAnswer }: HealthPagesOptions): RequestListener {
  return (request, response) => {
    const { pathname, searchParams } = requestUrl(request)
    const page = pages[pathname]
    if (page === undefined) {
      notFound(request, response)
      return
    }
    const report = health.report()
    const checks = checksOf[page](report, health)
    const status = checks.every(({ isOk }) => isOk) ? 200 : 503
    if (searchParams.has('verbose')) sendText(response, status, checksText(page, checks, facts()))
    else sendJson(response, status, page === 'readyz' ? readyBody(report, health) : healthBody(page, status, report))
    onAnswer?.(page, status, checks)
  }
}

const pages: Readonly<Record<string, HealthPage>> = { '/healthz': 'healthz', '/livez': 'livez', '/readyz': 'readyz' }

type ChecksOf = (report: HealthReport, health: ProxyHealth) => readonly Check[]

const checksOf: Readonly<Record<HealthPage, ChecksOf>> = {
  healthz: (report) => [...familyChecks(report), nodeCheck(report)],
  livez: familyChecks,
  readyz: (_report, { programmed }) =>
    [...programmed].map(([family, isOk]) => ({ name: `${family.toLowerCase()}-programmed`, isOk, reason: 'not yet' })),
}

function familyChecks({ families }: HealthReport): readonly Check[] {
  return families.map(({ family, isHealthy, pendingMs }) => ({
    name: `${family.toLowerCase()}-sync`,
    isOk: isHealthy,
    reason: `a change has waited for ${Math.round(pendingMs / 1000)} s`,
  }))
}

function nodeCheck({ nodeProblem }: HealthReport): Check {
  return nodeProblem === undefined ? { name: 'node', isOk: true } : { name: 'node', isOk: false, reason: nodeProblem }
}

/** Key order is kube-proxy's. */
function healthBody(page: HealthPage, status: number, report: HealthReport): string {
  const { currentTime, lastUpdated, isHealthy, nodeProblem, families } = report
  return JSON.stringify({
    lastUpdated: status === 200 ? currentTime : (lastUpdated ?? never),
    currentTime,
    ...(page === 'healthz' ? { nodeEligible: nodeProblem === undefined } : {}),
    healthy: isHealthy,
    ...(families.length === 0 ? {} : { status: familyStatus(families) }),
  })
}

function familyStatus(families: HealthReport['families']): Record<string, unknown> {
  return Object.fromEntries(
    families.map(({ family, lastUpdated, isHealthy }) => [family, { lastUpdated, healthy: isHealthy }]),
  )
}

function readyBody({ currentTime }: HealthReport, { isReady, programmed }: ProxyHealth): string {
  const status = Object.fromEntries([...programmed].map(([family, isDone]) => [family, { programmed: isDone }]))
  return JSON.stringify({ currentTime, ready: isReady, status })
}
