/**
 * Trains small embedders by command, and lets transformers, PEFT and sentence-transformers make vectors of the same texts: with the adapter over
 * the model, with the merged folder, and with adapters that PEFT saves, which are loaded here:
 * `npm run build && npx tsx parity/embedder-roundtrip.ts PYTHON`, where PYTHON has what requirements.txt lists.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeTinyEncoder, writeTinyModel } from '../apps/cli/src/fixtures/tiny-model.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const command = join(here, '..', 'apps', 'cli', 'dist', 'main.js');
const [python = 'python'] = process.argv.slice(2);
const work = mkdtempSync(join(tmpdir(), 'tunesmith-embedders-'));
const tunesmith = (...args: string[]): string =>
  execFileSync(process.execPath, [command, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TUNESMITH_CACHE: join(work, 'cache') },
  });
const script = (...args: string[]): string =>
  execFileSync(python, [join(here, 'embedder_roundtrip.py'), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });

const texts = ['the cat sat on the mat', 'on the log', 'the dog sat on the film', 'a', 'the plot of the film'];
const write = (file: string, rows: readonly unknown[]): void =>
  writeFileSync(file, rows.map((row) => JSON.stringify(row)).join('\n'));

interface Case {
  readonly name: string;
  readonly model: 'bert' | 'llama';
  readonly method: string;
  readonly options: readonly string[];
}
const cases: readonly Case[] = [
  {
    name: 'bert-lora',
    model: 'bert',
    method: 'lora',
    options: ['lora.targetModules=all-linear', 'objective.pooling=mean'],
  },
  {
    name: 'bert-dora-cls',
    model: 'bert',
    method: 'lora',
    options: ['lora.useDora=true', 'objective={name: contrastive, pooling: cls, normalize: true}'],
  },
  { name: 'bert-ia3', model: 'bert', method: 'ia3', options: [] },
  { name: 'llama-lora', model: 'llama', method: 'lora', options: ['lora.targetModules=all-linear'] },
  {
    name: 'llama-ia3-normalized',
    model: 'llama',
    method: 'ia3',
    options: ['objective={name: contrastive, normalize: true}'],
  },
];

try {
  await writeTinyEncoder(join(work, 'bert'));
  await writeTinyModel(join(work, 'llama'));
  write(
    join(work, 'pairs.jsonl'),
    ['mat', 'log', 'film', 'plot', 'cat', 'dog', 'day', 'night'].flatMap((place) => [
      { anchor: `the cat sat on the ${place}`, positive: `on the ${place}` },
      { anchor: `a dog was at the ${place}`, positive: `at the ${place}` },
    ]),
  );
  const embed = (...flags: string[]): unknown =>
    JSON.parse(tunesmith('embed', ...flags, ...texts.flatMap((text) => ['--text', text]), '--json'));
  for (const { name, model, method, options } of cases) {
    const folder = join(work, name);
    mkdirSync(folder);
    const base = ['--model', join(work, model)];
    const settings = ['objective.name=contrastive', 'trainer.learningRate=0.01', ...options];
    tunesmith(
      ...['train', ...base, '--data', join(work, 'pairs.jsonl'), '--method', method, '--steps', '30'],
      ...['--output', join(folder, 'run'), '--json', ...settings.flatMap((one) => ['--set', one])],
    );
    const adapter = ['--adapter', join(folder, 'run', 'adapter')];
    tunesmith('merge', ...base, ...adapter, '--output', join(folder, 'merged'));
    const ours = { adapted: embed(...base, ...adapter), merged: embed('--model', join(folder, 'merged')) };
    writeFileSync(join(folder, 'ours.json'), JSON.stringify(ours));
    process.stdout.write(script('compare', join(work, model), folder));
  }
  for (const model of ['bert', 'llama']) {
    const adapter = join(work, `peft-${model}`);
    script('make', join(work, model), adapter);
    const found = embed('--model', join(work, model), '--adapter', adapter);
    writeFileSync(join(adapter, 'ours.json'), JSON.stringify({ adapted: found }));
    process.stdout.write(script('compare', join(work, model), adapter));
  }
} finally {
  rmSync(work, { recursive: true });
}
