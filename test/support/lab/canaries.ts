/** Two hundred texts that no archive may show, planted where clusters keep secrets. */

export interface Canaries {
  readonly texts: readonly string[]
  /** objects to apply */
  readonly objects: readonly object[]
  /** Helm values, as for --set-string */
  readonly values: readonly string[]
}

/**
 * @param image of pods that carry some
 * @param seed makes the texts differ from run to run
 */
export function plantCanaries(image: string, seed: number): Canaries {
  const texts = Array.from({length: 200}, (_, i) => `canary${i}x${((i + 1) * 7919 * seed).toString(36)}q`)
  let at = 0
  const take = (count: number) => texts.slice(at, (at += count))
  const named = <T>(list: readonly string[], make: (text: string, name: string) => T) =>
    list.map((text, i) => make(text, `name${i}`))
  const map = (list: readonly string[]) => Object.fromEntries(named(list, (text, name) => [name, text]))
  const secret = (namespace: string, list: readonly string[], type = 'Opaque') => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {name: `planted-${namespace}`, namespace},
    type,
    stringData: map(list),
  })

  const ours = take(30)
  const elsewhere = take(30)
  const environment = take(40)
  const headers = take(30)
  const tokens = take(20)
  const annotations = take(10)
  const settings = take(10)
  const chart = take(10)
  const rules = take(10)
  const repeated = take(10)
  const objects = [
    secret('kube-system', [...ours, ...repeated]),
    secret('default', elsewhere),
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {name: 'planted', namespace: 'kube-system'},
      data: {
        ...Object.fromEntries(settings.map((text, i) => [`part-${i}.yaml`, `user: me\npassword: ${text}\n`])),
        // Secrets of our namespace, in the clear and in base64, under names that say nothing
        repeated: repeated.map((text, i) => (i % 2 === 0 ? text : Buffer.from(text).toString('base64'))).join(' and '),
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'planted',
        namespace: 'kube-system',
        labels: {app: 'planted'},
        annotations: Object.fromEntries(annotations.map((text, i) => [`example.org/api-token-${i}`, text])),
      },
      spec: {
        terminationGracePeriodSeconds: 0,
        tolerations: [{operator: 'Exists'}],
        containers: [
          {
            name: 'main',
            image,
            imagePullPolicy: 'Never',
            command: ['test-workload', '--http', '8080'],
            env: named(environment, (value, name) => ({name: name.toUpperCase(), value})),
            livenessProbe: {
              httpGet: {
                path: '/',
                port: 8080,
                httpHeaders: named(headers, (value, name) => ({name: `X-${name}`, value})),
              },
            },
          },
          {
            name: 'side',
            image,
            imagePullPolicy: 'Never',
            // also in its log
            command: ['sh', '-c', 'echo "$@"; exec sleep infinity', 'sh', ...tokens.map((text) => `--token=${text}`)],
          },
        ],
      },
    },
    {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: {name: 'planted', namespace: 'default'},
      spec: {
        endpointSelector: {matchLabels: {app: 'nobody'}},
        ingress: [
          {
            toPorts: [
              {
                ports: [{port: '80', protocol: 'TCP'}],
                rules: {http: [{headerMatches: named(rules, (value, name) => ({name: `X-${name}`, value}))}]},
              },
            ],
          },
        ],
      },
    },
  ]
  const values = chart.flatMap((text, i) => [
    `operator.extraEnv[${i}].name=PLANTED${i}`,
    `operator.extraEnv[${i}].value=${text}`,
  ])
  return {texts, objects, values}
}
