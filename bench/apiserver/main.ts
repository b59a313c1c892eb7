/*
 * A Kubernetes API server over generated objects, for benchmarks of service proxies:
 *
 *   node bench/apiserver/main.ts --services 45000 --endpoints 1 --listen 127.0.0.1:8001 [--mixed] [--tls]
 *
 * When it listens it writes one line of JSON to standard output: {"url":"http://127.0.0.1:8001"}, with --tls also the
 * file of the certificate to trust. control.ts has the requests that change objects. It ends with SIGTERM or SIGINT.
 */
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { ApiServer } from './server.ts'
import { selfSigned } from './tls.ts'

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '1000' },
    endpoints: { type: 'string', default: '2' },
    mixed: { type: 'boolean', default: false },
    listen: { type: 'string', default: '127.0.0.1:0' },
    tls: { type: 'boolean', default: false },
  },
})

const [host = '127.0.0.1', port = '0'] = values.listen.split(':')
const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
const tls = values.tls ? selfSigned() : undefined
const server = new ApiServer({
  services: Number(values.services),
  endpoints: Number(values.endpoints),
  isMixed: values.mixed,
  ...(tls === undefined ? {} : { tls }),
})
const url = await server.listen(host, Number(port))
process.stdout.write(`${JSON.stringify({ url, ...(tls === undefined ? {} : { certFile: tls.certFile }) })}\n`)
await stopped
await server.close()
if (tls !== undefined) rmSync(tls.directory, { recursive: true })
