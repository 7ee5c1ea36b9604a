/** Where the API server is: the endpoints of the service by which pods reach it. */
import type {Ip} from '../../model/ip.ts'
import type {Tables} from '../state/tables.ts'

export const apiService = 'default/kubernetes'

type Slices = Pick<Tables, 'endpointSlices'>

export function apiServerIps({endpointSlices}: Slices): Ip[] {
  return endpointSlices.by('service', apiService).flatMap(({endpoints}) => endpoints.map(({ip}) => ip))
}

export function apiServerPorts({endpointSlices}: Slices): number[] {
  return endpointSlices
    .by('service', apiService)
    .flatMap(({ports}) => ports.flatMap(({port}) => (port === undefined ? [] : [port])))
}
