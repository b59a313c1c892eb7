import { type GivenFlag, nameOf, valueOf } from './flag-values.ts'
import type { KubeProxyConfiguration } from './kube-proxy-configuration.ts'
import { serverPorts } from './merge-flags.ts'

/** Something to be logged at the start. */
export type Note = { readonly level: 'info' | 'warn'; readonly message: string }

/** Says which of the given flags do nothing. */
export function notesOnFlags(
  given: readonly GivenFlag[],
  acting: readonly GivenFlag[],
  configuration: KubeProxyConfiguration,
): readonly Note[] {
  const ignored = given.filter((flag) => !acting.includes(flag))
  const ofOtherModes = acting.filter(({ flag }) => flag.otherMode)
  const idlePorts = serverPorts.filter(({ flag, sets }) => {
    const port = valueOf(acting, flag) as number | undefined
    return port !== undefined && port !== 0 && !configuration[sets].endsWith(`:${port}`)
  })
  return [
    ...warning(ignored.length > 0, `with --config these flags do nothing: ${names(ignored)}`),
    ...warning(ofOtherModes.length > 0, `in mode nftables these flags do nothing: ${names(ofOtherModes)}`),
    ...idlePorts.flatMap(({ flag, sets }) =>
      warning(true, `--${flag} does nothing: the address has a port already, ${configuration[sets]}`),
    ),
  ]
}

/** What a configuration means that one may not expect of it; it is the one before run-time defaults. */
export function notesOnConfiguration({ mode, logging }: KubeProxyConfiguration): readonly Note[] {
  return [
    ...(mode === ''
      ? [{ level: 'info', message: 'the mode is empty and means nftables, the only one here' } as const]
      : []),
    ...warning(logging.vmodule.length > 0, 'logging.vmodule does nothing: the verbosity is one for all files'),
  ]
}

function warning(isNeeded: boolean, message: string): readonly Note[] {
  return isNeeded ? [{ level: 'warn', message }] : []
}

function names(flags: readonly GivenFlag[]): string {
  return flags.map(({ flag }) => nameOf(flag)).join(', ')
}
