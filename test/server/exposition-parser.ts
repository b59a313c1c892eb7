import assert from 'node:assert/strict'

export type Sample = {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export type MetricFamily = {
  readonly type: string
  readonly help: string
  readonly samples: readonly Sample[]
}

/** The suffixes that samples of a type have in the text format 0.0.4. */
const suffixes: Readonly<Record<string, readonly string[]>> = {
  counter: [''],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
}

/**
 * Reads the text format of Prometheus, version 0.0.4, strictly: each metric has help, type and samples in this order and
 * in one place; names, labels and numbers are well-formed; the buckets of histograms are sorted and never shrink.
 */
export function parseExposition(text: string): Map<string, MetricFamily> {
  assert.ok(text.endsWith('\n'), 'the text ends with a line feed')
  const families = new Map<string, MetricFamily & { samples: Sample[] }>()
  let current = ''
  const lines = text.split('\n').filter((line) => line !== '')
  for (const [index, line] of lines.entries()) {
    const help = /^# HELP ([a-z_]+) (\S.*)$/.exec(line)
    if (help !== null) {
      const [, name = '', sentence = ''] = help
      const [, typeName, type = ''] = /^# TYPE ([a-z_]+) ([a-z]+)$/.exec(lines[index + 1] ?? '') ?? []
      assert.equal(typeName, name, `the type of ${name} follows its help`)
      assert.ok(type in suffixes, `${type} is a type`)
      assert.ok(!families.has(name), `${name} is described once`)
      families.set(name, { type, help: sentence, samples: [] })
      current = name
    } else if (!line.startsWith('# TYPE ')) {
      const family = families.get(current)
      assert.ok(family !== undefined, `${line} belongs to a metric`)
      const sample = parseSample(line)
      const isExpected = suffixes[family.type]?.some((suffix) => sample.name === `${current}${suffix}`)
      assert.ok(isExpected, `${sample.name} belongs to ${current}`)
      family.samples.push(sample)
    }
  }
  for (const [name, family] of families) if (family.type === 'histogram') checkHistogram(name, family)
  return families
}

/** The value of one series; undefined when it has not appeared. */
export function valueOf(
  families: ReadonlyMap<string, MetricFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''))
  return family?.samples.find((sample) => sample.name === name && isEqual(sample.labels, labels))?.value
}

/** The upper bounds of a histogram's buckets, without infinity. */
export function bucketsOf({ samples }: MetricFamily): number[] {
  const bounds = samples.flatMap(({ labels }) =>
    labels.le === undefined ? [] : Number(labels.le.replace('+Inf', 'Infinity')),
  )
  return [...new Set(bounds)].filter(Number.isFinite)
}

function parseSample(line: string): Sample {
  const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line)
  assert.ok(match !== null, `a sample: ${line}`)
  const [, name = '', labelText = '', value = ''] = match
  const labels: Record<string, string> = {}
  const rest = labelText.replace(
    /([a-z_]+)="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?!$)|$)/g,
    (_all, label: string, text: string) => {
      assert.ok(!(label in labels), `${line} has each label once`)
      labels[label] = text
      return ''
    },
  )
  assert.equal(rest, '', `labels are well-formed: ${line}`)
  assert.match(value, /^(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|\+Inf|-Inf|NaN)$/i)
  return { name, labels, value: Number(value.replace('Inf', 'Infinity')) }
}

function checkHistogram(name: string, { samples }: MetricFamily): void {
  const series = Map.groupBy(samples, ({ labels: { le: _le, ...labels } }) => JSON.stringify(labels))
  for (const [labels, samples] of series) {
    const buckets = samples.filter((sample) => sample.name === `${name}_bucket`)
    const bounds = buckets.map(({ labels }) => Number((labels.le ?? '').replace('+Inf', 'Infinity')))
    assert.deepEqual(
      bounds,
      bounds.toSorted((a, b) => a - b),
    )
    assert.equal(bounds.at(-1), Infinity, `${name}${labels} has a bucket for all`)
    const counts = buckets.map(({ value }) => value)
    assert.deepEqual(
      counts,
      counts.toSorted((a, b) => a - b),
    )
    assert.equal(samples.find((sample) => sample.name === `${name}_count`)?.value, counts.at(-1))
    assert.equal(samples.filter((sample) => sample.name === `${name}_sum`).length, 1)
  }
}

function isEqual(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}
