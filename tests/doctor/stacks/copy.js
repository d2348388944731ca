// SPDX-License-Identifier: MIT
// Reads until a compiler has been at it, then with a length that nobody else asks for; for symbol_script.c.
const fs = require('fs');
const source = fs.openSync('/dev/zero', 'r');
const buffer = Buffer.alloc(8192);

function fetchBlock(length) {
	return fs.readSync(source, buffer, 0, length, null);
}

function copyLoop() {
	for (let i = 0; i < 30000; i++)
		fetchBlock(16);
	fetchBlock(4241);
}

copyLoop();
