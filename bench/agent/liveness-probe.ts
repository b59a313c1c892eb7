import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../monotonic.ts'

const intervalMs = 20

/** Asks a program's /livez again and again: a long answer is an event loop that was blocked. */
export class LivenessProbe {
  firstAnswerAtMs = Number.POSITIVE_INFINITY
  longestAnswerMs = 0
  readonly #url: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #done: Promise<void>
  #isStopped = false

  constructor(url: string) {
    this.#url = url
    this.#done = this.#run()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#done
    this.#agent.destroy()
  }

  async #run(): Promise<void> {
    for (; !this.#isStopped; await sleep(intervalMs)) {
      const askedAtMs = monotonicMs()
      if (!(await this.#isAnswered())) continue
      const nowMs = monotonicMs()
      this.firstAnswerAtMs = Math.min(this.firstAnswerAtMs, nowMs)
      this.longestAnswerMs = Math.max(this.longestAnswerMs, nowMs - askedAtMs)
    }
  }

  /** Whatever it says: also a program that is not ready answers. */
  #isAnswered(): Promise<boolean> {
    return new Promise((resolve) => {
      get(this.#url, { agent: this.#agent }, (response) => {
        response.resume()
        response.on('close', () => resolve(true))
      }).on('error', () => resolve(false))
    })
  }
}
