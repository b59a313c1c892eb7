import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { textLine } from '../../src/cli/log.ts'

describe('the log as text', () => {
  const time = new Date(2026, 10, 22, 16, 5, 9, 12).getTime()
  const line = (fields: object): string => textLine(JSON.stringify({ time, ...fields }), 17)

  test('has one line for each message, in the form of Kubernetes components', () => {
    assert.equal(
      line({ level: 30, family: 'IPv4', services: 3, msg: 'synced' }),
      'I1122 16:05:09.012000      17 flowproxy] "synced" family="IPv4" services=3\n',
    )
  })

  test('begins with the severity', () => {
    const letters = [10, 20, 30, 40, 50, 60].map((level) => line({ level, msg: '' })[0])
    assert.deepEqual(letters, ['I', 'I', 'I', 'W', 'E', 'F'])
  })

  test('stays one line whatever it tells', () => {
    const text = line({ level: 50, err: { message: 'a\nb' }, msg: 'two\n"lines"' })
    assert.equal(text.indexOf('\n'), text.length - 1)
    assert.match(text, /flowproxy\] "two\\n\\"lines\\"" err=\{"message":"a\\nb"\}\n$/)
  })
})
