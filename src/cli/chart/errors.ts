import {declareErrors} from '../../runtime/errors.ts'

export const {
  CHART_UNREADABLE,
  TEMPLATE_INVALID,
  TEMPLATE_FAILED,
  VALUES_REFUSED,
  VALUES_INVALID,
  VALUES_CONTRADICT,
  VALUES_FILE_UNREADABLE,
  SET_SYNTAX,
  RELEASE_UNREADABLE,
} = declareErrors({
  CHART_UNREADABLE: {what: 'chart {path} cannot be read: {detail}', advice: 'name a folder that holds Chart.yaml'},
  TEMPLATE_INVALID: {
    what: 'template {at}: {detail}',
    advice: 'keep to the template subset of docs/reference/chart-templates.md',
  },
  TEMPLATE_FAILED: {what: 'template {at}: {detail}', advice: 'correct the template or the values it is given'},
  VALUES_REFUSED: {what: '{detail}', advice: 'change the values; docs/reference/values.md lists them all'},
  VALUES_INVALID: {what: 'values are not valid: {detail}', advice: 'docs/reference/values.md lists all values'},
  VALUES_CONTRADICT: {
    what: '{old} (today: {today}) contradicts {path}={value}',
    advice: 'give only one of them, in the spelling of today',
  },
  VALUES_FILE_UNREADABLE: {
    what: 'values file {path} cannot be read: {detail}',
    advice: 'give a YAML file that holds a map of values',
  },
  SET_SYNTAX: {what: '--set {text}: {detail}', advice: 'write path=value, such as ipam.mode=kubernetes or list={a,b}'},
  RELEASE_UNREADABLE: {
    what: 'the stored release {name} cannot be read: {detail}',
    advice: 'see "helm history"; the Secret may have been cut or made by another tool',
  },
})
