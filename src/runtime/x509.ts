/**
 * Certificates: a small DER writer (X.690) and the X.509 v3 profile that Kubernetes components ask for (RFC 5280). Keys
 * are ECDSA P-256.
 */
import {createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign} from 'node:crypto'
import {Ip} from '../model/ip.ts'

export interface KeyAndCertificate {
  /** PEM, PKCS #8 */
  readonly key: string
  /** PEM */
  readonly certificate: string
}

export interface CertificateRequest {
  readonly commonName: string
  readonly organization?: string
  /** DNS names and IP addresses of a server; none for a client */
  readonly hosts?: readonly string[]
  readonly usages: readonly ('client' | 'server')[]
  /** ten years unless given */
  readonly validMs?: number
}

const oid = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const

const tenYearsMs = 10 * 365 * 24 * 3600 * 1000
/** Clocks of machines that share a kubeconfig differ. */
const backdateMs = 3600 * 1000

/** A self-signed authority. */
export function createAuthority(commonName: string, now: number = Date.now()): KeyAndCertificate {
  const key = newKey()
  const keyId = keyIdOf(key)
  const extensions = [
    extension(oid.basicConstraints, true, sequence(boolean(true))),
    extension(oid.keyUsage, true, bitString(Buffer.from([0x06]), 1)), // keyCertSign, cRLSign
    extension(oid.subjectKeyIdentifier, false, octetString(keyId)),
  ]
  const name = distinguishedName({commonName, usages: []})
  return {key, certificate: signed(key, name, name, key, extensions, now, tenYearsMs)}
}

/** A certificate signed by an authority. */
export function issueCertificate(
  authority: KeyAndCertificate,
  authorityName: string,
  request: CertificateRequest,
  now: number = Date.now(),
): KeyAndCertificate {
  const key = newKey()
  const usages = request.usages.map((usage) => objectId(usage === 'client' ? oid.clientAuth : oid.serverAuth))
  const extensions = [
    extension(oid.keyUsage, true, bitString(Buffer.from([0x80]), 7)), // digitalSignature
    extension(oid.extendedKeyUsage, false, sequence(...usages)),
    extension(oid.basicConstraints, true, sequence()),
    extension(oid.authorityKeyIdentifier, false, sequence(tagged(0x80, keyIdOf(authority.key)))),
    ...(request.hosts === undefined || request.hosts.length === 0
      ? []
      : [extension(oid.subjectAltName, false, sequence(...request.hosts.map(generalName)))]),
  ]
  const issuer = distinguishedName({commonName: authorityName, usages: []})
  const validMs = request.validMs ?? tenYearsMs
  return {key, certificate: signed(authority.key, issuer, distinguishedName(request), key, extensions, now, validMs)}
}

/** A key pair as PEM, for what is signed without certificates (service account tokens). */
export function createSigningKey(): {readonly key: string; readonly publicKey: string} {
  const key = newKey()
  return {key, publicKey: createPublicKey(key).export({type: 'spki', format: 'pem'}).toString()}
}

function signed(
  signer: string,
  issuer: Buffer,
  subject: Buffer,
  subjectKey: string,
  extensions: readonly Buffer[],
  now: number,
  validMs: number,
): string {
  const algorithm = sequence(objectId(oid.ecdsaWithSha256))
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x7f) | 0x40 // positive, and no leading zeros
  const toBeSigned = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    algorithm,
    issuer,
    sequence(time(now - backdateMs), time(now + validMs)),
    subject,
    createPublicKey(subjectKey).export({type: 'spki', format: 'der'}),
    tagged(0xa3, sequence(...extensions)),
  )
  const signature = sign('sha256', toBeSigned, createPrivateKey(signer))
  const der = sequence(toBeSigned, algorithm, bitString(signature, 0))
  const lines = der.toString('base64').match(/.{1,64}/g)!
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function newKey(): string {
  return generateKeyPairSync('ec', {namedCurve: 'P-256'}).privateKey.export({type: 'pkcs8', format: 'pem'}).toString()
}

/** RFC 5280 4.2.1.2, method 1: SHA-1 of the public key's bits. */
function keyIdOf(key: string): Buffer {
  const spki = createPublicKey(key).export({type: 'spki', format: 'der'})
  return createHash('sha1').update(spki.subarray(-65)).digest()
}

function distinguishedName(request: CertificateRequest): Buffer {
  const attribute = (type: string, value: string) =>
    tagged(0x31, sequence(objectId(type), tagged(0x0c, Buffer.from(value, 'utf8'))))
  return sequence(
    ...(request.organization === undefined ? [] : [attribute(oid.organization, request.organization)]),
    attribute(oid.commonName, request.commonName),
  )
}

function generalName(host: string): Buffer {
  const ip = Ip.parse(host)
  if (ip === undefined) return tagged(0x82, Buffer.from(host, 'ascii'))
  const bytes = ip.toMappedBytes()
  return tagged(0x87, Buffer.from(ip.family === 4 ? bytes.subarray(12) : bytes))
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(objectId(id), ...(critical ? [boolean(true)] : []), octetString(value))
}

/** UTCTime until 2049, GeneralizedTime after it (RFC 5280 4.1.2.5). */
function time(atMs: number): Buffer {
  const digits = new Date(atMs).toISOString().replace(/[-:T]|\.\d+/g, '')
  return digits < '2050' ? tagged(0x17, Buffer.from(digits.slice(2))) : tagged(0x18, Buffer.from(digits))
}

function objectId(text: string): Buffer {
  const [first, second, ...rest] = text.split('.').map(Number)
  const bytes = [first! * 40 + second!, ...rest].flatMap((part) => {
    const groups = [part & 0x7f]
    for (let left = part >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80)
    return groups
  })
  return tagged(0x06, Buffer.from(bytes))
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts))
}

function boolean(value: boolean): Buffer {
  return tagged(0x01, Buffer.from([value ? 0xff : 0]))
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes)
}

function octetString(bytes: Buffer): Buffer {
  return tagged(0x04, bytes)
}

function bitString(bytes: Buffer, unusedBits: number): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.from([unusedBits]), bytes]))
}

function tagged(tag: number, content: Buffer): Buffer {
  const {length} = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const bytes: number[] = []
  for (let left = length; left > 0; left >>>= 8) bytes.unshift(left & 0xff)
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length, ...bytes]), content])
}
