/* node test/guest/boot.ts [--kernel 6.1|DIRECTORY] [--timeout SECONDS] [--counting] -- COMMAND...: runs it in a guest. */
import { parseArgs } from 'node:util'
import { runInGuest } from './guest.ts'
import { findKernel } from './kernel-image.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kernel: { type: 'string', default: '6.1' },
    timeout: { type: 'string', default: '600' },
    counting: { type: 'boolean', default: false },
  },
})
const kernel = findKernel(values.kernel)
if (kernel === undefined) throw new Error(`no kernel ${values.kernel}; fetch one with test/guest/fetch-kernel.sh`)
const quoted = positionals.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ')
process.exitCode = await runInGuest({
  kernel,
  command: `cd '${process.cwd()}' && ${quoted}`,
  output: process.stdout,
  timeoutMs: Number(values.timeout) * 1000,
  isCounting: values.counting,
})
