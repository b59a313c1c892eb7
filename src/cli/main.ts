#!/usr/bin/env -S node --max-semi-space-size=4
import { Command, CommanderError } from 'commander'
import { addRunFlags } from '../config/run-flags.ts'
import { exitCodeOf, failureLine, usageExitCode } from './failure.ts'
import { dataplaneFlags } from './flags.ts'
import { version } from './version.ts'

/*
 * A small young generation (above, in MB) keeps resident memory down: at 45,000 Services 250 MB where the default takes
 * 360, and the first sync is not slower (`npm run bench`).
 *
 * The commands' own modules are loaded when they are called: `--help` and `render` need no system calls, and a start
 * should not pay for what it does not use.
 */
const program = new Command('flowproxy')
  .description(
    'A Kubernetes service proxy. It makes Service addresses work on this machine by programming the kernel ' +
      'over netlink: one table per IP family, everything per Service is a map element in it.',
  )
  .version(version())
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'flowproxy: ')) })
  .showHelpAfterError('(flowproxy --help shows what there is)')

const manifestsFlag = [
  '--manifests <path>',
  'file or directory with Services, EndpointSlices, Nodes and ServiceCIDRs (*.yaml, *.yml, *.json), ' +
    'for example the output of `kubectl get services,endpointslices -A -o yaml`',
] as const
const nodeNameFlag = [
  '--node-name <name>',
  "this machine's node name, by which endpoints count as local (default: host name)",
] as const

program.addHelpText(
  'after',
  `
Examples:
  flowproxy demo                                see it at work, in network namespaces of its own
  flowproxy render --manifests ./cluster        see the rules, change nothing
  flowproxy run --manifests ./cluster           program the kernel
  flowproxy explain --manifests ./cluster --from pod --to 10.96.0.10:80
                                                why a connection arrives or does not
  flowproxy run --help                          the flags of a command`,
)

addRunFlags(
  program
    .command('run')
    .description(
      'Program the kernel and keep it in step with an API server, or with a directory of manifests, until SIGINT or ' +
        "SIGTERM. Takes kube-proxy's flags and configuration file.",
    ),
)
  .addHelpText(
    'after',
    `
Flags marked * also act with --config, the others are then taken from the file alone.
The rules stay in force when the program ends; \`flowproxy cleanup\` removes them.
Manifests are for example the output of \`kubectl get services,endpointslices -A -o yaml\`.

Examples:
  flowproxy run --config /var/lib/kube-proxy/config.conf --hostname-override node-1
  flowproxy run --kubeconfig ~/.kube/config --cluster-cidr 10.244.0.0/16
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
The same input gives the same bytes. Interfaces and devices of the fast path are those of a machine, so none are shown.
Only kernels with flow tables can load its table; --fastpath-packet-threshold 0 leaves it out.

Examples:
  flowproxy render --manifests ./cluster
  flowproxy render --manifests ./cluster | nft -c -f -     check it with nft`,
  )
  .action(async (options) => (await import('./render.ts')).render(options))

dataplaneFlags(
  program
    .command('explain')
    .description('Say in Service terms what becomes of a new connection, and by which rules. Needs no root.')
    .requiredOption(...manifestsFlag)
    .requiredOption('--from <sender>', 'pod, node, external, or an IP address')
    .requiredOption('--to <destination>', 'what it dials: IP:PORT, with /udp or /sctp for another protocol than TCP')
    .option(...nodeNameFlag),
)
  .option('--json', 'print the answer as JSON')
  .addHelpText(
    'after',
    `
The first line is the verdict. The exit code is 0 if the traffic would arrive, 1 if not, 2 on wrong input.

Examples:
  flowproxy explain --manifests ./cluster --from pod --to 10.96.0.10:80
  flowproxy explain --manifests ./cluster --from external --to 10.96.0.53:53/udp --json`,
  )
  .action(async (options) => (await import('./explain.ts')).explain(options))

program
  .command('demo')
  .description('Show it at work: hosts in network namespaces, real connections through Services. Needs root.')
  .addHelpText(
    'after',
    `
Everything happens in network namespaces of its own and is gone afterwards; the host's rules are not touched.

Example:
  sudo flowproxy demo`,
  )
  .action(async () => (await import('./demo.ts')).demo())

program
  .command('cleanup')
  .description('Remove our tables (ip kube-proxy, ip6 kube-proxy) and nothing else. Needs root.')
  .addHelpText(
    'after',
    `
Service addresses do not work on this machine from then on. \`flowproxy run\` must have ended before,
or its next sync makes the tables anew.

Example:
  sudo flowproxy cleanup`,
  )
  .action(async () => (await import('./cleanup.ts')).cleanup())

// Whoever reads our output may have seen enough: `flowproxy render ... | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

/** Writes what there is to say of a failure and returns the exit code; a defect of this program is thrown on. */
function report(error: unknown): number {
  // Commander has written its message; asked for help or the version, it "fails" with 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageExitCode
  const line = failureLine(error)
  if (line === undefined) throw error
  process.stderr.write(line.replace(/^/gm, 'flowproxy: ') + '\n')
  return exitCodeOf(error)
}
