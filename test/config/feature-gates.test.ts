import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type FeatureGates, featureStates, gateProblem, isGateOn } from '../../src/config/feature-gates.ts'

describe('a feature gate', () => {
  const states: [set: FeatureGates, name: string, isOn: boolean][] = [
    [{}, 'AllowServiceExternalIPs', true],
    [{ AllowServiceExternalIPs: false }, 'AllowServiceExternalIPs', false],
    [{ AllAlpha: false, AllBeta: false }, 'AllowServiceExternalIPs', true],
    [{}, 'ComponentFlagz', true],
    [{ AllBeta: false }, 'ComponentFlagz', false],
    [{ AllBeta: false, ComponentFlagz: true }, 'ComponentFlagz', true],
    [{}, 'NativeHistograms', false],
    [{ AllAlpha: true }, 'NativeHistograms', true],
    [{ AllAlpha: true, NativeHistograms: false }, 'NativeHistograms', false],
    [{ AllBeta: true }, 'NativeHistograms', false],
    [{ AllBeta: true }, 'SELinuxMount', true],
    [{ AllBeta: false }, 'NFTablesProxyMode', true],
    [{ Guess: true }, 'Guess', false],
  ]
  for (const [set, name, isOn] of states) {
    test(`${name} is ${isOn ? 'on' : 'off'} with ${JSON.stringify(set)}`, () => assert.equal(isGateOn(set, name), isOn))
  }

  const problems: [name: string, isOn: boolean, problem: string | undefined][] = [
    ['AllowServiceExternalIPs', false, undefined],
    ['NFTablesNetlink', false, undefined],
    ['KubeProxyNFTablesLocalhostNodePorts', true, undefined],
    ['KubeProxyIPVS', false, undefined],
    ['LoggingBetaOptions', false, undefined],
    ['AllAlpha', true, undefined],
    ['AllBeta', false, undefined],
    ['PreferSameTrafficDistribution', true, undefined],
    ['PreferSameTrafficDistribution', false, 'cannot be set to false: it is locked to true'],
    ['MultiCIDRServiceAllocator', false, 'cannot be set to false: it is locked to true'],
    ['GitRepoVolumeDriver', true, 'cannot be set to true: it is locked to false'],
    ['allalpha', true, 'is not a feature gate of Kubernetes 1.36 or 1.37'],
    ['__proto__', true, 'is not a feature gate of Kubernetes 1.36 or 1.37'],
    ['', true, 'is not a feature gate of Kubernetes 1.36 or 1.37'],
  ]
  for (const [name, isOn, problem] of problems) {
    test(`${name}=${isOn} ${problem ?? 'is accepted'}`, () => assert.equal(gateProblem(name, isOn), problem))
  }
})

test('all gates are listed with their stage and whether they are on', () => {
  const states = new Map(featureStates({ NativeHistograms: true }).map((state) => [state.name, state]))
  const of = (name: string): unknown => states.get(name)
  assert.deepEqual(of('NativeHistograms'), { name: 'NativeHistograms', stage: 'ALPHA', isEnabled: true })
  assert.deepEqual(of('ComponentFlagz'), { name: 'ComponentFlagz', stage: 'BETA', isEnabled: true })
  assert.deepEqual(of('NFTablesProxyMode'), { name: 'NFTablesProxyMode', stage: '', isEnabled: true })
})
