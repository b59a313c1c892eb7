import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const attempts = 2
const pauseMs = 100

/**
 * Sets how ready the kernel is to kill this process when memory runs out (-1000: never), in /proc/self/oom_score_adj.
 * Throws a system error when a second attempt fails too; to lower it takes CAP_SYS_RESOURCE.
 */
export async function setOomScore(adjustment: number, file = '/proc/self/oom_score_adj'): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (readFileSync(file, 'utf8').trim() !== String(adjustment)) writeFileSync(file, String(adjustment))
      return
    } catch (error) {
      if (attempt === attempts) throw error
      await sleep(pauseMs)
    }
  }
}
