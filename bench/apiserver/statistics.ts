import type { ServerResponse } from 'node:http'
import { monotonicMs } from '../monotonic.ts'

/** What the server has sent and been asked since it began. */
export class Statistics {
  objectsSent = 0
  bytesSent = 0
  /** By what was asked, as in `list services` or `watch nodes`. */
  readonly requests: Record<string, number> = {}
  /** When each was asked last. */
  readonly requestedAtMs: Record<string, number> = {}

  count(request: string): void {
    this.requests[request] = (this.requests[request] ?? 0) + 1
    this.requestedAtMs[request] = monotonicMs()
  }

  /** Writes a part of a body, which is ASCII; false when the client should be given time. */
  write(response: ServerResponse, text: string, objects: number): boolean {
    this.objectsSent += objects
    this.bytesSent += text.length
    return response.write(text, 'latin1')
  }
}
