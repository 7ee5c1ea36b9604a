/** The flags of `cilium connectivity test`, and what they mean. */
import {Flags, type Interfaces} from '@oclif/core'
import {fail} from '../../runtime/errors.ts'
import {durationFlag} from '../duration-flag.ts'
import {outputFlag} from '../output-format.ts'
import {TEST_FLAG_INVALID} from './errors.ts'
import type {ConnectivityOptions, Family} from './options.ts'
import {splitPatterns} from './selection.ts'

const list = (summary: string, char?: Interfaces.AlphabetLowercase) =>
  Flags.string({summary, multiple: true, multipleNonGreedy: true, ...(char === undefined ? {} : {char})})

export const connectivityFlags = {
  test: list(
    'run only tests that match this regular expression over "test/scenario"; with ! before it, leave those out',
  ),
  list: Flags.boolean({summary: 'list the tests and run none'}),
  cleanup: Flags.boolean({summary: 'only remove everything that earlier runs have made'}),
  'test-concurrency': Flags.integer({summary: 'namespaces to test in at the same time', default: 1, min: 1, max: 50}),
  'test-namespace': Flags.string({summary: 'namespace of the test; -1, -2, … is added', default: 'cilium-test'}),
  'test-image': Flags.string({summary: 'image of the workloads; that of the agents when not given'}),
  'single-node': Flags.boolean({summary: 'leave out what needs two nodes; found out when not given', allowNo: true}),
  'force-deploy': Flags.boolean({summary: 'make the workloads anew'}),
  timeout: durationFlag({name: 'timeout', summary: 'give up after this long; 0 means never', default: '0s'}),
  verbose: Flags.boolean({char: 'v', summary: 'show each action as it ends'}),
  debug: Flags.boolean({char: 'd', summary: 'show also commands, what they print, and stack traces'}),
  timestamp: Flags.boolean({char: 't', summary: 'begin each line with the time'}),
  'pause-on-fail': Flags.boolean({char: 'p', summary: 'wait for Enter after each failure'}),
  'junit-file': Flags.string({summary: 'write a JUnit report to this file'}),
  'junit-property': list('KEY=VALUE for the JUnit report, repeatable'),
  'exit-zero-on-failure': Flags.boolean({summary: 'exit with 0 even when tests fail'}),
  'ip-families': Flags.string({summary: 'address families to test', default: 'ipv4,ipv6'}),
  'node-selector': list('KEY=VALUE of nodes to test on, repeatable'),
  tolerations: list('key of a taint that test pods tolerate, repeatable'),
  'namespace-labels': list('KEY=VALUE for the test namespace, repeatable'),
  'service-type': Flags.string({
    summary: 'type of the services of echo pods',
    options: ['NodePort', 'ClusterIP', 'LoadBalancer'],
    default: 'NodePort',
  }),
  'external-target': Flags.string({summary: 'name outside of the cluster', default: 'one.one.one.one.'}),
  'external-other-target': Flags.string({summary: 'another name outside', default: 'k8s.io.'}),
  'external-ip': Flags.string({summary: 'IPv4 address outside', default: '1.1.1.1'}),
  'external-other-ip': Flags.string({summary: 'another IPv4 address outside', default: '1.0.0.1'}),
  'external-ipv6': Flags.string({summary: 'IPv6 address outside', default: '2606:4700:4700::1111'}),
  'external-other-ipv6': Flags.string({summary: 'another IPv6 address outside', default: '2606:4700:4700::1001'}),
  'external-target-ipv6-capable': Flags.boolean({summary: 'the outside names have IPv6 addresses', allowNo: true}),
  'external-target-tls': Flags.boolean({summary: 'the outside targets speak TLS on port 443', allowNo: true}),
  'outside-exec': Flags.string({
    summary: 'words before a command that run it on a machine outside of the cluster, such as "ssh host"',
  }),
  'connect-timeout': durationFlag({name: 'connect-timeout', summary: 'for a connection to be made', default: '2s'}),
  'request-timeout': durationFlag({name: 'request-timeout', summary: 'for a whole request', default: '10s'}),
  retry: Flags.integer({summary: 'further tries for outside targets', default: 3, min: 0, max: 20}),
  'retry-delay': durationFlag({name: 'retry-delay', summary: 'between tries', default: '3s'}),
  'k8s-localhost-test': Flags.boolean({
    summary: 'test policies about nodes of the control plane and the API server on them',
  }),
  'agent-pod-selector': Flags.string({summary: 'label of agent pods', default: 'k8s-app=cilium'}),
  'agent-daemonset-name': Flags.string({summary: 'name of the agent DaemonSet', default: 'cilium'}),
  output: outputFlag(['summary', 'json', 'yaml', 'jsonpath']),
}

export type ConnectivityFlags = Interfaces.InferredFlags<typeof connectivityFlags>

/** @throws TEST_FLAG_INVALID */
export function readOptions(flags: ConnectivityFlags): ConnectivityOptions {
  const given = <Key extends string, T>(key: Key, value: T | undefined) =>
    (value === undefined ? {} : {[key]: value}) as Partial<Record<Key, T>>
  return {
    tests: splitPatterns(flags.test ?? []),
    concurrency: flags['test-concurrency'],
    namespacePrefix: flags['test-namespace'],
    ...given('singleNode', flags['single-node']),
    forceDeploy: flags['force-deploy'],
    timeoutMs: flags.timeout,
    pauseOnFail: flags['pause-on-fail'],
    ...given('junitFile', flags['junit-file']),
    junitProperties: keyValues('junit-property', flags['junit-property']),
    exitZeroOnFailure: flags['exit-zero-on-failure'],
    families: readFamilies(flags['ip-families']),
    ...given('image', flags['test-image']),
    nodeSelector: keyValues('node-selector', flags['node-selector']),
    tolerations: flags.tolerations ?? [],
    namespaceLabels: keyValues('namespace-labels', flags['namespace-labels']),
    serviceType: flags['service-type'] as ConnectivityOptions['serviceType'],
    external: {
      target: flags['external-target'],
      otherTarget: flags['external-other-target'],
      ip: flags['external-ip'],
      otherIp: flags['external-other-ip'],
      ipv6: flags['external-ipv6'],
      otherIpv6: flags['external-other-ipv6'],
      ...given('targetHasIpv6', flags['external-target-ipv6-capable']),
      ...given('tls', flags['external-target-tls']),
    },
    outsideExec: flags['outside-exec']?.split(/\s+/).filter((word) => word !== '') ?? [],
    connectTimeoutMs: flags['connect-timeout'],
    requestTimeoutMs: flags['request-timeout'],
    retries: flags.retry,
    retryDelayMs: flags['retry-delay'],
    k8sLocalhost: flags['k8s-localhost-test'],
    agentSelector: flags['agent-pod-selector'],
    agentDaemonSet: flags['agent-daemonset-name'],
  }
}

function readFamilies(text: string): readonly Family[] {
  const families = text.split(',').map((word) => word.trim().toLowerCase())
  if (families.length === 0 || families.some((word) => word !== 'ipv4' && word !== 'ipv6')) {
    fail(TEST_FLAG_INVALID, {flag: 'ip-families', text, advice: 'write ipv4, ipv6, or ipv4,ipv6'})
  }
  return [...new Set(families as Family[])]
}

function keyValues(flag: string, texts: readonly string[] | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(
    (texts ?? [])
      .flatMap((text) => text.split(','))
      .map((text) => {
        const split = text.indexOf('=')
        if (split < 1) fail(TEST_FLAG_INVALID, {flag, text, advice: 'write KEY=VALUE'})
        return [text.slice(0, split), text.slice(split + 1)]
      }),
  )
}
