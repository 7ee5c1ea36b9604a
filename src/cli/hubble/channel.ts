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
  const read = (file: string | undefined) => (file === undefined ? null : readFileSync(file))
  const authorities =
    options.tlsCaFiles.length === 0 ? null : Buffer.concat(options.tlsCaFiles.map((file) => readFileSync(file)))
  return credentials.createSsl(authorities, read(options.tlsKeyFile), read(options.tlsCertFile), {
    ...(options.tlsAllowInsecure ? {rejectUnauthorized: false} : {}),
  })
}
