import type { RequestListener, ServerResponse } from 'node:http'
import { Session } from 'node:inspector/promises'
import { pipeline } from 'node:stream/promises'
import { setTimeout } from 'node:timers/promises'
import { getHeapSnapshot } from 'node:v8'
import { notFound, requestUrl, sendText } from './answers.ts'

const indexText = `/debug/pprof/profile?seconds=30  processor profile, for Chrome's developer tools (.cpuprofile)
/debug/pprof/heap                heap snapshot (.heapsnapshot); the proxy stands still while it is taken
`
const defaultSeconds = 30
const maxSeconds = 300

/** The pages below `/debug/pprof/`: profiles as V8 has them, one at a time. */
export function profilingPages(): RequestListener {
  let isBusy = false
  const alone = async (response: ServerResponse, work: () => Promise<void>): Promise<void> => {
    if (isBusy) {
      sendText(response, 503, 'another profile is being taken\n')
      return
    }
    isBusy = true
    // Nothing is sent while a profile is taken.
    response.setTimeout(0)
    try {
      await work()
    } catch {
      response.destroy()
    } finally {
      isBusy = false
    }
  }
  return (request, response) => {
    const { pathname, searchParams } = requestUrl(request)
    switch (pathname) {
      case '/debug/pprof/':
        sendText(response, 200, indexText)
        return
      case '/debug/pprof/profile': {
        const seconds = Number(searchParams.get('seconds') ?? defaultSeconds)
        if (!(seconds > 0 && seconds <= maxSeconds)) {
          sendText(response, 400, `seconds must be a number above 0 and up to ${maxSeconds}\n`)
          return
        }
        void alone(response, () => sendCpuProfile(response, seconds))
        return
      }
      case '/debug/pprof/heap':
        void alone(response, () => sendHeapSnapshot(response))
        return
      default:
        notFound(request, response)
    }
  }
}

/** A client that goes away ends the profile. */
async function sendCpuProfile(response: ServerResponse, seconds: number): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const session = new Session()
  session.connect()
  try {
    await session.post('Profiler.enable')
    await session.post('Profiler.start')
    await setTimeout(seconds * 1000, undefined, { signal: gone.signal })
    const { profile } = await session.post('Profiler.stop')
    sendFile(response, 'flowproxy.cpuprofile').end(JSON.stringify(profile))
  } finally {
    session.disconnect()
  }
}

async function sendHeapSnapshot(response: ServerResponse): Promise<void> {
  await pipeline(getHeapSnapshot(), sendFile(response, 'flowproxy.heapsnapshot'))
}

function sendFile(response: ServerResponse, name: string): ServerResponse {
  return response.writeHead(200, {
    'Content-Type': 'application/json',
    'Content-Disposition': `attachment; filename="${name}"`,
    'X-Content-Type-Options': 'nosniff',
  })
}
