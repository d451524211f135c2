import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { familyNames } from './family-names.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const methodPackages = ['lora', 'qlora', 'adapter', 'prefix', 'ia3', 'selective', 'rlhf-dpo', 'transfer'];
/** The engine, its backends, and what moves bytes, rows and files know no family either. */
const sharedPackages = ['core', 'backend-onnx', 'backend-tfjs', 'checkpoints', 'data', 'runtime', 'bench'];

it('finds the names of families, and not prose about them', () => {
  expect(familyNames("patcher.wrap('linear', { include: ['q_proj'] }, patch);")).toHaveLength(1);
  expect(familyNames("const path = 'model.layers.0.mlp';")).toHaveLength(1);
  expect(familyNames(".describe('PEFT has its own choice, such as q_proj, or `lm_head`');")).toEqual([]);
  expect(familyNames(" * Paths such as 'model.layers.0.self_attn.q_proj'.")).toEqual([]);
});

it.each([...methodPackages, ...sharedPackages])('%s names no family’s weights', (name) => {
  const sources = join(root, 'packages', name, 'src');
  if (!existsSync(sources)) return;
  const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.ts') && !path.endsWith('.test.ts'),
  );
  expect(files.length).toBeGreaterThan(0);
  for (const path of files) expect(familyNames(readFileSync(join(sources, path), 'utf8')), path).toEqual([]);
});
