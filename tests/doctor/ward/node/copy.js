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

// A piece is no reason to compile anything: before that it is called until a compiler has been at it.
function copyPiece(source, sink, buffer) {
	const bytes = fs.readSync(source, buffer, 0, buffer.length, null);
	let done = 0;

	while (done < bytes)
		done += fs.writeSync(sink, buffer, done, bytes - done);
	return bytes;
}

function copyLoop(source, sink, buffer) {
	let moved = 0, bytes;

	while ((bytes = copyPiece(source, sink, buffer)) > 0)
		moved += bytes;
	return moved;
}

async function loop() {
	const nothing = fs.openSync('/dev/null', 'r+'), one = Buffer.alloc(1), zeros = fs.openSync('/dev/zero', 'r');

	for (let i = 0; i < 30000; i++)
		copyPiece(zeros, nothing, one);
	for (let i = 0; i < 3000; i++)
		copyLoop(nothing, nothing, one);
	await said('ready', 0);
	await said('moved', copyLoop(fs.openSync(from, 'r'), fs.openSync(name, 'w'), Buffer.alloc(65536)));
	process.exit(0);
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

(mode === 'loop' ? loop : main)();
