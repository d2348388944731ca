/* SPDX-License-Identifier: MIT */
/* The turns of a worker's loop: who waits for nothing is served once more in the next one, and where he is alone there is a rest. */
#ifndef CLI_PROXY_TURN_H
#define CLI_PROXY_TURN_H

struct turn_place {		/* embedded in who is served */
	struct turn_place *next;
	int taken;		/* it is to come */
};

struct turn {
	struct turn_place *next;	/* to be served in the next one; NULL: who waits may wait for an event */
	int served;			/* somebody was, in this one */
};

typedef void turn_serve(void *context, struct turn_place *place);

void turn_again(struct turn *turn, struct turn_place *place);
/* Ends this turn. It serves who was to come, each once; who is to come again then has the turn after. */
void turn_over(struct turn *turn, turn_serve *serve, void *context);

#endif
