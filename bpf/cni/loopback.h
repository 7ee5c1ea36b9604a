/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The `loopback` plugin: runtimes such as containerd 1.x execute one for every pod and do not bring it along.
 * It sets the `lo` of the pod's network namespace up, and needs no agent. */
#ifndef CNI_LOOPBACK_H
#define CNI_LOOPBACK_H

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"

/* Reads the flags of lo in the current namespace and, unless `up` is negative, sets or clears IFF_UP.
 * Returns the flags, or -1 with errno. */
static int loopback_flags(int up)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int failed;

	if (fd < 0)
		return -1;
	failed = ioctl(fd, SIOCGIFFLAGS, &request);
	if (!failed && up >= 0) {
		request.ifr_flags = up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP;
		failed = ioctl(fd, SIOCSIFFLAGS, &request);
	}
	close(fd);
	return failed ? -1 : request.ifr_flags;
}

static int loopback_result(const char *version, const char *netns)
{
	int old = !strncmp(version, "0.", 2); /* such results name the family of each address */

	printf("{\"cniVersion\":\"%s\",\"interfaces\":[{\"name\":\"lo\",\"mac\":\"00:00:00:00:00:"
	       "00\",\"sandbox\":",
	       cni_echo_version(version));
	put_json_string(netns);
	printf("}],\"ips\":[{%s\"interface\":0,\"address\":\"127.0.0.1/8\"},"
	       "{%s\"interface\":0,\"address\":\"::1/128\"}],\"dns\":{}}\n",
	       old ? "\"version\":\"4\"," : "", old ? "\"version\":\"6\"," : "");
	return 0;
}

static int loopback_run(const char *version, const char *command, const char *netns)
{
	int removing = !strcmp(command, "DEL"), adding = !strcmp(command, "ADD");
	int flags, fd;

	if (!strcmp(command, "STATUS") || !strcmp(command, "GC"))
		return 0;
	if (!adding && !removing && strcmp(command, "CHECK"))
		return cni_fail(version, CNI_BAD_ENVIRONMENT, "unknown CNI_COMMAND", "%s", command);
	if (!*netns)
		return removing ? 0
				: cni_fail(version, CNI_BAD_ENVIRONMENT, "CNI_NETNS is not set",
					   "the loopback plugin needs the pod's network namespace");
	fd = open(netns, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (removing && errno == ENOENT) /* the namespace is gone, and its lo with it */
			return 0;
		return cni_fail(version, CNI_UNKNOWN_CONTAINER, "cannot open the network namespace",
				"%s: %s", netns, strerror(errno));
	}
	if (setns(fd, CLONE_NEWNET)) {
		if (removing) /* a leftover file whose namespace has gone */
			return 0;
		return cni_fail(version, CNI_UNKNOWN_CONTAINER,
				"cannot enter the network namespace", "%s: %s", netns,
				strerror(errno));
	}
	close(fd);
	flags = loopback_flags(adding ? 1 : removing ? 0 : -1);
	if (flags < 0)
		return cni_fail(version, CNI_IO, "cannot set up lo", "%s", strerror(errno));
	if (adding)
		return loopback_result(version, netns);
	if (!removing && !(flags & IFF_UP))
		return cni_fail(version, CNI_UNKNOWN_CONTAINER, "lo is down", "%s", netns);
	return 0;
}

#endif
