/* Bob Jenkins' lookup3 as include/linux/jhash.h has it, on little-endian machines. */

const JHASH_INITVAL = 0xdeadbeef

/** The 32-bit hash that the kernel's jhash() gives for the same bytes and seed. */
export function jhash(key: Uint8Array, seed: number): number {
  const words = new Uint32Array(3).fill(JHASH_INITVAL + key.length + seed)
  let at = 0
  for (; key.length - at > 12; at += 12) {
    addWords(words, key, at, 12)
    mix(words)
  }
  if (at === key.length) return words[2] ?? 0
  addWords(words, key, at, key.length - at)
  finish(words)
  return words[2] ?? 0
}

/** reciprocal_scale(): a 32-bit value scaled down to 0..modulus-1 without a division. */
export function scaled(value: number, modulus: number): number {
  return Number((BigInt(value) * BigInt(modulus)) >> 32n)
}

function addWords(words: Uint32Array, key: Uint8Array, at: number, len: number): void {
  for (let index = 0; index < len; index++) {
    const word = index >> 2
    words[word] = (words[word] ?? 0) + ((key[at + index] ?? 0) << (8 * (index & 3)))
  }
}

/** Rows: which word is changed, by which other one, rotated by how much, and which one is added to it afterwards. */
const mixRounds = [
  [0, 2, 4, 1],
  [1, 0, 6, 2],
  [2, 1, 8, 0],
  [0, 2, 16, 1],
  [1, 0, 19, 2],
  [2, 1, 4, 0],
] as const

/** `a -= c; a ^= rol32(c, 4); c += b;` and so on */
function mix(words: Uint32Array): void {
  for (const [changed, by, bits, added] of mixRounds) {
    const other = words[by] ?? 0
    words[changed] = ((words[changed] ?? 0) - other) ^ rotated(other, bits)
    words[by] = other + (words[added] ?? 0)
  }
}

const finalRounds = [
  [2, 1, 14],
  [0, 2, 11],
  [1, 0, 25],
  [2, 1, 16],
  [0, 2, 4],
  [1, 0, 14],
  [2, 1, 24],
] as const

/** `c ^= b; c -= rol32(b, 14);` and so on */
function finish(words: Uint32Array): void {
  for (const [changed, by, bits] of finalRounds) {
    const other = words[by] ?? 0
    words[changed] = ((words[changed] ?? 0) ^ other) - rotated(other, bits)
  }
}

function rotated(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
