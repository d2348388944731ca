// SPDX-License-Identifier: MIT

// Streams read and write. Between two files fs.copyFile lets the kernel copy; to a socket Node has nothing of the kind.
const fs = require('fs');

const [mode] = process.argv.slice(2);
if (mode === 'after') {
	fs.copyFile(process.env.MEND_FILE, process.env.MEND_COPY, (error) => {
		if (error) throw error;
	});
} else {
	fs.createReadStream(process.env.MEND_FILE).pipe(fs.createWriteStream(process.env.MEND_COPY));
}
