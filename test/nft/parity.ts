import assert from 'node:assert/strict'
import { encodeElements } from '../../src/nft/elements.ts'
import type { TableContents, TableRef } from '../../src/nft/objects.ts'
import { renderTable } from '../../src/nft/render.ts'
import { createTable, type Operation } from '../../src/nft/transaction.ts'
import { comparableListing, freshKernel } from './kernel.ts'

/**
 * A table that nft loads from text is the same table when our code dumps it and sends it to another kernel,
 * is rendered as nft lists it, and is the same table again when nft loads that.
 */
export async function assertParity(
  test: Parameters<typeof freshKernel>[0],
  table: TableRef,
  text: string,
): Promise<void> {
  const [original, copy, reloaded] = [freshKernel(test), freshKernel(test), freshKernel(test)]
  original.load(text)
  const contents = await original.read(table)
  const rendered = renderTable(contents)
  assert.equal(comparableListing(rendered), original.listing())
  await copy.connection.commit(operationsFor(contents))
  assert.equal(copy.bytecode(), original.bytecode())
  assert.equal(copy.listing(), original.listing())
  reloaded.load(rendered)
  assert.equal(reloaded.listing(), original.listing())
}

/** The operations that make all of a table, its elements last because verdicts name chains. */
export function operationsFor(contents: TableContents): Operation[] {
  const { table } = contents
  return [
    ...createTable(contents),
    ...contents.sets.map((set): Operation => {
      const elements = encodeElements(contents.elements.get(set.name) ?? [])
      return { verb: 'add', object: 'element', table, set, elements }
    }),
  ]
}

/** A table that our code makes is listed by nft as we render it, and is the same table when nft loads that text. */
export async function assertListedAsRendered(
  test: Parameters<typeof freshKernel>[0],
  contents: TableContents,
): Promise<void> {
  const [ours, reloaded] = [freshKernel(test), freshKernel(test)]
  await ours.connection.commit(operationsFor(contents))
  const rendered = renderTable(contents)
  assert.equal(comparableListing(rendered), ours.listing())
  reloaded.load(rendered)
  assert.equal(reloaded.listing(), ours.listing())
  assert.equal(reloaded.bytecode(), ours.bytecode())
}
