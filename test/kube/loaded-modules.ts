/** A program that sends one request as a kubeconfig says, then prints the answer and all modules that it loaded. */
import { registerHooks } from 'node:module'
import { text } from 'node:stream/consumers'

const urls: string[] = []
registerHooks({
  load: (url, context, nextLoad) => {
    urls.push(url)
    return nextLoad(url, context)
  },
})

const { KubeClient } = await import('../../src/kube/client.ts')
const client = new KubeClient({
  kubeconfig: process.argv[2] ?? '',
  master: '',
  version: '0',
  qps: -1,
  burst: 1,
  onProblem: (problem) => {
    throw problem
  },
})
const signal = AbortSignal.timeout(20_000)
const { body } = await client.send({ method: 'GET', path: '/', signal, idleTimeoutMs: 5_000 })
console.log(JSON.stringify({ body: await text(body), urls }))
client.close()
