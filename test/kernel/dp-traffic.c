// SPDX-License-Identifier: Apache-2.0
/* Real sockets for the datapath's tests and benches: small, so that what is measured is the network.
 *
 *   serve tcp|udp ADDRESS PORT              echoes, for ever (tcp: many connections, one process)
 *   rr tcp|udp ADDRESS PORT BYTES SECONDS   requests and answers, checked; prints count, seconds, CPU seconds, errors
 *   crr ADDRESS PORT SECONDS                connect, one byte there and back, close
 *   count udp ADDRESS PORT BYTES COUNT      sends COUNT numbered datagrams; prints how many came back whole
 *   error ADDRESS PORT BYTES TTL            one datagram; prints what error came back: "errno type code from mtu"
 *   frames DEVICE                           sends frames, one line of hex each from stdin
 *   receive udp ADDRESS PORT COUNT SECONDS  prints "length sum-ok from" of each datagram
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 65536
static char out[MOST], in[MOST];

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static socklen_t address(const char *text, const char *port, struct sockaddr_storage *to)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;
	socklen_t length;

	if (getaddrinfo(text, port, &hints, &found))
		die("address");
	length = found->ai_addrlen;
	memcpy(to, found->ai_addr, length);
	freeaddrinfo(found);
	return length;
}

static int open_socket(const struct sockaddr_storage *to, int type)
{
	int on = 1, fd = socket(to->ss_family, type, 0);

	if (fd < 0)
		die("socket");
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static int connected(const char *ip, const char *port, int type)
{
	struct sockaddr_storage to;
	struct timeval patience = {.tv_sec = 5};
	socklen_t length = address(ip, port, &to);
	int fd = open_socket(&to, type);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&to, length))
		die("connect");
	return fd;
}

static int bound(const char *ip, const char *port, int type)
{
	struct sockaddr_storage to;
	socklen_t length = address(ip, port, &to);
	int on = 1, fd = open_socket(&to, type);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* a pod's address may be very new */
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&to, length))
		die("bind");
	return fd;
}

static void serve_udp(int fd)
{
	struct sockaddr_storage from;
	socklen_t length;
	ssize_t n;

	for (;;) {
		length = sizeof(from);
		n = recvfrom(fd, in, MOST, 0, (struct sockaddr *)&from, &length);
		if (n >= 0)
			sendto(fd, in, n, 0, (struct sockaddr *)&from, length);
	}
}

static void serve_tcp(int fd)
{
	struct epoll_event events[256], event = {.events = EPOLLIN, .data.fd = fd};
	int loop = epoll_create1(0), i, n, on = 1;

	if (listen(fd, 4096) || epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event))
		die("listen");
	for (;;) {
		n = epoll_wait(loop, events, 256, -1);
		for (i = 0; i < n; i++) {
			int client = events[i].data.fd;
			ssize_t got;

			if (client == fd) {
				client = accept(fd, NULL, NULL);
				if (client < 0)
					continue;
				setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
				event.data.fd = client;
				epoll_ctl(loop, EPOLL_CTL_ADD, client, &event);
				continue;
			}
			got = read(client, in, MOST);
			if (got <= 0 || write(client, in, got) != got)
				close(client);
		}
	}
}

static int whole(int fd, int stream, size_t bytes)
{
	size_t have = 0;
	ssize_t n;

	do {
		n = recv(fd, in + have, stream ? bytes - have : MOST, 0);
		if (n <= 0)
			return 0;
		have += n;
	} while (stream && have < bytes);
	return have == bytes && !memcmp(in, out, bytes);
}

static int request_response(char **v)
{
	int stream = !strcmp(v[0], "tcp"),
	    fd = connected(v[1], v[2], stream ? SOCK_STREAM : SOCK_DGRAM);
	size_t bytes = atoi(v[3]);
	double begin = now(), end = begin + atof(v[4]), used = cpu();
	long count = 0, errors = 0;

	while (now() < end) {
		memset(out, 'a' + count % 26, bytes);
		if (send(fd, out, bytes, 0) == (ssize_t)bytes && whole(fd, stream, bytes))
			count++;
		else if (++errors > 5)
			break;
	}
	printf("%ld %.6f %.6f %ld\n", count, now() - begin, cpu() - used, errors);
	return errors > 5;
}

static int connect_request_response(char **v)
{
	struct linger abort = {.l_onoff = 1};
	double begin = now(), end = begin + atof(v[2]), used = cpu();
	struct sockaddr_storage to;
	socklen_t length = address(v[0], v[1], &to);
	long count = 0, errors = 0;
	char byte = 'x';

	while (now() < end && errors <= 5) {
		int fd = open_socket(&to, SOCK_STREAM);

		/* ends without TIME_WAIT: ports would run out */
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
		if (!connect(fd, (struct sockaddr *)&to, length) && write(fd, &byte, 1) == 1 &&
		    read(fd, &byte, 1) == 1)
			count++;
		else
			errors++;
		close(fd);
	}
	printf("%ld %.6f %.6f %ld\n", count, now() - begin, cpu() - used, errors);
	return errors > 5;
}

static int count_datagrams(char **v)
{
	int fd = connected(v[1], v[2], SOCK_DGRAM), i, n = atoi(v[4]), good = 0;
	size_t bytes = atoi(v[3]);

	for (i = 0; i < n; i++) {
		memset(out, 'a' + i % 26, bytes);
		memcpy(out, &i, sizeof(i));
		if (send(fd, out, bytes, 0) == (ssize_t)bytes && whole(fd, 0, bytes))
			good++;
	}
	printf("%d\n", good);
	return good != n;
}

static int expect_error(char **v)
{
	int fd = connected(v[0], v[1], SOCK_DGRAM), on = 1, off = IP_PMTUDISC_PROBE,
	    ttl = atoi(v[3]);
	struct msghdr message = {};
	char control[512], name[INET6_ADDRSTRLEN] = "-";
	struct sockaddr_storage to;
	struct pollfd wait = {.fd = fd};
	struct cmsghdr *c;

	if (address(v[0], v[1], &to) == sizeof(struct sockaddr_in)) {
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &off, sizeof(off));
		if (ttl)
			setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	} else {
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &off, sizeof(off));
		if (ttl)
			setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &ttl, sizeof(ttl));
	}
	if (send(fd, out, atoi(v[2]), 0) < 0)
		die("send");
	message.msg_control = control;
	message.msg_controllen = sizeof(control);
	if (poll(&wait, 1, 3000) <= 0 || recvmsg(fd, &message, MSG_ERRQUEUE) < 0) {
		printf("none\n");
		return 1;
	}
	for (c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		struct sock_extended_err *e = (void *)CMSG_DATA(c);
		struct sockaddr *from = SO_EE_OFFENDER(e);

		if (from->sa_family == AF_INET)
			inet_ntop(AF_INET, &((struct sockaddr_in *)from)->sin_addr, name,
				  sizeof(name));
		else if (from->sa_family == AF_INET6)
			inet_ntop(AF_INET6, &((struct sockaddr_in6 *)from)->sin6_addr, name,
				  sizeof(name));
		printf("%s %d %d %s %u\n", strerror(e->ee_errno), e->ee_type, e->ee_code, name,
		       e->ee_info);
		return 0;
	}
	return 1;
}

static int send_frames(char **v)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(v[0])};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	char line[2 * MOST];
	unsigned int byte;
	int n;

	if (fd < 0 || !to.sll_ifindex || bind(fd, (struct sockaddr *)&to, sizeof(to)))
		die("device");
	while (fgets(line, sizeof(line), stdin)) {
		for (n = 0; sscanf(line + 2 * n, "%2x", &byte) == 1; n++)
			out[n] = byte;
		if (n && send(fd, out, n, 0) != n)
			die("send");
	}
	return 0;
}

static int receive(char **v)
{
	struct timeval patience = {.tv_sec = atoi(v[4])};
	int fd = bound(v[1], v[2], SOCK_DGRAM), n = atoi(v[3]);
	char name[INET6_ADDRSTRLEN];

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	printf("ready\n");
	fflush(stdout);
	while (n--) {
		struct sockaddr_storage from;
		socklen_t length = sizeof(from);
		ssize_t got = recvfrom(fd, in, MOST, 0, (struct sockaddr *)&from, &length);
		void *ip = from.ss_family == AF_INET
				   ? (void *)&((struct sockaddr_in *)&from)->sin_addr
				   : (void *)&((struct sockaddr_in6 *)&from)->sin6_addr;

		if (got < 0)
			return 1;
		printf("%zd %s\n", got, inet_ntop(from.ss_family, ip, name, sizeof(name)));
		fflush(stdout);
	}
	return 0;
}

int main(int n, char **v)
{
	signal(SIGPIPE, SIG_IGN);
	if (n >= 5 && !strcmp(v[1], "serve")) {
		int stream = !strcmp(v[2], "tcp"),
		    fd = bound(v[3], v[4], stream ? SOCK_STREAM : SOCK_DGRAM);

		if (stream)
			serve_tcp(fd);
		else
			serve_udp(fd);
	}
	if (n == 7 && !strcmp(v[1], "rr"))
		return request_response(v + 2);
	if (n == 5 && !strcmp(v[1], "crr"))
		return connect_request_response(v + 2);
	if (n == 7 && !strcmp(v[1], "count"))
		return count_datagrams(v + 2);
	if (n == 6 && !strcmp(v[1], "error"))
		return expect_error(v + 2);
	if (n == 3 && !strcmp(v[1], "frames"))
		return send_frames(v + 2);
	if (n == 7 && !strcmp(v[1], "receive"))
		return receive(v + 2);
	fprintf(stderr, "see the head of the source\n");
	return 2;
}
