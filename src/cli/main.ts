#!/usr/bin/env node
import { Command } from 'commander'
import { exitCodeOf, failureLine } from './failure.ts'
import { dataplaneFlags, durationFlag } from './flags.ts'
import { version } from './version.ts'

/*
 * The commands' own modules are loaded when they are called: `--help` and `render` need no system calls, and a start
 * should not pay for what it does not use.
 */
const program = new Command('flowproxy')
  .description(
    'A Kubernetes service proxy. It makes Service addresses work on this machine by programming the kernel\n' +
      'over netlink: one table per IP family, everything per Service is a map element in it.',
  )
  .version(version())
  .showHelpAfterError('(flowproxy --help shows what there is)')
  .configureHelp({ showGlobalOptions: false })

const manifestsFlag = [
  '--manifests <path>',
  'file or directory with Services, EndpointSlices, Nodes and ServiceCIDRs (*.yaml, *.yml, *.json), ' +
    'for example the output of `kubectl get services,endpointslices -A -o yaml`',
] as const
const nodeNameFlag = [
  '--node-name <name>',
  "this machine's node name, by which endpoints count as local (default: host name)",
] as const

dataplaneFlags(
  program
    .command('run')
    .description('Program the kernel and keep it in sync with the manifests until SIGINT or SIGTERM.')
    .requiredOption(...manifestsFlag)
    .option(...nodeNameFlag),
)
  .option(...durationFlag('--min-sync-period', 'shortest pause between two syncs', '100ms'))
  .option(...durationFlag('--sync-period', 'how long after a failed sync it is tried again at the latest', '30s'))
  .option('--log-level <level>', 'trace, debug, info, warn or error', 'info')
  .addHelpText(
    'after',
    `
The rules stay in force when the program ends; \`flowproxy cleanup\` removes them.
Logs go to standard error, one JSON object a line; each sync says what changed and what it cost.

Example:
  flowproxy run --manifests ./cluster --cluster-cidr 10.244.0.0/16`,
  )
  .action(async (options) => (await import('./run.ts')).run(options))

dataplaneFlags(
  program
    .command('render')
    .description('Print the ruleset for the manifests as nft(8) text. Needs no root and changes nothing.')
    .requiredOption(...manifestsFlag)
    .option(...nodeNameFlag),
)
  .addHelpText(
    'after',
    `
The same input gives the same bytes.

Examples:
  flowproxy render --manifests ./cluster
  flowproxy render --manifests ./cluster | nft -c -f -     check it with nft`,
  )
  .action(async (options) => (await import('./render.ts')).render(options))

program
  .command('demo')
  .description('Show it at work: hosts in network namespaces, real connections through Services. Needs root.')
  .addHelpText(
    'after',
    `
Everything happens in network namespaces of its own and is gone afterwards; the host's rules are not touched.`,
  )
  .action(async () => (await import('./demo.ts')).demo())

program
  .command('cleanup')
  .description('Remove our tables (ip kube-proxy, ip6 kube-proxy) and nothing else. Needs root.')
  .action(async () => (await import('./cleanup.ts')).cleanup())

try {
  await program.parseAsync()
} catch (error) {
  const line = failureLine(error)
  if (line === undefined) throw error
  process.stderr.write(`flowproxy: ${line}\n`)
  process.exitCode = exitCodeOf(error)
}
