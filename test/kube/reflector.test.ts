import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { following, service, watching } from './following.ts'
import { status, until } from './scripted-api-server.ts'

describe('the first list', () => {
  test('is asked for as a stream of events, and goes on as a watch', async () => {
    await following(async ({ server, reflector, expect, synced }) => {
      const request = await server.next()
      assert.equal(request.path, '/api/v1/services')
      assert.deepEqual(request.query, {
        watch: 'true',
        allowWatchBookmarks: 'true',
        timeoutSeconds: '300',
        sendInitialEvents: 'true',
        resourceVersionMatch: 'NotOlderThan',
        labelSelector: '!service.kubernetes.io/service-proxy-name',
        fieldSelector: 'spec.clusterIP!=None',
      })
      request.accept().event('ADDED', service('cart', '7')).event('ADDED', service('till', '3'))
      await expect('cart@7', 'till@3')
      assert.equal(synced(), 0)
      assert.equal(reflector.status.isConnected, false)
      request.endOfList('9')
      await until(() => synced() === 1)
      assert.equal(reflector.status.isConnected, true)
      assert.equal(reflector.status.resourceVersion, '9')
      request.event('MODIFIED', service('cart', '11')).event('DELETED', service('till', '12'))
      await expect('cart@11', '-till')
      assert.equal(reflector.status.resourceVersion, '12')
      assert.equal(synced(), 1)
      assert.equal(reflector.status.objects, 1)
    })
  })

  test('may be empty', async () => {
    await following(async ({ server, synced }) => {
      const request = await server.next()
      request.accept().endOfList('9')
      await until(() => synced() === 1)
      assert.equal(synced(), 1)
    })
  })

  for (const code of [400, 422]) {
    test(`comes as a list from the server's cache when the server answers a streamed one with ${code}`, async () => {
      await following(async ({ server, reflector, expect, synced, pausesMs }) => {
        const streamed = await server.next()
        streamed.refuse(code, 'Invalid')
        const list = await server.next()
        assert.equal(list.query['watch'], undefined)
        assert.equal(list.query['resourceVersion'], '0')
        assert.equal(list.query['limit'], undefined)
        assert.equal(list.query['fieldSelector'], 'spec.clusterIP!=None')
        list.list('9', [service('cart', '7'), service('till', '3')])
        await expect('cart@7', 'till@3')
        const watch = await server.next()
        assert.equal(synced(), 1)
        assert.equal(watch.query['resourceVersion'], '9')
        assert.equal(watch.query['allowWatchBookmarks'], 'true')
        assert.equal(watch.isStreamedList, false)
        assert.equal(reflector.status.watchRestarts, 0)
        assert.deepEqual(pausesMs, [])
      })
    })
  }

  test('comes as a plain list when a stream ends without the bookmark', async () => {
    await following(async ({ server, expect }) => {
      const streamed = await server.next()
      streamed.accept().event('ADDED', service('cart', '7')).end()
      await expect('cart@7')
      const list = await server.next()
      assert.equal(list.isWatch, false)
      list.list('9', [service('cart', '7'), service('till', '8')])
      await expect('till@8')
    })
  })

  test('comes as a plain list when a stream falls silent before the bookmark', async () => {
    await following(async ({ server, clock, expect, expectProblems, passPause }) => {
      const streamed = await server.next()
      streamed.accept().event('ADDED', service('cart', '7'))
      await expect('cart@7')
      await clock.goTo(60_000)
      await expectProblems(/^warning: services: list: nothing came for 60 s; /)
      await passPause()
      const list = await server.next()
      assert.equal(list.isWatch, false)
      list.list('9', [service('cart', '7')])
      await expectProblems(/^info: services: connected again after 61 s$/)
    })
  })

  test('is read page by page when the server gives a token, and watched from the version of the first page', async () => {
    await following(async ({ server, expect, synced }) => {
      const streamed = await server.next()
      streamed.refuse(422, 'Invalid')
      const first = await server.next()
      first.list('9', [service('cart', '7')], 'page 2')
      const second = await server.next()
      assert.equal(second.query['continue'], 'page 2')
      assert.equal(second.query['limit'], '500')
      assert.equal(second.query['resourceVersion'], undefined)
      await expect('cart@7')
      assert.equal(synced(), 0)
      second.list('9', [service('till', '8')], 'page 3')
      const third = await server.next()
      assert.equal(third.query['continue'], 'page 3')
      third.list('10', null)
      await expect('till@8')
      const watch = await server.next()
      assert.equal(watch.query['resourceVersion'], '9')
      assert.equal(synced(), 1)
    })
  })

  test('begins anew when the token has expired, without repeating what was delivered', async () => {
    await following(async ({ server, expect, passPause, synced }) => {
      const streamed = await server.next()
      streamed.refuse(422, 'Invalid')
      const first = await server.next()
      first.list('9', [service('cart', '7'), service('gone', '2')], 'page 2')
      await expect('cart@7', 'gone@2')
      const second = await server.next()
      second.refuse(410, 'Expired')
      await passPause()
      const again = await server.next()
      assert.equal(again.query['continue'], undefined)
      again.list('12', [service('cart', '7'), service('till', '11')])
      await expect('till@11', '-gone')
      const watch = await server.next()
      assert.equal(watch.query['resourceVersion'], '12')
      assert.equal(synced(), 1)
    })
  })

  test('without items, version or end is a failure', async () => {
    await following(async ({ server, expect, expectProblems, passPause, synced }) => {
      const streamed = await server.next()
      streamed.refuse(400, 'BadRequest')
      const answers = ['{"metadata":{"resourceVersion":"5"}}', '{"items":[]}', '{"items":[{"kind"', '<html>', '']
      for (const answer of answers) {
        const list = await server.next()
        list.accept().write(answer).end()
        await passPause()
      }
      await expectProblems(/no items in what should be a list at byte 36/, /list: it has no resourceVersion/)
      const list = await server.next()
      assert.equal(synced(), 0)
      list.list('9', [service('cart', '7')])
      await expect('cart@7')
      await expectProblems(/^info: services: connected again after \d+ s$/)
    })
  })
})

describe('a watch', () => {
  test('that ends goes on from the last event, or the last bookmark, without a list', async () => {
    await watching([service('cart', '7')], async ({ server, reflector, expect, pausesMs }, first) => {
      first.event('MODIFIED', service('cart', '11')).end()
      await expect('cart@11')
      const second = await server.next()
      assert.equal(second.query['resourceVersion'], '11')
      second.accept().bookmark('40').end()
      const third = await server.next()
      assert.equal(third.query['resourceVersion'], '40')
      assert.equal(third.isStreamedList, false)
      assert.deepEqual(pausesMs, [])
      assert.equal(reflector.status.watchRestarts, 2)
      assert.equal(reflector.status.relists, 0)
    })
  })

  test('that ends at once and got nowhere is tried again after a pause', async () => {
    await watching([], async ({ server, pausesMs, expectProblems, passPause }, first) => {
      first.end()
      const second = await server.next()
      second.accept().end()
      await expectProblems(/^warning: services: watch: the server ended it at once; /)
      assert.deepEqual(pausesMs, [800])
      await passPause()
      const third = await server.next()
      assert.equal(third.query['resourceVersion'], '10')
    })
  })

  test('delivers a Service that gets the label of another proxy as deleted, however the server says it', async () => {
    const label = { labels: { 'service.kubernetes.io/service-proxy-name': '' } }
    await watching([service('cart', '7'), service('till', '8')], async ({ expect }, watch) => {
      watch.event('DELETED', service('cart', '11', {}, label))
      await expect('-cart')
      watch.event('MODIFIED', service('till', '12', {}, label))
      await expect('-till')
      watch.event('MODIFIED', service('till', '13', {}, label))
      watch.event('ADDED', service('till', '14'))
      await expect('till@14')
    })
  })

  test('delivers nothing for an object that is deleted and was never delivered', async () => {
    await watching([], async ({ expect }, watch) => {
      watch.event('DELETED', service('cart', '11')).event('ADDED', service('till', '12'))
      await expect('till@12')
    })
  })

  test('complains once about events of an unknown type, and once about each version of a bad object', async () => {
    await watching([], async ({ expect, expectProblems }, watch) => {
      watch.event('RENAMED', service('cart', '11')).event('RENAMED', service('cart', '12'))
      await expectProblems(/^warning: services: events of type "RENAMED" are not known and not used$/)
      const nameless = { kind: 'Service', apiVersion: 'v1', metadata: { resourceVersion: '13' }, spec: {} }
      watch.event('ADDED', nameless).event('MODIFIED', nameless)
      watch.event('MODIFIED', { ...nameless, metadata: { resourceVersion: '14' } })
      await expectProblems(...[1, 2].map(() => /^warning: Service default\/\(no name\): metadata\.name: is missing$/))
      watch.event('ADDED', { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'cart', resourceVersion: '15' } })
      await expectProblems(/^warning: Pod .*cart: kind: v1 Pod is not read by a service proxy$/)
      watch.event('ADDED', null)
      await expectProblems(/^warning: null: kind: is not a Kubernetes object$/)
      watch.event('ADDED', service('till', '16', { ports: [{ port: 0 }, { port: 80 }] }))
      await expect('till@16')
      await expectProblems(/^warning: Service shop\/till: spec\.ports\[0\]\.port: 0 is not /)
    })
  })

  test('that the server has forgotten is followed by a list, delivered as the difference', async () => {
    for (const isInStream of [true, false]) {
      const known = [service('cart', '7'), service('till', '8'), service('gone', '9')]
      await watching(known, async ({ server, reflector, expect, passPause, synced }, watch) => {
        if (isInStream) watch.event('ERROR', status(410, 'Expired'))
        else {
          watch.end()
          const next = await server.next()
          next.refuse(410, 'Expired')
        }
        await passPause()
        const list = await server.next()
        assert.equal(list.isStreamedList, true)
        list.accept().event('ADDED', service('cart', '7')).event('ADDED', service('till', '31'))
        list.event('ADDED', service('new', '30')).endOfList('40')
        await expect('till@31', 'new@30', '-gone')
        list.event('MODIFIED', service('new', '41'))
        await expect('new@41')
        assert.equal(reflector.status.relists, 1)
        assert.equal(reflector.status.objects, 3)
        assert.equal(synced(), 1)
      })
    }
  })

  test('that was forgotten by a server without streamed lists is followed by a list as of now, in pages', async () => {
    await following(async ({ server, expect, passPause }) => {
      const streamed = await server.next()
      streamed.refuse(422, 'Invalid')
      const first = await server.next()
      first.list('9', [service('cart', '7'), service('gone', '2')])
      await expect('cart@7', 'gone@2')
      const watch = await server.next()
      watch.refuse(410, 'Expired')
      await passPause()
      const list = await server.next()
      assert.equal(list.query['watch'], undefined)
      assert.equal(list.query['resourceVersion'], undefined)
      assert.equal(list.query['limit'], '500')
      list.list('20', [service('cart', '7')])
      await expect('-gone')
      const next = await server.next()
      assert.equal(next.query['resourceVersion'], '20')
    })
  })

  test('whose version the server takes for none at all is followed by a list', async () => {
    await watching([service('cart', '7')], async ({ server, expectProblems, passPause }, watch) => {
      watch.event('ERROR', status(400, 'BadRequest'))
      await expectProblems(/^warning: services: watch: 400 BadRequest: it is BadRequest; /)
      await passPause()
      const list = await server.next()
      assert.equal(list.isStreamedList, true)
      list.accept().event('ADDED', service('cart', '7')).endOfList('3')
      await expectProblems(/^info: services: connected again after 1 s$/)
    })
  })

  test('delivers what came before the text that cannot be read', async () => {
    const flaws: readonly (readonly [text: string, pattern: RegExp])[] = [
      ['<html>', /expected \{ at byte \d+: ".*<html>"/],
      ['{"type":"ADDED","object":{', /the stream ends inside an object at byte \d+/],
      ['{"type":]}', /not JSON \(.*\) at byte \d+/],
      ['{"kind":"ServiceList"}', /watch: \{"kind":"ServiceList"\} is not a watch event/],
    ]
    for (const [text, pattern] of flaws) {
      await watching([], async ({ server, expect, expectProblems, passPause }, watch) => {
        watch.end()
        const broken = await server.next()
        broken.accept().event('ADDED', service('cart', '11')).write(text).end()
        await expect('cart@11')
        await expectProblems(pattern)
        await passPause()
        const next = await server.next()
        assert.equal(next.query['resourceVersion'], '11')
        next.accept().bookmark('12')
        await expectProblems(/^info: services: connected again after 1 s$/)
      })
    }
  })

  test('whose connection is cut goes on where it was', async () => {
    await watching([service('cart', '7')], async ({ server, expectProblems, expect, passPause }, watch) => {
      watch.bookmark('15')
      watch.event('MODIFIED', service('cart', '16'))
      await expect('cart@16')
      watch.reset()
      await expectProblems(/^warning: services: .*; tried again until it works, what is known stays in force$/)
      await passPause()
      const next = await server.next()
      assert.equal(next.query['resourceVersion'], '16')
      next.accept().event('MODIFIED', service('cart', '17'))
      await expect('cart@17')
      await expectProblems(/connected again/)
    })
  })

  test('may be silent for as long as it lasts, and is given up half a minute later', async () => {
    await watching([], async ({ server, clock, expectProblems, passPause, reflector }, first) => {
      first.end()
      const watch = await server.next()
      assert.equal(watch.query['timeoutSeconds'], '300')
      watch.accept()
      const arrivals = server.arrivals
      await clock.goTo(329_999)
      assert.equal(server.arrivals, arrivals)
      assert.equal(reflector.status.isConnected, true)
      await clock.goTo(330_000)
      await expectProblems(/^warning: services: nothing arrived; /)
      await passPause()
      const next = await server.next()
      assert.equal(next.query['resourceVersion'], '10')
      next.accept()
      // The answer's headers have to arrive before the clock is moved.
      await until(() => clock.scheduled === 2)
      await clock.goTo(clock.now() + 5_000)
      await expectProblems(/^info: services: connected again after 6 s$/)
    })
  })
})

describe('an outage', () => {
  test('is met with longer and longer pauses, reported once, and over with one line', async () => {
    await watching([service('cart', '7')], async (following) => {
      const { reflector, clock, pausesMs, expect, expectProblems, passPause, stopServer, startServer } = following
      await stopServer()
      for (let attempt = 0; attempt < 10; attempt++) await passPause()
      assert.deepEqual(pausesMs.slice(0, 10), [800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000, 30_000])
      await expectProblems(/^warning: services: .*; tried again until it works, what is known stays in force$/)
      assert.equal(reflector.status.isConnected, false)
      assert.equal(reflector.status.objects, 1)
      assert.match(reflector.status.lastError ?? '', /ECONNREFUSED/)
      const server = await startServer()
      await passPause()
      const watch = await server.next()
      assert.equal(watch.query['resourceVersion'], '10')
      watch.accept().event('MODIFIED', service('cart', '50'))
      await expect('cart@50')
      await expectProblems(/^info: services: connected again after 200 s$/)
      assert.equal(reflector.status.sinceMs, clock.now())
    })
  })

  test('that ends with a server that has forgotten where we were is followed by a list without another long pause', async () => {
    await watching([], async (following) => {
      const { pausesMs, expectProblems, passPause, stopServer, startServer } = following
      await stopServer()
      for (let attempt = 0; attempt < 4; attempt++) await passPause()
      const server = await startServer()
      await passPause()
      const watch = await server.next()
      watch.refuse(410, 'Expired')
      await passPause()
      const list = await server.next()
      list.accept().endOfList('99')
      await expectProblems(/^warning/, /^info/)
      assert.deepEqual(pausesMs, [800, 1600, 3200, 6400, 12_800, 800])
    })
  })

  test('after two minutes without one begins with the shortest pause', async () => {
    await watching([], async ({ server, clock, pausesMs, expectProblems, passPause }, watch) => {
      watch.reset()
      await passPause()
      const second = await server.next()
      second.accept().bookmark('11')
      await expectProblems(/^warning/, /^info/)
      await clock.goTo(clock.now() + 119_999)
      second.reset()
      await passPause()
      const third = await server.next()
      third.accept().bookmark('12')
      await expectProblems(/^warning/, /^info/)
      await clock.goTo(clock.now() + 120_000)
      third.reset()
      await passPause()
      assert.deepEqual(pausesMs, [800, 1600, 800])
      await expectProblems(/^warning/)
    })
  })

  test('lasts as long as a server that is too busy says', async () => {
    await following(async ({ server, pausesMs, expectProblems, passPause }) => {
      const first = await server.next()
      first.refuse(429, 'TooManyRequests', { headers: { 'Retry-After': '7' } })
      await passPause()
      const second = await server.next()
      assert.equal(second.isStreamedList, true)
      second.refuse(503, 'ServiceUnavailable', { details: { retryAfterSeconds: 20 } })
      await passPause()
      const third = await server.next()
      third.refuse(500, 'InternalError')
      await passPause()
      assert.deepEqual(pausesMs, [7_000, 20_000, 3_200])
      await expectProblems(
        /^warning: services: list: 429 TooManyRequests: it is TooManyRequests; /,
        /^warning: services: list: 503 ServiceUnavailable/,
        /^warning: services: list: 500 InternalError/,
      )
    })
  })

  test('in which something is forbidden or not there is an error, reported once for each reason', async () => {
    await following(async ({ server, expectProblems, passPause, synced }) => {
      for (const [code, reason] of [
        [401, 'Unauthorized'],
        [403, 'Forbidden'],
        [403, 'Forbidden'],
        [404, 'NotFound'],
        [403, 'Forbidden'],
      ] as const) {
        const request = await server.next()
        assert.equal(request.isStreamedList, true)
        request.refuse(code, reason)
        await passPause()
      }
      await expectProblems(
        /^error: services: list: 401 Unauthorized: it is Unauthorized; /,
        /^error: services: list: 403 Forbidden: it is Forbidden; /,
        /^error: services: list: 404 NotFound: it is NotFound; /,
      )
      assert.equal(synced(), 0)
    })
  })
})
