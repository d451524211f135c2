/**
 * Upcycles recorded models and lets transformers load the results beside the dense ones and compare logits:
 * `npm run build && npx tsx parity/upcycle-roundtrip.ts PYTHON`, where PYTHON has what requirements.txt lists.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const command = join(here, '..', 'apps', 'cli', 'dist', 'main.js');
const [python = 'python'] = process.argv.slice(2);
const output = mkdtempSync(join(tmpdir(), 'tunesmith-upcycled-'));
try {
  for (const name of ['llama', 'llama3-rope', 'mistral-sliding']) {
    const flags = ['--model', join(here, 'fixtures/families', name), '--output', join(output, name)];
    execFileSync(process.execPath, [command, 'upcycle', ...flags, '--experts', '8', '--top-k', '2']);
  }
  process.stdout.write(execFileSync(python, [join(here, 'upcycle_roundtrip.py'), output]));
} finally {
  rmSync(output, { recursive: true, force: true });
}
