/* SPDX-License-Identifier: MIT */
/* Exit statuses of `leat cp`, by cause; the worst, that is the largest, of several files counts. */
#ifndef CLI_CP_STATUS_H
#define CLI_CP_STATUS_H

enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,		/* none of those below */
	STATUS_USAGE = 2,
	STATUS_SOURCE = 3,		/* cannot be opened or read, or ended early */
	STATUS_DEST = 4,		/* cannot be opened or written: full, gone, reset */
	STATUS_CHANGED = 5,		/* the source changed while it was copied */
	STATUS_REFUSED = 6,		/* --require: no such route; or only --in-place would do */
	STATUS_TIMEOUT = 7,
	STATUS_DIFFERS = 8,		/* --verify, --resume: what is there is not what was sent */
	STATUS_STOPPED = 128,		/* and the signal's number */
};

#endif
