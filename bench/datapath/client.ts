/*
 * Opens connections to cluster IPs, one after the other: for each ClientOrder over IPC the milliseconds of each as an
 * array. It computes nothing in between.
 */
import { serviceIp } from '../apiserver/objects.ts'
import { connectOnce, socketAddress } from './sockets.ts'

export type ClientOrder = { readonly services: number; readonly first: number; readonly connections: number }
export type ClientRound = { readonly latenciesMs: readonly number[]; readonly totalMs: number }

const port = 80
/** All Services have their turn in an order that no cache foresees: a prime that divides none of the sizes. */
const stride = 7919

if (import.meta.main) process.on('message', (order) => process.send?.(round(order as ClientOrder)))

function round({ services, first, connections }: ClientOrder): ClientRound {
  const addresses = Array.from({ length: connections }, (_, index) =>
    socketAddress(serviceIp(((first + index) * stride) % services), port),
  )
  const start = performance.now()
  const latenciesMs = addresses.map(connectOnce)
  return { latenciesMs, totalMs: performance.now() - start }
}
