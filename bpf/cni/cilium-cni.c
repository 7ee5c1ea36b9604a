// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The CNI plugin that a runtime executes: it hands its environment and stdin to the agent and prints what comes back.
 *
 *     runtime ── env + stdin ──► cilium-cni ── one message ──► agent (/var/run/cilium/cni.sock)
 *             ◄── JSON, exit code ──        ◄── one message ──
 *
 * Message to the agent, after its length (32 bits, network order): NAME=VALUE texts of the CNI variables, each ended
 * by a zero byte, one more zero byte, then stdin as it came. Answer, after its length: the exit code (32 bits), then
 * what goes to stdout.
 *
 * It knows three things itself: VERSION; what to say while the agent is away (ADD: try again; DEL: noted in a file
 * for the agent's next start, and done); and the loopback plugin's job, when executed under that name.
 *
 * The order of DEL's note: write it, then try the agent once more. The agent reads notes after it has begun to
 * listen, so either it reads this one or the second try reaches it; no lock is needed between the two. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "json.h"
#include "loopback.h"

#define RUN_PATH     "/var/run/cilium"
#define MESSAGE_MAX  (1 << 20) /* bytes; a GC call with 10 000 attachments is 1 MB */
#define ANSWER_TIME  90	       /* seconds that the agent may take */
#define WAIT_DEFAULT 5000      /* ms to wait for an agent that restarts */
#define WAIT_STEP    100

static const char *const variables[] = {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS",
					"CNI_IFNAME",  "CNI_ARGS",	  "CNI_PATH"};

struct message {
	char *bytes; /* the first 4: length of the rest, network order */
	size_t length;
};

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

/* Reads stdin whole. Returns its length, or -1 with errno (EFBIG: too long). */
static ssize_t read_input(char *out, size_t cap)
{
	size_t length = 0;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, out + length, cap - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			return length;
		length += n;
		if (length == cap) {
			errno = EFBIG;
			return -1;
		}
	}
}

static int make_message(struct message *m, const char *input, size_t length)
{
	size_t size = 4 + 1 + length, at = 4;
	uint32_t header;

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		size += strlen(variables[i]) + 1 + strlen(variable(variables[i])) + 1;
	m->bytes = malloc(size);
	if (!m->bytes)
		return -1;
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		at += sprintf(m->bytes + at, "%s=%s", variables[i], variable(variables[i])) + 1;
	m->bytes[at++] = 0;
	memcpy(m->bytes + at, input, length);
	m->length = size;
	header = htonl(size - 4);
	memcpy(m->bytes, &header, 4);
	return 0;
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t n = write(fd, bytes, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		bytes += n;
		length -= n;
	}
	return 0;
}

static int read_all(int fd, char *bytes, size_t length)
{
	while (length) {
		ssize_t n = read(fd, bytes, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ECONNRESET;
		if (n <= 0)
			return -1;
		bytes += n;
		length -= n;
	}
	return 0;
}

/* A connected socket, or -1 with errno: nobody listens. */
static int reach_agent(const char *path)
{
	struct timeval limit = {.tv_sec = ANSWER_TIME};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* holds for connect too */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* Sends the message and prints the answer. Returns the exit code, or -1 with errno when no whole answer came. */
static int ask(int fd, const struct message *m)
{
	uint32_t header[2], length;
	char *text;

	if (write_all(fd, m->bytes, m->length) || read_all(fd, (char *)header, sizeof(header)))
		return -1;
	length = ntohl(header[0]);
	if (length < 4 || length > MESSAGE_MAX) {
		errno = EPROTO;
		return -1;
	}
	length -= 4;
	text = malloc(length + 1);
	if (!text || read_all(fd, text, length))
		return -1;
	fwrite(text, 1, length, stdout);
	return ntohl(header[1]) & 0xff;
}

static int ask_once(const char *path, const struct message *m)
{
	int fd = reach_agent(path), code, error;

	if (fd < 0)
		return -1;
	code = ask(fd, m);
	error = errno;
	close(fd);
	errno = error;
	return code;
}

/* The same, but waits for an agent that is just restarting. */
static int ask_patiently(const char *path, const struct message *m, long wait_ms)
{
	const struct timespec step = {.tv_nsec = WAIT_STEP * 1000000L};
	int code = ask_once(path, m);

	/* only when nobody listens: once a message is on its way, sending it again could do its work twice */
	for (; code < 0 && (errno == ENOENT || errno == ECONNREFUSED) && wait_ms > 0;
	     wait_ms -= WAIT_STEP) {
		nanosleep(&step, NULL);
		code = ask_once(path, m);
	}
	return code;
}

/* Container ids become part of a file name. The runtime's are hex; the CNI spec allows [a-zA-Z0-9][a-zA-Z0-9_.-]*. */
static int name_is_plain(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > 100 || name[0] == '.' || name[0] == '-' || name[0] == '_')
		return 0;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
	       length;
}

/* Writes the message to <run>/deleteQueue/<container>-<interface>, whole or not at all. Fills `file` with the path.
 * Returns -1 with errno. */
static int note_delete(const char *run, const struct message *m, char *file, size_t cap)
{
	char folder[300], scratch[600];
	int fd, failed;

	snprintf(folder, sizeof(folder), "%s/deleteQueue", run);
	if ((mkdir(run, 0755) && errno != EEXIST) || (mkdir(folder, 0700) && errno != EEXIST))
		return -1;
	snprintf(file, cap, "%s/%s-%s", folder, variable("CNI_CONTAINERID"),
		 variable("CNI_IFNAME"));
	snprintf(scratch, sizeof(scratch), "%s/.%s-%s.%d", folder, variable("CNI_CONTAINERID"),
		 variable("CNI_IFNAME"), getpid());
	fd = open(scratch, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	failed = write_all(fd, m->bytes, m->length) || fsync(fd);
	failed = close(fd) || failed || rename(scratch, file);
	if (failed) {
		int error = errno;

		unlink(scratch);
		errno = error;
		return -1;
	}
	return 0;
}

static int delete_later(const char *version, const char *run, const char *path,
			const struct message *m)
{
	char file[600];
	int code;

	if (!name_is_plain(variable("CNI_CONTAINERID")) || !name_is_plain(variable("CNI_IFNAME")))
		return cni_fail(version, CNI_BAD_ENVIRONMENT,
				"CNI_CONTAINERID or CNI_IFNAME is malformed",
				"letters, digits, '_', '.' and '-' are allowed, up to 100 of them");
	if (note_delete(run, m, file, sizeof(file)))
		return cni_fail(version, CNI_IO,
				"the agent is away and the deletion cannot be noted",
				"%s/deleteQueue: %s", run, strerror(errno));
	code = ask_once(path, m);
	if (code == 0)
		unlink(file);
	return code > 0 ? code : 0;
}

static int agent_is_away(const char *version, const char *command, const char *path, int error)
{
	int status = !strcmp(command, "STATUS");

	return cni_fail(
		version, status ? CNI_NOT_AVAILABLE : CNI_TRY_AGAIN,
		"the cilium agent of this node does not answer",
		"%s: %s; it may be starting: see the pod with label k8s-app=cilium on this node",
		path, error == EAGAIN ? "no answer in time" : strerror(error));
}

int main(int argc, char **argv)
{
	static char input[MESSAGE_MAX];
	char version[16], path[256], wait[16], run[256];
	const char *command = variable("CNI_COMMAND");
	struct message m;
	ssize_t length;
	int code, error;

	length = read_input(input, sizeof(input));
	if (length < 0)
		return cni_fail("", CNI_IO, "cannot read the network configuration from stdin",
				"%s", strerror(errno));
	if (!json_top_string(input, length, "cniVersion", version, sizeof(version)))
		return cni_fail("", CNI_DECODE,
				"the network configuration on stdin is not a JSON object",
				"%zd bytes were read", length);
	if (!strcmp(command, "VERSION"))
		return cni_print_versions(version);
	if (!*command)
		return cni_fail(version, CNI_BAD_ENVIRONMENT, "CNI_COMMAND is not set",
				"a CNI plugin is executed by a container runtime, not by hand");
	if (!cni_version_known(version))
		return cni_fail(version, CNI_INCOMPATIBLE_VERSION,
				"cniVersion of the configuration is not supported",
				"0.3.0, 0.3.1, 0.4.0, 1.0.0 and 1.1.0 are");
	if (argc > 0 && !strcmp(basename(argv[0]), "loopback"))
		return loopback_run(version, command, variable("CNI_NETNS"));

	json_top_string(input, length, "agent-socket", path, sizeof(path));
	if (!*path)
		strcpy(path, RUN_PATH "/cni.sock");
	json_top_string(input, length, "agent-wait-ms", wait, sizeof(wait));
	snprintf(run, sizeof(run), "%s", path);
	if (strrchr(run, '/'))
		*strrchr(run, '/') = 0;
	if (make_message(&m, input, length))
		return cni_fail(version, CNI_IO, "out of memory", "%s", strerror(errno));

	if (!strcmp(command, "DEL")) {
		code = ask_once(path, &m);
		return code < 0 ? delete_later(version, run, path, &m) : code;
	}
	code = ask_patiently(path, &m, *wait ? atol(wait) : WAIT_DEFAULT);
	error = errno;
	return code < 0 ? agent_is_away(version, command, path, error) : code;
}
