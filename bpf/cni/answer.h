/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a CNI plugin says to the runtime: one JSON document on stdout and an exit code (CNI spec, sections 2 and 5). */
#ifndef CNI_ANSWER_H
#define CNI_ANSWER_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum cni_error {
	CNI_INCOMPATIBLE_VERSION = 1,
	CNI_UNKNOWN_CONTAINER = 3,
	CNI_BAD_ENVIRONMENT = 4,
	CNI_IO = 5,
	CNI_DECODE = 6,
	CNI_BAD_CONFIG = 7,
	CNI_TRY_AGAIN = 11,
	CNI_NOT_AVAILABLE = 50,
};

/* 0.1 and 0.2 results have another shape, which no runtime has asked for since 2017. */
static const char *const cni_versions[] = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};

#define CNI_VERSIONS (sizeof(cni_versions) / sizeof(cni_versions[0]))

static int cni_version_known(const char *version)
{
	for (size_t i = 0; i < CNI_VERSIONS; i++)
		if (!strcmp(version, cni_versions[i]))
			return 1;
	return 0;
}

/* Only versions we know are echoed: everything else came from outside and would need escaping. */
static const char *cni_echo_version(const char *version)
{
	return cni_version_known(version) ? version : cni_versions[CNI_VERSIONS - 1];
}

static void put_json_string(const char *text)
{
	putchar('"');
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			printf("\\%c", *c);
		else if (*c < 0x20 || *c == 0x7f)
			printf("\\u%04x", *c);
		else
			putchar(*c);
	}
	putchar('"');
}

/* Writes an error document. Returns the exit code. */
static int cni_fail(const char *version, enum cni_error code, const char *msg, const char *format,
		    ...)
{
	char details[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(details, sizeof(details), format, args);
	va_end(args);
	printf("{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":", cni_echo_version(version), code);
	put_json_string(msg);
	printf(",\"details\":");
	put_json_string(details);
	printf("}\n");
	return 1;
}

static int cni_print_versions(const char *version)
{
	printf("{\"cniVersion\":\"%s\",\"supportedVersions\":[", cni_echo_version(version));
	for (size_t i = 0; i < CNI_VERSIONS; i++)
		printf("%s\"%s\"", i ? "," : "", cni_versions[i]);
	printf("]}\n");
	return 0;
}

#endif
