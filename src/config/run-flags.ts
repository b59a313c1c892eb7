import { type Command, Option } from 'commander'
import { nameOf, type RunFlags } from './flag-values.ts'
import { type FlagKind, presetText, type RunFlag, runFlagGroups, runFlags } from './run-flag-table.ts'

/**
 * Adds the flags of `run`, which are written as kube-proxy's can be: `_` for `-` in names, switches alone or with
 * `=true` and `=false`. Arguments that are no flags are refused unless they are empty.
 */
export function addRunFlags(command: Command): Command {
  for (const { heading, flags } of runFlagGroups) {
    for (const flag of flags) command.addOption(commanderOption(flag).helpGroup(heading))
  }
  const parseOptions = command.parseOptions.bind(command)
  command.parseOptions = (argv) => parseOptions(plainArguments(argv))
  return command.allowExcessArguments().hook('preAction', (_command, called) => {
    const unexpected = called.args.find((argument) => argument !== '')
    if (unexpected !== undefined) called.error(`error: unexpected argument '${unexpected}'`)
  })
}

/** Whether only the version is asked for, which comes before everything else. */
export function asksForVersion({ version }: RunFlags): boolean {
  const [last] = [version].flat().slice(-1)
  return last !== undefined && last !== false && last !== 'false'
}

const placeholders: Readonly<Record<FlagKind, string>> = {
  boolean: '[boolean]',
  text: '<text>',
  integer: '<n>',
  number: '<n>',
  duration: '<duration>',
  ip: '<ip>',
  amount: '<amount>',
  'node-name': '<name>',
  'server-address': '<ip:port>',
  list: '<list>',
  gates: '<gate=boolean,...>',
  vmodule: '<pattern=level,...>',
}

function commanderOption(flag: RunFlag): Option {
  const value = flag.value === undefined ? placeholders[flag.kind] : `<${flag.value}>`
  const preset = presetText(flag)
  const mark = flag.withConfig ? ' *' : ''
  const help = `${flag.help}${preset === undefined ? '' : ` (default: ${preset})`}${mark}`
  const dashed = flag.name === 'v' ? '-v, --v' : `--${flag.name}`
  return new Option(`${dashed} ${value}`, help).argParser<readonly string[] | undefined>((text, before) => [
    ...(before ?? []),
    text,
  ])
}

const switches: ReadonlySet<string> = new Set([
  ...runFlags.filter(({ kind }) => kind === 'boolean').map(nameOf),
  '--version',
])

/** Arguments as commander takes them. A switch that stands alone must not take the next argument for its value. */
function plainArguments(argv: readonly string[]): string[] {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length
  return argv.map((argument, index) => {
    if (index >= end) return argument
    if (argument.startsWith('-v=')) return `-${argument}`
    if (!argument.startsWith('--')) return argument
    const [name = ''] = argument.split('=', 1)
    const dashed = name.replaceAll('_', '-')
    return switches.has(argument.replaceAll('_', '-')) ? `${dashed}=true` : dashed + argument.slice(name.length)
  })
}
