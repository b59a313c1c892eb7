import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { environmentProxy } from '../../src/kube/environment-proxy.ts'

const proxy = 'http://proxy.test:3128'

describe('the proxy of the environment', () => {
  test('is the one for the server’s scheme, in upper or lower case', () => {
    const https = new URL('https://api.test')
    const http = new URL('http://api.test')
    assert.equal(environmentProxy(https, { HTTPS_PROXY: proxy }), proxy)
    assert.equal(environmentProxy(https, { https_proxy: proxy }), proxy)
    assert.equal(environmentProxy(https, { HTTP_PROXY: proxy }), undefined)
    assert.equal(environmentProxy(http, { HTTP_PROXY: proxy }), proxy)
    assert.equal(environmentProxy(http, { HTTPS_PROXY: '', http_proxy: 'proxy.test:3128' }), proxy)
    assert.equal(environmentProxy(https, {}), undefined)
  })

  const cases: readonly { server: string; noProxy: string; isProxied: boolean }[] = [
    { server: 'https://localhost:6443', noProxy: '', isProxied: false },
    { server: 'https://127.1.2.3:6443', noProxy: '', isProxied: false },
    { server: 'https://[::1]:6443', noProxy: '', isProxied: false },
    { server: 'https://10.96.0.1', noProxy: '*', isProxied: false },
    { server: 'https://10.96.0.1', noProxy: 'a.test, 10.96.0.0/12', isProxied: false },
    { server: 'https://10.112.0.1', noProxy: '10.96.0.0/12', isProxied: true },
    { server: 'https://10.96.0.1', noProxy: 'fd00::/8,10.96.0.1', isProxied: false },
    { server: 'https://10.96.0.1', noProxy: '10.96.0.1:6443', isProxied: true },
    { server: 'https://10.96.0.1:6443', noProxy: '10.96.0.1:6443', isProxied: false },
    { server: 'https://[fd00::1]', noProxy: 'fd00::/8', isProxied: false },
    { server: 'https://[fd00::1]', noProxy: '[fd00::1]:443', isProxied: false },
    { server: 'https://api.test', noProxy: 'API.test', isProxied: false },
    { server: 'https://a.api.test', noProxy: 'api.test', isProxied: false },
    { server: 'https://a.api.test', noProxy: '.api.test', isProxied: false },
    { server: 'https://api.test', noProxy: '.api.test', isProxied: true },
    { server: 'https://myapi.test', noProxy: 'api.test', isProxied: true },
    { server: 'https://api.test', noProxy: '10.0.0.0/99,,/', isProxied: true },
  ]
  for (const { server, noProxy, isProxied } of cases) {
    test(`is ${isProxied ? '' : 'not '}used for ${server} with NO_PROXY=${noProxy}`, () => {
      const env = { HTTPS_PROXY: proxy, NO_PROXY: noProxy }
      assert.equal(environmentProxy(new URL(server), env), isProxied ? proxy : undefined)
    })
  }
})
