import {declareErrors} from '../../runtime/errors.ts'

export const {UI_FLAG_INVALID, UI_LISTEN_FAILED, UI_ASSETS_MISSING, UI_FILTER_INVALID} = declareErrors({
  UI_FLAG_INVALID: {
    what: 'hubble-ui does not take {flag}: {detail}',
    advice:
      'flags are --listen-address, --relay, --base-url, --allowed-hosts, --max-pages, --tls, --tls-ca-cert-file, --tls-client-cert-file, --tls-client-key-file, --tls-server-name',
  },
  UI_LISTEN_FAILED: {
    what: 'hubble-ui cannot listen on {address}: {detail}',
    advice: 'free it, or set --listen-address',
  },
  UI_ASSETS_MISSING: {
    what: 'the files of the page are not in {folder}',
    advice: 'build them: npm run bundle',
  },
  UI_FILTER_INVALID: {
    what: '{name}={value} is no filter',
    advice: 'verdict is a list of forwarded, denied, dropped, audited; port a number up to 65535',
  },
})
