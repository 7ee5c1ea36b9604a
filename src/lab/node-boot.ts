/** The script that makes a machine out of fresh namespaces; its shell becomes process 1 of the node. Pure. */
import {labPaths} from './paths.ts'
import type {LabNode, LabPlan} from './plan.ts'

export interface BootFacts {
  /** folder of kubelet and kube-proxy on the machine */
  readonly binDir: string
  /** the static program that stays as process 1 */
  readonly init: string
  /** where the node's own cgroup2 subtree lies on the machine */
  readonly cgroup2: string
  /** a fresh identity of this boot */
  readonly bootId: string
}

/**
 * The node sees the machine's file system with its own /etc, /opt, /run, /var/lib and /var/log, its own CNI folders,
 * bpffs, sysfs and procfs, and its cgroup2 subtree at /run/cilium/cgroupv2. Runs in new mount, UTS and PID namespaces
 * that are private already, inside the node's network namespace.
 */
export function bootScript(plan: LabPlan, node: LabNode, facts: BootFacts): string {
  const {disk, run} = labPaths(plan.name).node(node.name)
  const overlay = (name: string) =>
    `mount -t overlay overlay -o lowerdir=/${name},upperdir=${disk}/${name},workdir=${disk}/${name}.work /${name}`
  return `set -e
read -r pid rest < /proc/self/stat
hostname ${node.name}
mkdir -p ${run}/lab/bin ${run}/lab/sys ${run}/cilium/cgroupv2 ${run}/netns ${run}/lock ${run}/containerd
mkdir -p ${disk}/etc ${disk}/etc.work ${disk}/opt ${disk}/opt.work ${disk}/var-lib/kubelet ${disk}/var-lib/cilium ${disk}/var-log ${disk}/cni-bin ${disk}/cni-conf

# what the next mounts would hide
mount --bind ${quote(facts.binDir)} ${run}/lab/bin
touch ${run}/lab/init
mount --bind ${quote(facts.init)} ${run}/lab/init
printf '%s\\n' ${facts.bootId} > ${run}/lab/boot-id

# /sys of this network namespace, with the machine's cgroups and its other mounts in it, and a bpffs of its own
mount --rbind /sys ${run}/lab/sys
mount -t sysfs sysfs /sys
inner=$(while read -r _ _ _ _ point _; do case $point in ${run}/lab/sys/*) echo "\${point#${run}/lab/sys}";; esac; done < /proc/self/mountinfo)
for point in $inner; do
  case $point in /fs/bpf*|/fs/cgroup/*) continue;; esac
  mount --rbind ${run}/lab/sys$point /sys$point
done
umount -R -l ${run}/lab/sys
mount -t bpf bpf /sys/fs/bpf

# disks
${overlay('etc')}
${overlay('opt')}
mkdir -p /etc/cni/net.d /opt/cni/bin
mount --bind ${disk}/cni-conf /etc/cni/net.d
mount --bind ${disk}/cni-bin /opt/cni/bin
mount --bind ${disk}/var-log /var/log
mount --bind ${facts.cgroup2} ${run}/cilium/cgroupv2
mount --rbind ${run} /run
mount --bind ${disk}/var-lib /var/lib

mount -t proc proc /proc
mount --bind /run/lab/boot-id /proc/sys/kernel/random/boot_id

# private until here, so that no mount above was copied or taken along; kubelet and CSI want it shared
mount --make-rshared /
echo $pid > /run/lab/init.pid.new
mv /run/lab/init.pid.new /run/lab/init.pid
exec /run/lab/init
`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
