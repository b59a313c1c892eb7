import { readdirSync, readFileSync } from 'node:fs'
import Counter from 'prom-client/lib/counter.js'
import Gauge from 'prom-client/lib/gauge.js'
import type Registry from 'prom-client/lib/registry.js'

/** What this process uses, looked up when the metrics are read. */
export function registerProcessMetrics(registry: Registry): void {
  registry.registerMetric(cpuTime())
  for (const [name, { help, read }] of Object.entries(gauges)) registry.registerMetric(gauge(name, help, read))
}

function cpuTime(): Counter {
  return new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time that the process has used, in user and in kernel mode.',
    registers: [],
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc((user + system) / 1e6)
    },
  })
}

function gauge(name: string, help: string, read: () => number): Gauge {
  return new Gauge({
    name,
    help,
    registers: [],
    collect() {
      this.set(read())
    },
  })
}

type ProcessGauge = { readonly help: string; readonly read: () => number }

const gauges: Readonly<Record<string, ProcessGauge>> = {
  process_resident_memory_bytes: {
    help: 'Memory of the process that is in RAM.',
    read: () => process.memoryUsage.rss(),
  },
  process_virtual_memory_bytes: {
    help: 'Address space of the process.',
    read: () => 1024 * numberIn('/proc/self/status', /^VmSize:\s+(\d+) kB$/m),
  },
  process_open_fds: {
    help: 'File descriptors that are open.',
    // One of them is the directory that is being read.
    read: () => readdirSync('/proc/self/fd').length - 1,
  },
  process_max_fds: {
    help: 'File descriptors that may be open at once.',
    read: () => numberIn('/proc/self/limits', /^Max open files +(\d+)/m),
  },
  process_start_time_seconds: {
    help: 'When the process started, in seconds since 1970.',
    read: () => performance.timeOrigin / 1000,
  },
  nodejs_heap_size_total_bytes: {
    help: 'JavaScript heap that is reserved.',
    read: () => process.memoryUsage().heapTotal,
  },
  nodejs_heap_size_used_bytes: {
    help: 'JavaScript heap that is in use.',
    read: () => process.memoryUsage().heapUsed,
  },
  nodejs_external_memory_bytes: {
    help: 'Memory of buffers outside the JavaScript heap.',
    read: () => process.memoryUsage().external,
  },
}

/** Not a number where the file does not say it. */
function numberIn(file: string, pattern: RegExp): number {
  return Number(pattern.exec(readFileSync(file, 'utf8'))?.[1])
}
