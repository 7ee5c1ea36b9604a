/** What policies refer to by name: CIDR groups and services, as the tables have them. */
import {objectLabels, type References} from '../../policy/universe.ts'
import type {Tables} from '../state/tables.ts'

export function referencesOf({
  cidrGroups,
  policyServices,
  endpointSlices,
}: Pick<Tables, 'cidrGroups' | 'policyServices' | 'endpointSlices'>): References {
  return {
    cidrGroups: cidrGroups.sorted().map(({name, labels, cidrs}) => ({name, labels: objectLabels(labels), cidrs})),
    services: policyServices.sorted().map(({namespace, name, labels, selector}) => ({
      ...{namespace, name, selector},
      labels: objectLabels(labels),
      backends:
        selector === undefined
          ? endpointSlices.by('service', `${namespace}/${name}`).flatMap(({endpoints}) => endpoints.map(({ip}) => ip))
          : [],
    })),
  }
}
