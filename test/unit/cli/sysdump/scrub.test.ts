import {describe, expect, test} from 'vitest'
import {Scrubber} from '../../../../src/cli/sysdump/scrub.ts'

/** Two hundred texts that must not leave the cluster, each with its number. */
const canaries = Array.from({length: 200}, (_, i) => `canary-${i}-${(i * 7919 + 104729).toString(36)}-x`)
const part = (from: number) => canaries.slice(from, from + 25)
const base64 = (text: string) => Buffer.from(text).toString('base64')

/** A cluster's objects with canaries in all the places where secrets lie. */
const planted = {
  items: [
    {kind: 'Secret', data: Object.fromEntries(part(0).map((text, i) => [`key${i}`, base64(text)]))},
    {kind: 'Secret', stringData: Object.fromEntries(part(25).map((text, i) => [`key${i}`, text]))},
    {kind: 'Pod', spec: {containers: [{name: 'a', env: part(50).map((value, i) => ({name: `ANYTHING_${i}`, value}))}]}},
    {
      kind: 'Pod',
      spec: {
        initContainers: [{name: 'b', args: part(75).map((text) => `--api-token=${text}`)}],
        containers: [
          {
            name: 'c',
            livenessProbe: {httpGet: {httpHeaders: part(100).map((value) => ({name: 'X-Any', value}))}},
          },
        ],
      },
    },
    {
      kind: 'CiliumNetworkPolicy',
      spec: {
        ingress: [
          {
            toPorts: [
              {
                rules: {
                  http: [
                    {
                      headers: part(125).slice(0, 12),
                      headerMatches: part(125)
                        .slice(12)
                        .map((value) => ({name: 'X', value})),
                    },
                  ],
                },
              },
            ],
          },
        ],
      },
    },
    {
      kind: 'ConfigMap',
      metadata: {
        annotations: {
          'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({data: part(150)}),
        },
      },
      data: Object.fromEntries(part(175).map((text, i) => [`db${i}.password`, text])),
    },
  ],
}

describe('the scrubber', () => {
  test('leaves none of two hundred planted secrets in objects', () => {
    const text = JSON.stringify(new Scrubber().value(planted))

    expect(canaries.filter((canary) => text.includes(canary) || text.includes(base64(canary)))).toEqual([])
  })

  test('keeps what tells how the cluster is made', () => {
    const text = JSON.stringify(new Scrubber().value(planted))

    for (const word of ['ANYTHING_3', 'X-Any', 'key7', 'db4.password', 'livenessProbe']) expect(text).toContain(word)
  })

  test('leaves none in logs, however they are written', () => {
    const forms = [
      (secret: string) => `level=info token=${secret} done`,
      (secret: string) => `{"password":"${secret}","x":1}`,
      (secret: string) => `curl -H "Authorization: Bearer ${secret}"`,
      (secret: string) => `https://user:${secret}@example.com/`,
      (secret: string) => `--client-secret ${secret} --verbose`,
      (secret: string) => `export MY_API_KEY='${secret}'`,
      (secret: string) => `X-Auth-Token: ${secret}`,
    ]
    const log = canaries.map((canary, i) => forms[i % forms.length]!(canary)).join('\n')

    const scrubbed = new Scrubber().text(log)

    expect(canaries.filter((canary) => scrubbed.includes(canary))).toEqual([])
    expect(scrubbed).toContain('level=info')
    expect(scrubbed.split('\n')).toHaveLength(200)
  })

  test('finds secrets of the cluster wherever they stand, also in base64 and as a line of many', () => {
    const scrubber = new Scrubber()
    scrubber.know(canaries.map((canary, i) => (i % 2 === 0 ? canary : `first line\n${canary}\nlast line`)))
    const log = canaries.map((canary, i) => (i % 3 === 0 ? base64(canary) : `said ${canary} aloud`)).join('\n')

    const scrubbed = scrubber.text(log)

    expect(canaries.filter((canary) => scrubbed.includes(canary) || scrubbed.includes(base64(canary)))).toEqual([])
    expect(scrubbed).toContain('aloud')
  })

  test('takes short and plain values for what they are', () => {
    const scrubber = new Scrubber()
    scrubber.know(['true', '12345678', 'short', ''])

    expect(scrubber.text('true 12345678 short')).toBe('true 12345678 short')
  })
})

test('JSON inside of texts is looked into, wherever it stands', () => {
  const policy = {spec: {http: [{headerMatches: [{name: 'X-Mine', value: 'canary-of-a-header'}]}]}}
  const inside = JSON.stringify({policy: JSON.stringify(policy)}, null, 2)
  const texts = [
    inside,
    `# a heading\n\n\`\`\`\n${inside}\n\`\`\`\n\nand so on\n`,
    `${inside}\nRevision: 7\n`,
    `first line\n${JSON.stringify(policy)}\n{not json}\n`,
  ]

  for (const text of texts) {
    const shown = new Scrubber().text(text)
    expect(shown).toContain('X-Mine')
    expect(shown).not.toContain('canary')
  }
  expect(new Scrubber().text(texts[1]!)).toMatch(/^# a heading\n\n```\n[\s\S]*\n```\n\nand so on\n$/)
  expect(new Scrubber().text(texts[3]!)).toContain('{not json}')
})

test('variables of any name for their list are hidden', () => {
  const shown = new Scrubber().value({operator: {extraEnv: [{name: 'PROXY', value: 'canary'}]}})

  expect(shown).toEqual({operator: {extraEnv: [{name: 'PROXY', value: '<redacted>'}]}})
})
