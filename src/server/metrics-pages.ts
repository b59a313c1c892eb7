import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { checksText, notFound, requestUrl, send, sendJson, sendText } from './answers.ts'
import type { ProxyMetrics } from './metrics.ts'
import { profilingPages } from './profiling.ts'
import { flagsPage, sendStructured, statusPage } from './structured-page.ts'

export type MetricsPagesOptions = {
  readonly metrics: ProxyMetrics
  /** As in `nftables`. */
  readonly mode: string
  /** The effective configuration as a KubeProxyConfiguration of kubeproxy.config.k8s.io/v1alpha1. */
  readonly configuration: () => unknown
  /** All flags and their values; absent when the feature gate ComponentFlagz is off. */
  readonly flags?: (() => Readonly<Record<string, string>>) | undefined
  /** Names and versions, as in `flowproxy: 1.0.0`; absent when the feature gate ComponentStatusz is off. */
  readonly versions?: (() => Readonly<Record<string, string>>) | undefined
  /** Sets the verbosity of the log; absent, as all pages below `/debug/`, when profiling is off. */
  readonly setVerbosity?: ((level: number) => void) | undefined
  /** The time of day. */
  readonly wallClock: () => Date
}

type Page = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

const program = 'flowproxy'
/** Of a body that is looked at. */
const maxBodyBytes = 1024

/** The pages of the metrics server; kube-proxy's where it has them. */
export function metricsPages(options: MetricsPagesOptions): RequestListener {
  const pages = new Map<string, Page>(Object.entries(fixedPages(options)))
  if (options.flags !== undefined) pages.set('/flagz', flagz(options.flags))
  if (options.versions !== undefined)
    pages.set(
      '/statusz',
      statusz(options, options.versions, () => [...pages.keys()]),
    )
  const profiles = options.setVerbosity === undefined ? undefined : profilingPages()
  if (options.setVerbosity !== undefined) addDebugPages(pages, options.setVerbosity)
  return (request, response) => {
    const { pathname } = requestUrl(request)
    const isProfile = pathname.startsWith('/debug/pprof/')
    const page = pages.get(pathname) ?? (isProfile ? profiles : undefined) ?? notFound
    void answer(page, request, response)
  }
}

async function answer(page: Page, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    await page(request, response)
  } catch (error) {
    // The client went away while it sent its body, or a page could not be made: nobody but the client needs to know.
    if (response.headersSent) response.destroy()
    else sendText(response, 500, `${String(error)}\n`)
  }
}

function fixedPages({ metrics, mode, configuration }: MetricsPagesOptions): Readonly<Record<string, Page>> {
  return {
    '/healthz': healthz(metrics),
    '/healthz/ping': healthz(metrics),
    '/metrics': async ({ headers }, response) => {
      const { contentType, text } = await metrics.read(headers.accept)
      send(response, 200, contentType, text)
    },
    '/metrics/slis': async ({ method, headers }, response) => {
      if (method === 'DELETE') {
        metrics.resetSlis()
        sendText(response, 200, 'metrics reset\n')
        return
      }
      const { contentType, text } = await metrics.readSlis(headers.accept)
      send(response, 200, contentType, text)
    },
    '/proxyMode': (_request, response) => sendText(response, 200, mode),
    '/configz': (_request, response) => {
      sendJson(response, 200, JSON.stringify({ 'kubeproxy.config.k8s.io': configuration() }))
    },
  }
}

/** That the server answers is the check: the proxy's health is told elsewhere. */
function healthz(metrics: ProxyMetrics): Page {
  const checks = [{ name: 'ping', isOk: true }]
  return (request, response) => {
    metrics.healthChecked('healthz', checks)
    const isVerbose = requestUrl(request).searchParams.has('verbose')
    sendText(response, 200, isVerbose ? checksText('healthz', checks) : 'ok')
  }
}

function flagz(flags: () => Readonly<Record<string, string>>): Page {
  return ({ headers }, response) => sendStructured(response, headers.accept, flagsPage(program, flags()))
}

function statusz(
  { wallClock }: MetricsPagesOptions,
  versions: () => Readonly<Record<string, string>>,
  paths: () => readonly string[],
): Page {
  const startTime = wallClock()
  return ({ headers }, response) => {
    const status = { program, startTime, now: wallClock(), versions: versions(), paths: paths() }
    return sendStructured(response, headers.accept, statusPage(status))
  }
}

function addDebugPages(pages: Map<string, Page>, setVerbosity: (level: number) => void): void {
  pages.set('/debug/pprof', (_request, response) => {
    response.writeHead(302, { Location: '/debug/pprof/' }).end()
  })
  pages.set('/debug/flags', (_request, response) => {
    sendText(response, 200, '/debug/flags/v  verbosity of the log; PUT sets it\n')
  })
  pages.set('/debug/flags/v', async (request, response) => {
    if (request.method !== 'PUT') {
      sendText(response, 405, 'only PUT sets the verbosity\n')
      return
    }
    const text = (await readBody(request)).trim()
    const level = Number(text)
    if (!/^\d{1,3}$/.test(text)) {
      sendText(response, 400, 'the verbosity must be a number\n')
      return
    }
    setVerbosity(level)
    sendText(response, 200, `verbosity is ${level}\n`)
  })
}

/** What comes after the limit is read and thrown away, so that the client gets its answer. */
async function readBody(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8') as AsyncIterable<string>) {
    if (body.length <= maxBodyBytes) body += chunk
  }
  return body
}
