/* SPDX-License-Identifier: MIT */
/* Expressions of `leat doctor --fail-if`, and baselines: the input is both. */
#include "fuzz.h"

#include "../../doctor/baseline.c"
#include "../../doctor/gate.c"
#include "../../doctor/known.c"
#include "../../doctor/model.c"
#include "../../doctor/verdict.c"

FUZZ_SEEDS("bounce", "share > 5%", "new and bytes >= 1.5m and cpu>0.5s and confidence >= certain", "loss, copied or mmap-write",
	   "incomplete", "leat-baseline 1\nbounce file tcp server loop serve srv.c\n# note\n\na\n", "leat-baseline 1\n")

static void judge(const struct gate *gate, const struct baseline *baseline)
{
	struct finding finding = { .verdict = VERDICT_BOUNCE, .confidence = CONFIDENCE_CERTAIN, .bytes = 1 << 20,
				   .culprit = { .site = MODEL_NONE, .frame = MODEL_NONE } };
	struct model model = { .findings = &finding, .finding_count = 1 };
	struct gate_result result;

	if (gate_fails(gate, 1, &model, baseline, &result))
		FUZZ_HOLDS(result.count == 1 && result.finding == 0 && result.gate == gate && result.bytes == 1 << 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct baseline baseline = { .count = 0 };
	FILE *from = fdopen(fuzz_file(data, size), "r");
	char *text = fuzz_text(data, size), why[40] = "";
	struct gate gate;
	int error;

	if (!from)
		abort();
	rewind(from);
	error = baseline_read(&baseline, from);
	FUZZ_HOLDS(!error || error == -EBADMSG);
	FUZZ_HOLDS(!error || !baseline.keys);
	for (uint32_t i = 1; i < baseline.count; i++)
		FUZZ_HOLDS(strcmp(baseline.keys[i - 1], baseline.keys[i]) <= 0);
	if (!gate_parse(&gate, text, why, sizeof why)) {
		FUZZ_HOLDS(gate.verdicts && gate.share <= 1 && gate.bytes >= -1);
		judge(&gate, &baseline);
	} else {
		FUZZ_HOLDS(*why);
	}
	baseline_free(&baseline);
	fclose(from);
	free(text);
	return 0;
}
