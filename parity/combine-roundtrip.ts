/**
 * Combines recorded adapters, writes the results and lets PEFT load them and compare logits with those of its own
 * combination: `npm run build && npx tsx parity/combine-roundtrip.ts PYTHON`, where PYTHON has what requirements.txt lists.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { combineAdapters } from '@tunesmith/runtime';

const here = fileURLToPath(new URL('.', import.meta.url));
const recorded = join(here, 'fixtures', 'lora-combinations');
const [python = 'python'] = process.argv.slice(2);
const output = mkdtempSync(join(tmpdir(), 'tunesmith-combined-'));
try {
  for (const [combination, density] of [['cat'], ['svd'], ['ties_svd', 0.5]] as const) {
    await combineAdapters({
      adapters: [
        { path: join(recorded, 'one'), weight: 0.7 },
        { path: join(recorded, 'wide'), weight: -0.3 },
      ],
      options: { combination, ...(density === undefined ? {} : { density }) },
      output: join(output, combination),
      lookup: { roots: [join(here, '..', 'apps', 'cli')] },
    });
  }
  process.stdout.write(execFileSync(python, [join(here, 'combine_roundtrip.py'), output]));
} finally {
  rmSync(output, { recursive: true, force: true });
}
