/** `npm run check:workflows`: actionlint over .github/workflows, and that what they run are scripts that there are. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLinter } from 'actionlint';

const root = join(import.meta.dirname, '..');
const folder = '.github/workflows';
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
const lint = await createLinter();
/** What this build of actionlint is too old to know: variables of a repository (2023). */
const isUnknownToIt = (message: string): boolean => message.startsWith('undefined variable "vars"');
const complaints: string[] = [];
for (const name of readdirSync(join(root, folder))) {
  const path = join(folder, name);
  const text = readFileSync(join(root, path), 'utf8');
  for (const { line, column, kind, message } of lint(text, path)) {
    if (!isUnknownToIt(message)) complaints.push(`${path}:${line}:${column}: ${message} [${kind}]`);
  }
  for (const [, script = ''] of text.matchAll(/npm run ([\w:-]+)/g)) {
    if (!(script in scripts)) complaints.push(`${path}: there is no script "${script}" in package.json`);
  }
}
if (complaints.length > 0) {
  console.error(complaints.join('\n'));
  process.exit(1);
}
console.log('the workflows are sound');
