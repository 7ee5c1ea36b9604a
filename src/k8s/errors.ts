/** Error codes of src/k8s. */
import {declareErrors} from '../runtime/errors.ts'

export const k8sErrors = declareErrors({
  K8S_NO_CONFIG: {
    what: 'no cluster is configured: no kubeconfig at {path}, and this is not a pod',
    advice: 'give --kubeconfig or set KUBECONFIG',
  },
  K8S_CONFIG_INVALID: {
    what: 'kubeconfig {path} cannot be used: {detail}',
    advice: 'correct the file, or give another with --kubeconfig',
  },
  K8S_CONTEXT_UNKNOWN: {
    what: 'there is no context "{context}" in {path}',
    advice: 'choose one of: {contexts}',
  },
  K8S_EXEC_AUTH_FAILED: {
    what: 'the credential plugin {command} of the kubeconfig failed: {detail}',
    advice: 'run the plugin by hand to see why; log in again when the session has expired',
  },
  K8S_UNREACHABLE: {
    what: 'cannot reach the API server {server}: {detail}',
    advice:
      'check that the cluster runs and that this machine can reach it, and that the kubeconfig names the right server',
  },
  K8S_TLS: {
    what: 'the certificate of the API server {server} is not accepted: {detail}',
    advice: 'check certificate-authority and tls-server-name in the kubeconfig, and the clock of this machine',
  },
  K8S_TIMEOUT: {
    what: 'the API server {server} did not answer {request} within {timeoutMs} ms',
    advice: 'try again; when it stays so the API server is overloaded or the network in between loses packets',
  },
  K8S_UNAUTHORIZED: {
    what: 'the API server does not know who is asking ({request})',
    advice:
      'the token or certificate has expired or belongs to another cluster: log in again or choose another context',
  },
  K8S_FORBIDDEN: {
    what: 'not allowed to {request}: {detail}',
    advice: 'ask for a role that allows it; `kubectl auth can-i` shows what is allowed',
  },
  K8S_NOT_FOUND: {
    what: 'not found: {request}: {detail}',
    advice: 'check name and namespace; a kind that is not found needs its CustomResourceDefinition',
  },
  K8S_CONFLICT: {
    what: 'somebody else changed it meanwhile: {request}: {detail}',
    advice: 'read it again and repeat the change',
  },
  K8S_ALREADY_EXISTS: {
    what: 'exists already: {request}: {detail}',
    advice: 'choose another name, or change the object that is there',
  },
  K8S_EXPIRED: {
    what: 'the version asked for is too old: {request}: {detail}',
    advice: 'list again and go on from there',
  },
  K8S_INVALID: {
    what: 'the API server does not accept the object: {request}: {detail}',
    advice: 'correct the fields it names',
  },
  K8S_BAD_REQUEST: {
    what: 'the API server does not understand the request: {request}: {detail}',
    advice: 'the API server may be of a version that does not know this; check the versions',
  },
  K8S_THROTTLED: {
    what: 'the API server is overloaded and refuses {request}: {detail}',
    advice: 'try again later',
  },
  K8S_SERVER_ERROR: {
    what: 'the API server failed ({status}) at {request}: {detail}',
    advice: 'try again; look at the log of the API server when it stays so',
  },
  K8S_BAD_ANSWER: {
    what: 'the answer to {request} cannot be read: {detail}',
    advice: 'check that the address is that of a Kubernetes API server and that no proxy changes its answers',
  },
  K8S_STREAM_FAILED: {
    what: 'the stream to {target} was not opened or broke: {detail}',
    advice: 'check that the node of the pod is reachable from the API server, then try again',
  },
  K8S_OUTPUT_TOO_LARGE: {
    what: 'the command in {target} wrote more than {limit} bytes',
    advice: 'ask for less, or take the output to a file',
  },
  K8S_PORT_TAKEN: {
    what: 'local port {port} cannot be opened: {detail}',
    advice: 'give another port, or 0 for any free one',
  },
  K8S_KIND_UNKNOWN: {
    what: 'the cluster does not know the kind {kind} of {apiVersion}',
    advice: 'install the CustomResourceDefinition or the API that serves it first',
  },
})
