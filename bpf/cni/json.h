/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Just enough JSON for the shim: is a text one well-formed object, and what are some of its top-level strings.
 * The agent parses the document for real; this is for what has to be said while the agent is away. */
#ifndef CNI_JSON_H
#define CNI_JSON_H

#include <stddef.h>
#include <string.h>

#define JSON_DEPTH 64 /* deeper documents are refused, so that recursion is bounded */

struct json {
	const char *at;
	const char *end;
	const char *key; /* top-level key that is looked for; NULL: none */
	char *out;	 /* its value, zero terminated; "" when absent or no string */
	size_t cap;
};

static void json_space(struct json *j)
{
	while (j->at < j->end &&
	       (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r'))
		j->at++;
}

static int json_take(struct json *j, char c)
{
	if (j->at >= j->end || *j->at != c)
		return 0;
	j->at++;
	return 1;
}

static int json_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Skips a string; copies its raw bytes to out when there is room. A string with an escape is never copied: what we
 * look for (versions, paths, numbers) has none. */
static int json_string(struct json *j, char *out, size_t cap)
{
	size_t n = 0;
	int plain = 1;

	if (!json_take(j, '"'))
		return 0;
	for (; j->at < j->end; j->at++) {
		unsigned char c = *j->at;

		if (c == '"') {
			j->at++;
			if (cap)
				out[plain && n < cap ? n : 0] = 0;
			return 1;
		}
		if (c < 0x20)
			return 0;
		if (c == '\\') {
			plain = 0;
			if (++j->at >= j->end || !strchr("\"\\/bfnrtu", *j->at))
				return 0;
			if (*j->at == 'u') {
				for (int i = 0; i < 4; i++)
					if (++j->at >= j->end || !json_hex(*j->at))
						return 0;
			}
			continue;
		}
		if (n + 1 < cap)
			out[n] = c;
		n++;
	}
	return 0;
}

static int json_digits(struct json *j)
{
	const char *start = j->at;

	while (j->at < j->end && *j->at >= '0' && *j->at <= '9')
		j->at++;
	return j->at > start;
}

static int json_number(struct json *j)
{
	json_take(j, '-');
	if (!json_take(j, '0') && !json_digits(j))
		return 0;
	if (json_take(j, '.') && !json_digits(j))
		return 0;
	if (json_take(j, 'e') || json_take(j, 'E')) {
		if (!json_take(j, '+'))
			json_take(j, '-');
		return json_digits(j);
	}
	return 1;
}

static int json_word(struct json *j, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(j->end - j->at) < n || memcmp(j->at, word, n))
		return 0;
	j->at += n;
	return 1;
}

static int json_value(struct json *j, int depth);

static int json_members(struct json *j, int depth)
{
	char key[64];

	json_space(j);
	if (json_take(j, '}'))
		return 1;
	do {
		json_space(j);
		if (!json_string(j, key, sizeof(key)))
			return 0;
		json_space(j);
		if (!json_take(j, ':'))
			return 0;
		json_space(j);
		if (depth == 1 && j->key && !strcmp(key, j->key) && j->at < j->end &&
		    *j->at == '"') {
			if (!json_string(j, j->out, j->cap))
				return 0;
		} else if (!json_value(j, depth + 1)) {
			return 0;
		}
		json_space(j);
	} while (json_take(j, ','));
	return json_take(j, '}');
}

static int json_items(struct json *j, int depth)
{
	json_space(j);
	if (json_take(j, ']'))
		return 1;
	do {
		if (!json_value(j, depth + 1))
			return 0;
		json_space(j);
	} while (json_take(j, ','));
	return json_take(j, ']');
}

static int json_value(struct json *j, int depth)
{
	json_space(j);
	if (j->at >= j->end || depth > JSON_DEPTH)
		return 0;
	switch (*j->at) {
	case '{':
		j->at++;
		return json_members(j, depth);
	case '[':
		j->at++;
		return json_items(j, depth);
	case '"':
		return json_string(j, NULL, 0);
	case 't':
		return json_word(j, "true");
	case 'f':
		return json_word(j, "false");
	case 'n':
		return json_word(j, "null");
	default:
		return json_number(j);
	}
}

/* Puts the top-level string `key` of the object `text` into out ("" when there is none).
 * Returns 1, or 0 when the text is not one well-formed JSON object. */
static int json_top_string(const char *text, size_t length, const char *key, char *out, size_t cap)
{
	struct json j = {.at = text, .end = text + length, .key = key, .out = out, .cap = cap};

	out[0] = 0;
	json_space(&j);
	if (j.at >= j.end || *j.at != '{' || !json_value(&j, 1))
		return 0;
	json_space(&j);
	return j.at == j.end;
}

#endif
