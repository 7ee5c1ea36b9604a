/* SPDX-License-Identifier: Apache-2.0 */
/* Short connections for benches of services: as little as possible besides what is measured.
 *
 *   serve PORT                     one byte there and back for each connection, for ever
 *   dial SECONDS < "ADDRESS PORT"  one connection after another to random lines of the input; prints
 *                                  "count seconds errors p50-us p99-us"
 *   first ADDRESS PORT SECONDS     says ready and tries until a connection is served; prints the monotonic clock, ns
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TARGETS_MAX 65536
/* Latencies are counted in steps of a 32nd of their power of two, ns. */
#define STEPS	    2048

static struct sockaddr_in targets[TARGETS_MAX];
static uint64_t counts[STEPS];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int step_of(uint64_t ns)
{
	int bits;

	if (ns < 32)
		return ns;
	bits = 63 - __builtin_clzll(ns);
	return (bits - 4) * 32 + ((ns >> (bits - 5)) & 31);
}

static uint64_t middle_of(int step)
{
	int bits = step / 32 + 4;

	if (step < 64)
		return step;
	return (32 + (uint64_t)(step % 32)) << (bits - 5);
}

static uint64_t percentile(uint64_t total, double share)
{
	uint64_t seen = 0, wanted = total * share;
	int i;

	for (i = 0; i < STEPS; i++) {
		seen += counts[i];
		if (seen > wanted)
			return middle_of(i);
	}
	return 0;
}

static int serve(const char *port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(port))};
	int listener = socket(AF_INET6, SOCK_STREAM, 0), one = 1, fd;
	char byte;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (void *)&any, sizeof(any)) || listen(listener, 4096)) {
		perror("listen");
		return 1;
	}
	for (;;) {
		fd = accept(listener, NULL, NULL);
		if (fd < 0)
			continue;
		if (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) != 1)
			perror("write");
		/* the client ends first and keeps the waiting state */
		while (read(fd, &byte, 1) > 0)
			;
		close(fd);
	}
}

/* One conversation. Returns 0 when it was served. */
static int converse(const struct sockaddr_in *to, int timeout_ms)
{
	struct linger abort_at_end = {1, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), failed = 1, error = 0;
	struct pollfd poller = {.fd = fd, .events = POLLOUT};
	socklen_t size = sizeof(error);
	char byte = 'x';

	if (fd < 0)
		return 1;
	if (connect(fd, (const void *)to, sizeof(*to)) && errno != EINPROGRESS)
		goto out;
	if (poll(&poller, 1, timeout_ms) != 1 ||
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) || error)
		goto out;
	if (write(fd, &byte, 1) != 1)
		goto out;
	poller.events = POLLIN;
	if (poll(&poller, 1, timeout_ms) == 1 && read(fd, &byte, 1) == 1)
		failed = 0;
out:
	/* no port may stay in TIME_WAIT: there are more connections than ports */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_at_end, sizeof(abort_at_end));
	close(fd);
	return failed;
}

static int dial(int seconds)
{
	uint64_t count = 0, errors = 0, began, end, at, next;
	char ip[64];
	int n = 0, port;

	while (n < TARGETS_MAX && scanf("%63s %d", ip, &port) == 2) {
		targets[n].sin_family = AF_INET;
		targets[n].sin_port = htons(port);
		if (inet_pton(AF_INET, ip, &targets[n].sin_addr) == 1)
			n++;
	}
	if (!n)
		return 2;
	srandom(1);
	began = at = now_ns();
	end = began + seconds * 1000000000ull;
	while (at < end) {
		errors += converse(&targets[random() % n], 1000);
		next = now_ns();
		counts[step_of(next - at) % STEPS]++;
		count++;
		at = next;
	}
	printf("%llu %.3f %llu %.1f %.1f\n", (unsigned long long)count, (at - began) / 1e9,
	       (unsigned long long)errors, percentile(count, 0.5) / 1e3,
	       percentile(count, 0.99) / 1e3);
	return 0;
}

static int first(const char *ip, const char *port, int seconds)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
	uint64_t end = now_ns() + seconds * 1000000000ull;

	inet_pton(AF_INET, ip, &to.sin_addr);
	puts("ready");
	fflush(stdout);
	while (now_ns() < end) {
		if (!converse(&to, 5)) {
			printf("%llu\n", (unsigned long long)now_ns());
			return 0;
		}
		usleep(500);
	}
	return 1;
}

int main(int n, char **v)
{
	signal(SIGPIPE, SIG_IGN);
	if (n == 3 && !strcmp(v[1], "serve"))
		return serve(v[2]);
	if (n == 3 && !strcmp(v[1], "dial"))
		return dial(atoi(v[2]));
	if (n == 5 && !strcmp(v[1], "first"))
		return first(v[2], v[3], atoi(v[4]));
	fprintf(stderr, "usage: dialer serve PORT | dial SECONDS | first ADDRESS PORT SECONDS\n");
	return 2;
}
