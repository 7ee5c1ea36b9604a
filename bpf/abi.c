// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* No program: the object whose BTF the codecs are generated from. */
#include "abi/export.h"

char _license[] __attribute__((section("license"))) = "Dual BSD/GPL";
