/**
 * Trains a classifier on SST-2 by the command line, with several methods and seeds, and prints a JSON line for each: its
 * accuracy on the test set. `sst2_peft.py` does the same in PyTorch and PEFT with the settings of the same `sst2.json`.
 *
 *     npm run build && npx tsx parity/peers/sst2.ts MODEL-FOLDER SST2-FOLDER [method ...] >> results.jsonl
 *     … --device cuda --seed 2 lora    # one run on a GPU
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import settings from './sst2.json' with { type: 'json' };

interface MethodSettings {
  readonly learningRate: number;
  readonly options?: object;
}

interface TrainedRun {
  readonly model: string | null;
  readonly adapters: readonly string[];
}

interface Evaluated {
  readonly loss: number;
  readonly metrics: { readonly accuracy: number };
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const methods: Readonly<Record<string, MethodSettings>> = settings.methods;
const { values, positionals } = parseArgs({
  options: { device: { type: 'string', default: 'cpu' }, seed: { type: 'string', multiple: true } },
  allowPositionals: true,
});
const [model, data, ...chosen] = positionals;
const seeds = values.seed?.map(Number) ?? settings.seeds;
if (model === undefined || data === undefined) throw new Error('give the folders of the model and of SST-2');

for (const method of chosen.length > 0 ? chosen : Object.keys(methods)) {
  for (const seed of seeds) process.stdout.write(`${JSON.stringify(trial(method, seed))}\n`);
}

function trial(method: string, seed: number): object {
  const { learningRate, options = {} } = methods[method] as MethodSettings;
  const { epochs, batchSize, maxLength, warmup } = settings;
  const folder = mkdtempSync(join(tmpdir(), 'tunesmith-sst2-'));
  try {
    const recipe = {
      model: { path: resolve(model as string) },
      objective: { name: 'classification', labels: 2 },
      data: { train: resolve(data as string, 'train.tsv'), header: ['sentence', 'label'], maxLength },
      method,
      [method]: options,
      trainer: { epochs, batchSize, learningRate, seed, schedule: { name: 'linear', warmup } },
    };
    writeFileSync(join(folder, 'recipe.json'), JSON.stringify(recipe));
    const where = ['--device', values.device];
    const run = tunesmith(
      'train',
      join(folder, 'recipe.json'),
      '--output',
      join(folder, 'run'),
      ...where,
    ) as TrainedRun;
    const trained =
      run.model === null
        ? ['--model', resolve(model as string), ...run.adapters.flatMap((adapter) => ['--adapter', adapter])]
        : ['--model', run.model];
    const test = ['--data', resolve(data as string, 'test.tsv'), '--set', 'data.header=[sentence, label]'];
    const { loss, metrics } = tunesmith('eval', ...trained, ...test, ...where) as Evaluated;
    return { by: 'tunesmith', method, seed, device: values.device, learningRate, loss, accuracy: metrics.accuracy };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What a command prints last, as JSON. */
function tunesmith(...args: string[]): unknown {
  const output = execFileSync(join(root, 'node_modules/.bin/tunesmith'), [...args, '--json'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const text = output.trim();
  return JSON.parse(text.startsWith('{\n') ? text : (text.split('\n').at(-1) as string));
}
