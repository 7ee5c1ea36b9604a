/** Names that the original command line tools execute in a container, as small shell scripts on top of ours. */
import type {TarEntry} from './tar.ts'

const bugtool = `#!/bin/sh
exec /usr/bin/cilium-dbg bugtool "$@"
`

/** The answers of the health socket; -o json is what tools read. */
const health = `#!/bin/sh
socket=/var/run/cilium/health.sock
ask() { exec curl -sS --fail --max-time 30 --unix-socket "$socket" "$@"; }
command=$1
case " $* " in
*" -o json "* | *" -ojson "* | *" --output json "* | *" --output=json "*) json=yes ;;
*) json= ;;
esac
case "$command" in
get) ask http://localhost/v1beta/healthz ;;
ping) ask -o /dev/null -w 'OK\\n' http://localhost/v1beta/status ;;
status)
  case " $* " in *" --probe "*) ask -X PUT http://localhost/v1beta/status/probe ;; esac
  [ -n "$json" ] && ask http://localhost/v1beta/status
  exec /usr/bin/cilium-dbg status --all-health
  ;;
*)
  echo "usage: cilium-health status [--probe] [-o json] | get | ping" >&2
  exit 2
  ;;
esac
`

/** There are no Go processes here: what can be said of one, by its number, from /proc. */
const gops = `#!/bin/sh
pid=\${2:-1}
case "$1" in
'') for each in /proc/[0-9]*; do printf '%s %s\\n' "\${each#/proc/}" "$(cat "$each/comm" 2>/dev/null)"; done ;;
stats) grep -E '^(Name|State|Threads|voluntary_ctxt|nonvoluntary)' "/proc/$pid/status" ;;
memstats) grep -E '^(Vm|Rss)' "/proc/$pid/status" ;;
stack) for task in /proc/$pid/task/*; do printf '%s %s\\n' "\${task##*/}" "$(cat "$task/wchan" 2>/dev/null)"; done ;;
*) echo "gops: $1 is not available: this is no Go process" >&2; exit 1 ;;
esac
`

export const toolScripts: readonly TarEntry[] = Object.entries({
  'cilium-bugtool': bugtool,
  'cilium-health': health,
  gops,
}).map(
  ([name, script]): TarEntry => ({path: `usr/bin/${name}`, kind: 'file', mode: 0o755, content: Buffer.from(script)}),
)
