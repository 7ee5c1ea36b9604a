/**
 * Makes the certificates of Hubble and makes them anew before they end. Only Secrets that it has made itself are
 * touched: what somebody has put there is theirs.
 *
 * Rules: 1 no authority: make one; 2 a certificate of another authority, another name, or with less than a third of its
 * time left: make it anew; 3 anything else stays. Everything belongs to ConfigMap cilium-config and goes with it.
 */
import {X509Certificate} from 'node:crypto'
import {authoritySecret, hubbleCertificates, type WantedCertificate} from '../api/hubble-names.ts'
import type {KubeClient} from '../k8s/client.ts'
import {type Objects, objects} from '../k8s/objects.ts'
import {type ConfigMap, resources, type Secret} from '../k8s/resources.ts'
import {CiliumError, hasCode} from '../runtime/errors.ts'
import type {Log} from '../runtime/log.ts'
import {createAuthority, issueCertificate, type KeyAndCertificate} from '../runtime/x509.ts'

const madeBy = 'cilium.io/certificate-made-by'
const madeByUs = 'cilium-operator'
const authorityName = 'Cilium CA'

export interface CertificateOptions {
  readonly client: KubeClient
  readonly namespace: string
  readonly clusterName: string
  readonly validMs: number
  /** wall clock, ms */
  readonly now: () => number
  readonly log: Log
}

export class Certificates {
  readonly #options: CertificateOptions
  readonly #secrets: Objects<Secret>

  constructor(options: CertificateOptions) {
    this.#options = options
    this.#secrets = objects<Secret>(options.client, resources.secrets)
  }

  /** Looks at all of them once. Idempotent. */
  async run(signal: AbortSignal): Promise<void> {
    const {client, namespace, clusterName, validMs, now, log} = this.#options
    const config = await objects<ConfigMap>(client, resources.configMaps).get(
      {namespace, name: 'cilium-config'},
      {signal},
    )
    const owner = {apiVersion: 'v1', kind: 'ConfigMap', name: 'cilium-config', uid: config.metadata.uid!}
    const authority = await this.#authority(owner, signal)
    if (authority === undefined) {
      log.warn('no certificates can be made: the key of the authority is not in its Secret', {object: authoritySecret})
      return
    }
    for (const wanted of hubbleCertificates(clusterName)) {
      const known = await this.#find(wanted.secret, signal)
      if (known !== undefined && (!isOurs(known) || isGood(known, authority, wanted, validMs, now()))) continue
      const request = {commonName: wanted.name, hosts: [wanted.name], usages: wanted.usages, validMs}
      const made = issueCertificate(authority, subjectOf(authority), request, now())
      await this.#write(wanted.secret, made, authority.certificate, owner, signal)
      log.info('made a certificate', {object: wanted.secret, name: wanted.name, renewed: known !== undefined})
    }
  }

  async #authority(owner: Owner, signal: AbortSignal): Promise<KeyAndCertificate | undefined> {
    const known = await this.#find(authoritySecret, signal)
    if (known !== undefined) {
      const [certificate, key] = [text(known, 'ca.crt'), text(known, 'ca.key')]
      return certificate === undefined || key === undefined ? undefined : {certificate, key}
    }
    const made = createAuthority(authorityName, this.#options.now())
    const data = {'ca.crt': base64(made.certificate), 'ca.key': base64(made.key)}
    await this.#secrets.create({...this.#object(authoritySecret, owner), data}, {signal})
    return made
  }

  async #find(name: string, signal: AbortSignal): Promise<Secret | undefined> {
    try {
      return await this.#secrets.get({namespace: this.#options.namespace, name}, {signal})
    } catch (thrown) {
      if (hasCode(CiliumError.from(thrown), 'K8S_NOT_FOUND')) return undefined
      throw thrown
    }
  }

  async #write(
    name: string,
    {certificate, key}: KeyAndCertificate,
    authority: string,
    owner: Owner,
    signal: AbortSignal,
  ): Promise<void> {
    const data = {'ca.crt': base64(authority), 'tls.crt': base64(certificate), 'tls.key': base64(key)}
    const object = {...this.#object(name, owner), type: 'kubernetes.io/tls', data}
    await this.#secrets.apply(object, {fieldManager: madeByUs, force: true, signal})
  }

  #object(name: string, owner: Owner) {
    return {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name,
        namespace: this.#options.namespace,
        labels: {'app.kubernetes.io/part-of': 'cilium'},
        annotations: {[madeBy]: madeByUs},
        ownerReferences: [owner],
      },
    }
  }
}

interface Owner {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
}

function isOurs(secret: Secret): boolean {
  return secret.metadata.annotations?.[madeBy] === madeByUs
}

function isGood(
  secret: Secret,
  authority: KeyAndCertificate,
  {name}: WantedCertificate,
  validMs: number,
  now: number,
): boolean {
  const pem = text(secret, 'tls.crt')
  if (pem === undefined || text(secret, 'tls.key') === undefined || text(secret, 'ca.crt') !== authority.certificate)
    return false
  try {
    const certificate = new X509Certificate(pem)
    const left = Date.parse(certificate.validTo) - now
    return (
      certificate.verify(new X509Certificate(authority.certificate).publicKey) &&
      certificate.subjectAltName === `DNS:${name}` &&
      left > validMs / 3
    )
  } catch {
    return false // no certificate at all
  }
}

/** Of an authority that somebody else made, the issuer's name must be its own. */
function subjectOf({certificate}: KeyAndCertificate): string {
  return /CN=(.*)/.exec(new X509Certificate(certificate).subject)?.[1] ?? authorityName
}

function text({data}: Secret, key: string): string | undefined {
  const value = data?.[key]
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString()
}

function base64(value: string): string {
  return Buffer.from(value).toString('base64')
}
