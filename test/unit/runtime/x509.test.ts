import {X509Certificate} from 'node:crypto'
import {expect, test} from 'vitest'
import {createAuthority, issueCertificate} from '../../../src/runtime/x509.ts'

const authority = createAuthority('lab')
const now = Date.UTC(2026, 0, 1)

test('a server certificate is signed by the authority and names every host', () => {
  const server = issueCertificate(authority, 'lab', {
    commonName: 'api',
    hosts: ['a.b', '10.96.0.1', 'fd00::1'],
    usages: ['server'],
  })

  const certificate = new X509Certificate(server.certificate)
  expect(certificate.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true)
  expect(certificate.checkHost('a.b')).toBe('a.b')
  expect(certificate.checkIP('10.96.0.1')).toBe('10.96.0.1')
  expect(certificate.checkIP('fd00::1')).toBeDefined()
  expect(certificate.checkHost('c.d')).toBeUndefined()
  expect(certificate.ca).toBe(false)
})

test('a client certificate carries user and group', () => {
  const client = issueCertificate(authority, 'lab', {commonName: 'me', organization: 'us', usages: ['client']})

  const certificate = new X509Certificate(client.certificate)
  expect(certificate.subject).toBe('O=us\nCN=me')
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
})

test('a certificate of another authority does not verify', () => {
  const stranger = createAuthority('lab')
  const client = issueCertificate(stranger, 'lab', {commonName: 'me', usages: ['client']})

  expect(new X509Certificate(client.certificate).verify(new X509Certificate(authority.certificate).publicKey)).toBe(
    false,
  )
})

test('dates are right on both sides of 2050, where their encoding changes', () => {
  const early = new X509Certificate(createAuthority('lab', now).certificate)
  const late = new X509Certificate(createAuthority('lab', Date.UTC(2051, 5, 1)).certificate)

  expect(new Date(early.validFrom).toISOString()).toBe('2025-12-31T23:00:00.000Z')
  expect(new Date(late.validFrom).toISOString()).toBe('2051-05-31T23:00:00.000Z')
  expect(new Date(late.validTo).getUTCFullYear()).toBe(2061)
})
