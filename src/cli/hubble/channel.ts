/** The channel of gRPC to a server of Hubble. */
import {readFileSync} from 'node:fs'
import {Client, credentials, Metadata} from '@grpc/grpc-js'
import type {ServerOptions} from './server-options.ts'

/** Opens nothing yet: it connects when it is used. @param secured with TLS */
export function openChannel(options: ServerOptions, secured: boolean): {client: Client; metadata: Metadata} {
  const metadata = new Metadata()
  if (options.basicAuth !== undefined) {
    const {username, password} = options.basicAuth
    metadata.set('authorization', `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`)
  }
  const client = new Client(
    options.server.replace(/^tls:\/\//, ''),
    secured ? secureCredentials(options) : credentials.createInsecure(),
    {
      ...(options.tlsServerName === undefined ? {} : {'grpc.ssl_target_name_override': options.tlsServerName}),
      'grpc.max_receive_message_length': 64 << 20,
    },
  )
  return {client, metadata}
}

function secureCredentials(options: ServerOptions) {
  const {tlsAuthorities, tlsCertificate, tlsCaFiles, tlsCertFile, tlsKeyFile} = options
  const given = tlsCaFiles.length === 0 ? undefined : Buffer.concat(tlsCaFiles.map((file) => readFileSync(file)))
  const pem = (file: string | undefined, text: string | undefined) =>
    file !== undefined ? readFileSync(file) : text === undefined ? null : Buffer.from(text)
  return credentials.createSsl(
    given ?? pem(undefined, tlsAuthorities),
    pem(tlsKeyFile, tlsCertificate?.key),
    pem(tlsCertFile, tlsCertificate?.certificate),
    options.tlsAllowInsecure ? {rejectUnauthorized: false} : {},
  )
}
