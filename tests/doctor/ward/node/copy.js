// SPDX-License-Identifier: MIT
// Transfers of Node.js: what ends and lines are, c/ward.h says.
'use strict';
const fs = require('fs');
const net = require('net');
const readline = require('readline');
const zlib = require('zlib');

const from = process.env.WARD_FROM.split(':')[1];
const [kind, name] = process.env.WARD_TO.split(':');
const mode = process.argv[2];
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function said(word, number) {
	fs.writeSync(1, `${word} ${number}\n`);
	return lines.next();
}

async function main() {
	const sink = kind === 'tcp' ? net.connect(Number(name), '127.0.0.1') : fs.createWriteStream(name);
	await new Promise((resolve) => sink.once(kind === 'tcp' ? 'connect' : 'open', resolve));
	await said('ready', 0);
	const source = fs.createReadStream(from);
	const closed = new Promise((resolve) => sink.once('close', resolve));
	if (kind === 'tcp')
		sink.resume();	// its end is seen only by who reads
	if (mode === 'gzip')
		source.pipe(zlib.createGzip({ level: 1 })).pipe(sink);
	else
		source.pipe(sink);
	await closed;
	await said('moved', source.bytesRead);
	process.exit(0);
}

main();
