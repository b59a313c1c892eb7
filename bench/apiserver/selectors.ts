import { labelsOf, selectableField, type StoredObject } from './objects.ts'

/** Whether a request wants to see an object. */
export type Selector = (object: StoredObject) => boolean

/** Throws SyntaxError for a selector that the API server would answer with 400. */
export function labelSelector(text: string): Selector {
  const terms = splitTerms(text).map(labelTerm)
  return (object) => {
    const labels = labelsOf(object)
    return terms.every((isMet) => isMet(labels))
  }
}

/** Throws SyntaxError as `labelSelector` does. */
export function fieldSelector(text: string): Selector {
  const terms = splitTerms(text).map((term) => {
    const { key, isEqual, value } = comparison(term) ?? wrong(term)
    return (object: StoredObject) => ((selectableField(object, key) ?? '') === value) === isEqual
  })
  return (object) => terms.every((isMet) => isMet(object))
}

type Labels = Readonly<Record<string, string>>

function labelTerm(term: string): (labels: Labels) => boolean {
  const compared = comparison(term)
  if (compared !== undefined) {
    const { key, isEqual, value } = compared
    return (labels) => (labels[key] === value) === isEqual
  }
  const [, key, word, list] = /^([\w./-]+) +(in|notin) +\(([^()]*)\)$/.exec(term) ?? []
  if (key !== undefined && list !== undefined) {
    const values = list.split(',').map((value) => value.trim())
    return (labels) => values.includes(labels[key] ?? '') === (word === 'in')
  }
  const [, not, name] = /^(!?)([\w./-]+)$/.exec(term) ?? wrong(term)
  return (labels) => Object.hasOwn(labels, name ?? '') === (not === '')
}

function comparison(term: string): { key: string; isEqual: boolean; value: string } | undefined {
  const [, key, operator, value] = /^([\w./-]+) *(==?|!=) *([\w.:-]*)$/.exec(term) ?? []
  return key === undefined ? undefined : { key, isEqual: operator !== '!=', value: value ?? '' }
}

/** At the commas that are not inside parentheses. */
function splitTerms(text: string): string[] {
  return text === '' ? [] : text.split(/,(?![^(]*\))/).map((term) => term.trim())
}

function wrong(term: string): never {
  throw new SyntaxError(`unable to parse requirement: ${term}`)
}
