/** Of the media types that are offered the one that the header Accept values most; the first where it has no wish. */
export function negotiate<const T extends string>(accept: string | undefined, offers: readonly [T, ...T[]]): T {
  const wishes = (accept ?? '*/*').split(',').map(parseWish)
  let [best, bestQuality]: [T, number] = [offers[0], 0]
  for (const offer of offers) {
    const quality = Math.max(0, ...wishes.filter(({ type }) => type === offer).map(({ quality }) => quality))
    if (quality > bestQuality) [best, bestQuality] = [offer, quality]
  }
  return best
}

function parseWish(text: string): { readonly type: string; readonly quality: number } {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
  return { type, quality: quality === undefined ? 1 : Number(quality) || 0 }
}
