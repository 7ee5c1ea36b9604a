// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Every form that a field may have: the codecs made from this are held against what the kernel sees. */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

struct addr {
	__be32 w[4];
};

struct mac {
	__u8 b[6];
	__u8 pad[2];
};

struct point {
	__s16 x;
	__u8 z;
	__u32 y;
};

struct every_form {
	__u8 small;
	__s8 negative;
	bool yes;
	__be16 port;
	__u32 number;
	__s32 below;
	__be32 address;
	__u64 large;
	__s64 deep;
	__be64 wide;
	__u64 count;
	struct addr addr;
	struct mac mac;
	struct point point;
	struct point points[2];
	__u16 list[3];
	__u8 text[5];
	__u32 low : 3;
	__u32 middle : 12;
	__u32 high : 1;
	struct {
		__u8 inner_a;
		__u8 inner_b;
	};
	__u8 pad1;
	union {
		__u32 word;
		__u8 octets[4];
	} either;
};

/* Fills the context with known values, or returns the number of the first field that is not as expected. */
SEC("syscall")
int layout_fill(struct every_form *f)
{
	__builtin_memset(f, 0, sizeof(*f));
	f->small = 200;
	f->negative = -5;
	f->yes = true;
	f->port = bpf_htons(443);
	f->number = 4000000000;
	f->below = -70000;
	f->address = bpf_htonl(0x0a000001);
	f->large = 0xfedcba9876543210;
	f->deep = -2;
	f->wide = bpf_cpu_to_be64(0x0102030405060708);
	f->count = 1ULL << 40;
	f->addr.w[3] = bpf_htonl(0x01020304);
	f->mac.b[0] = 2;
	f->mac.b[5] = 9;
	f->point.x = -300;
	f->point.y = 7;
	f->point.z = 8;
	f->points[1].x = 11;
	f->points[1].y = 12;
	f->list[0] = 1;
	f->list[2] = 65535;
	f->text[0] = 'a';
	f->text[4] = 'e';
	f->low = 5;
	f->middle = 0xabc;
	f->high = 1;
	f->inner_a = 1;
	f->inner_b = 2;
	f->either.octets[3] = 4;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
