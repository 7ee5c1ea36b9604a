import {expect, test} from 'vitest'
import type {Service} from '../../../../src/api/models.ts'
import {serviceTable} from '../../../../src/cli/dbg/service.ts'

const service = (ip: string, port: number, backends: readonly string[], more: object = {}): Service => {
  const spec = {
    'frontend-address': {ip, port, protocol: 'tcp' as const, ...more},
    'backend-addresses': backends.map((one) => ({ip: one, port: 8080, protocol: 'TCP', state: 'active' as const})),
    flags: {type: 'ClusterIP' as const},
  }
  return {spec, status: {realized: spec}}
}

test('a service has a row, its further backends one each below it', () => {
  const text = serviceTable([service('10.96.0.10', 80, ['10.0.0.5', '10.0.0.6']), service('fd00::1', 443, [])])

  expect(text.split('\n').map((line) => line.trimEnd())).toEqual([
    'Frontend            Service Type   Backend',
    '10.96.0.10:80/TCP   ClusterIP      1 => 10.0.0.5:8080/TCP (active)',
    '                                   2 => 10.0.0.6:8080/TCP (active)',
    '[fd00::1]:443/TCP   ClusterIP',
    '',
  ])
})

test('what is not in the datapath yet has no backends, and the view from inside is marked', () => {
  const {spec} = service('10.96.0.10', 80, ['10.0.0.5'], {scope: 'internal'})

  expect(serviceTable([{spec: spec!}])).toMatch(/^10\.96\.0\.10:80\/TCP\/i +ClusterIP\s+$/m)
})
