/*
 * The thread of one host. It was born inside the host's network namespace, and so is every socket that it opens.
 * It answers calls (HostCall) with results (HostResult).
 */
import { parentPort, workerData } from 'node:worker_threads'
import { exchange, exchangeMany, TcpConnection } from './client.ts'
import type { HostCall, HostOperations, HostResult } from './host-operations.ts'
import { type Listener, listenTcp, listenUdp } from './listener.ts'

const hostName = workerData as string
const listeners = new Map<number, Listener>()
const connections = new Map<number, TcpConnection>()
let lastNumber = 0

const operations: HostOperations = {
  async listen(place) {
    const listener = await (place.protocol === 'tcp' ? listenTcp : listenUdp)(hostName, place)
    listeners.set(++lastNumber, listener)
    return { listener: lastNumber, port: listener.port }
  },
  async closeListener(listener) {
    listeners.get(listener)?.close()
    listeners.delete(listener)
  },
  exchange,
  exchangeMany,
  async openConnection(target) {
    const connection = new TcpConnection(target)
    const outcome = await connection.nextAnswer(target.timeoutMs)
    if (outcome.outcome !== 'answered') {
      connection.close()
      return { outcome }
    }
    connections.set(++lastNumber, connection)
    return { outcome, connection: lastNumber }
  },
  async ask({ connection, timeoutMs }) {
    return (await connections.get(connection)?.ask(timeoutMs)) ?? { outcome: 'closed' }
  },
  async closeConnection(connection) {
    connections.get(connection)?.close()
    connections.delete(connection)
  },
}

parentPort?.on('message', async (call: HostCall) => {
  parentPort?.postMessage(await resultOf(call)) // oxlint-disable-line unicorn/require-post-message-target-origin -- a thread, no window
})

async function resultOf({ id, operation, argument }: HostCall): Promise<HostResult> {
  try {
    return { id, result: await operations[operation](argument as never) }
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    return { id, error: { message, code } }
  }
}
