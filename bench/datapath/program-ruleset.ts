/*
 * Has a proxy program the network namespace that this process was started in, and stops it: its rules stay. The argument
 * is a RulesetOrder as JSON. Exit code 1 when the kernel did not have them in time.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NftConnection } from '../../src/nft/connection.ts'
import { ApiServerProcess } from '../agent/api-server.ts'
import { writeProxyFiles } from '../agent/proxy-files.ts'
import { ProxyProcess } from '../agent/proxy-process.ts'
import type { ClusterSize } from '../cluster.ts'
import { monotonicMs } from '../monotonic.ts'
import { programmedAt } from '../peer/programmed.ts'

export type RulesetOrder = ClusterSize & { readonly command: readonly string[]; readonly patienceMs: number }

if (import.meta.main) await programRuleset(JSON.parse(process.argv[2] ?? '') as RulesetOrder)

async function programRuleset(order: RulesetOrder): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-datapath-'))
  const connection = new NftConnection()
  const server = await ApiServerProcess.start(order, false)
  const configFile = writeProxyFiles(directory, server, '1s')
  const proxy = new ProxyProcess([...order.command, '--config', configFile], join(directory, 'proxy.log'))
  try {
    const endMs = monotonicMs() + order.patienceMs
    const atMs = await programmedAt(connection, order, () => proxy.isRunning && monotonicMs() < endMs)
    if (atMs === undefined) {
      process.stderr.write(`not programmed; the end of the log:\n${proxy.logTail()}\n`)
      process.exitCode = 1
    }
  } finally {
    await proxy.stop()
    await server.stop()
    connection.close()
    rmSync(directory, { recursive: true })
  }
}
