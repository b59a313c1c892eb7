import type { PeerResults } from '../../../bench/peer/results.ts'
import type { Measured, ProxyStart } from '../../../bench/peer/trial.ts'

export function start(readyMs: number, peakBytes = 200e6): ProxyStart {
  return { readyMs, cpuMs: 2 * readyMs, serverCpuMs: 300, peakBytes, longestLockMs: 7, longestAnswerMs: 90 }
}

/** A trial of which everything took so long, or has the values given. */
export function measured(readyMs: number, values: Partial<Measured> = {}): Measured {
  return {
    outcome: 'measured',
    coldStarts: [start(readyMs)],
    restarts: [start(readyMs / 2)],
    objects: { chains: 39, rules: 75, sets: 70 },
    steadyBytes: 150e6,
    idleLongestLockMs: 1,
    newServices: { latenciesMs: [readyMs / 10], unseen: 0 },
    endpointChanges: { latenciesMs: [readyMs / 100], unseen: 0 },
    rollingUpdate: { endpoints: 1000, totalMs: readyMs / 5, cpuMs: 40, longestLockMs: 3 },
    ...values,
  }
}

export function results(values: Partial<PeerResults> = {}): PeerResults {
  return {
    madeAt: '2026-01-01',
    machine: '2 x Any CPU, Linux 6.18',
    peerVersion: 'Kubernetes v1.36.3',
    rows: [],
    pauses: [],
    ...values,
  }
}
