/* Writes each case as one line of JSON, for a test runner that is somewhere else. */
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'

/** What became of one case; `path` is its name behind those of its suites. */
export type CaseResult = {
  readonly path: readonly string[]
  readonly ms: number
  /** The error, if it failed. */
  readonly failure?: string
}

/** What such a line begins with: other text may be in between. */
export const resultMark = 'case: '

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const names: string[] = []
  for await (const { type, data } of events) {
    if (type === 'test:start') names[data.nesting] = data.name
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const { name, nesting, details } = data
    const error = type === 'test:fail' ? (data.details.error as FailedTest) : undefined
    // A suite is a case only where something besides its cases failed; those are cancelled then.
    if (details.type === 'suite' && (error === undefined || error.failureType === 'subtestsFailed')) continue
    if (error?.failureType === 'cancelledByParent') continue
    const result: CaseResult = {
      path: [...names.slice(0, nesting), name],
      ms: Math.round(details.duration_ms),
      ...(error !== undefined && { failure: inspect(error.cause ?? error) }),
    }
    yield `${resultMark}${JSON.stringify(result)}\n`
  }
}

type FailedTest = Error & { readonly failureType?: string }
