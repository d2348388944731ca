/* SPDX-License-Identifier: MIT */
/* Recordings, as `leat doctor --replay` reads them: what is taken is written as a recording that gives the same again. */
#include "fuzz.h"

#include "../../doctor/model.c"
#include "../../doctor/record_fields.c"
#include "../../doctor/record_read.c"
#include "../../doctor/record_write.c"
#include "../../doctor/culprit.c"
#include "../../doctor/merge.c"
#include "../../doctor/verdict.c"

FUZZ_SEEDS("leat-recording 1\nwatch begin=1 end=2\ncoverage reads=1 sampled_1_in=16\nend 3\n",
	   "leat-recording 1\nprocess pid=7 runtime=go status=-1 name=a%20b\nfile kind=regular inode=1 from=1 to=1 path=/a%0Ab\n"
	   "file kind=tcp from=1 to=1 peer=2/80/7f000001000000000000000000000000\nsite pid=7 id=1\n"
	   "frame owner=program function=f file=a.c line=3 module=/bin/a offset=4 sp=9\nsite pid=7 id=2 cut=1\n"
	   "frame owner=program inlined=1 function=f file=a.c line=4 module=/bin/a offset=5 sp=9\n"
	   "flow pid=7 how=copied from=0 to=1 read_site=0 write_site=1 reads=1 writes=1 bytes=4096 sizes=12:1,3:4 samples_equal=1\n"
	   "calibration from=regular to=tcp piece=4096 user=1 kernel=2\nend 10\n",
	   "leat-recording 2\nend 1\n", "end 0\n")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model model = { .process_count = 0 }, again = { .process_count = 0 };
	FILE *from = fdopen(fuzz_file(data, size), "r"), *written = tmpfile();
	struct record_error error;
	int r;

	if (!from || !written)
		abort();
	rewind(from);
	r = record_read(&model, from, &error);
	FUZZ_HOLDS(r == 0 || r == -EBADMSG || r == -ENOMEM || r == -EPROTONOSUPPORT);
	FUZZ_HOLDS(r == 0 || model.file_count + model.flow_count + model.site_count + model.process_count == 0);
	if (!r) {
		FUZZ_HOLDS(record_write(&model, written) == 0);
		rewind(written);
		FUZZ_HOLDS(record_read(&again, written, NULL) == 0);
		FUZZ_HOLDS(model.flow_count == again.flow_count && model.site_count == again.site_count);
		FUZZ_HOLDS(verdict_all(&model) == 0 && verdict_all(&again) == 0);
		FUZZ_HOLDS(model.finding_count == again.finding_count);
		FUZZ_HOLDS(model.finding_count <= model.flow_count);
	}
	model_free(&model);
	model_free(&again);
	fclose(from);
	fclose(written);
	return 0;
}
