import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { hexdump } from '../../src/netlink/hexdump.ts'
import { needs, tool } from '../lab/requirements.ts'

describe('hexdump', () => {
  test('a row is offset, two groups of eight bytes, and text', () => {
    const bytes = Buffer.concat([Buffer.from('kube-proxy'), Buffer.of(0, 127, 31, 32, 126, 255, 1)])
    assert.equal(
      hexdump(bytes, 0x40),
      [
        '00000040  6b 75 62 65 2d 70 72 6f  78 79 00 7f 1f 20 7e ff  |kube-proxy... ~.|',
        '00000050  01                                                |.|',
      ].join('\n'),
    )
  })

  test('nothing gives nothing', () => assert.equal(hexdump(new Uint8Array(0)), ''))

  test('reads as hexdump -C prints it', needs(tool('hexdump')), () => {
    const bytes = Uint8Array.from({ length: 77 }, (_, i) => (i * 37) & 0xff)
    const { stdout } = spawnSync('hexdump', ['-Cv'], { input: bytes, encoding: 'utf8' })
    assert.equal(hexdump(bytes), stdout.split('\n').slice(0, -2).join('\n'))
  })
})
