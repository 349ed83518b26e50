/* One line on stderr, for people. */
#ifndef ACRE_TOOL_COMPLAIN_H
#define ACRE_TOOL_COMPLAIN_H

/* Writes "acre: ", the message and a newline. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* From now on messages go into `text` instead, without "acre: ", each in place of the one before; NULL: to stderr
 * again.
 */
void complain_into(char *text, unsigned long room_bytes);

/* Makes `text` fit for one line of a terminal: control characters and bytes that are not UTF-8 become '?', and what
 * does not fit in `limit_bytes` (with the NUL) is cut off at a whole character and ends in "...". */
void printable(char *to, unsigned long limit_bytes, const char *text);

#endif
