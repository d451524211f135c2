import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quantizationSchema } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { qlora } from '@tunesmith/qlora';
import { evaluateFiles, parseData, parseRecipe, resolveRecipe } from '@tunesmith/runtime';
import { full } from '@tunesmith/selective';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from './engine.js';
import { runCli, runJson } from './fixtures/run-cli.js';
import { writeTinyData, writeTinyModel } from './fixtures/tiny-model.js';
import { openFromFlags } from './open-from-flags.js';
import type { Terminal } from './terminal.js';

const settings = '{type: nf4, blockSize: 16, doubleQuantization: false}';
const base = ['--model', 'model'];
const adapted = [...base, '--adapter', 'run/adapter'];

let home: string;
let heldOut: number;
/** What `eval` computes, in this process: a command takes seconds to start. */
const evaluate = async (...flags: string[]): Promise<number> => {
  const value = (name: string): string | undefined => flags[flags.indexOf(name) + 1 || flags.length];
  const [adapter, quantization] = [value('--adapter'), value('--quantization')];
  const opened = await openFromFlags(
    {
      ...{ model: join(home, value('--model') as string), device: 'cpu' },
      ...(adapter && { adapter: [join(home, adapter)] }),
      ...(quantization && { quantization }),
    },
    { status() {} } as unknown as Terminal,
  );
  try {
    const data = parseData({ train: join(home, 'held-out.jsonl') }, 'a test');
    return (await evaluateFiles(opened, { data, batchSize: 8, cacheFolder: join(home, 'cache') })).loss;
  } finally {
    opened.dispose();
  }
};
const failure = async (...args: string[]): Promise<unknown> => {
  const { stdout } = await runCli(home, ...args, '--json');
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) as string);
};

/** What a recipe comes to say of the base's form once it has met the model. */
async function settled(model: string, method: string, form: object = {}): Promise<unknown> {
  const methods = [lora, qlora, full];
  const value = { model: { path: join(home, model), ...form }, data: { train: join(home, 'data.jsonl') }, method };
  const recipe = parseRecipe({ where: 'a test', value: value as never }, methods);
  return (await resolveRecipe(recipe, createEngine({ methods }))).model.quantization;
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-quantised-'));
  await writeTinyModel(join(home, 'model'));
  await writeTinyData(join(home, 'data.jsonl'));
  await writeTinyData(join(home, 'held-out.jsonl'), 8);
  const result = await runJson(
    ...([home, 'train', ...base, '--data', 'data.jsonl', '--validation', 'held-out.jsonl'] as const),
    ...['--method', 'lora', '--quantization', settings, '--steps', '20', '--output', 'run'],
    ...['--set', 'trainer.learningRate=0.02', '--set', 'trainer.batchSize=4', '--set', 'lora.targetModules=all-linear'],
  );
  heldOut = (result.after as { loss: number }).loss;
}, 60_000);
afterAll(() => rm(home, { recursive: true, force: true }));

it('plan says what codes save against the checkpoint, and which base fits', async () => {
  const flags = ['plan', ...base, '--data', 'data.jsonl', '--method', 'lora', '--steps', '1'];
  const { stdout } = await runCli(home, ...flags, '--quantization', settings);
  expect(stdout).toMatch(/quantised: [\d,]+ values in \d.*B, 6\.000 bits each, where the checkpoint has .* less\n/);
  expect(stdout).toMatch(
    /base: with .* of memory here, float32 .* fits; float16 .* fits; int8 .* fits; nf4 .* fits \(this recipe\)\n/,
  );
});

describe('an adapter that was trained over a quantised base', () => {
  it('says how the base was kept', async () => {
    expect(JSON.parse(await readFile(join(home, 'run/adapter/tunesmith.json'), 'utf8'))).toMatchObject({
      quantization: { type: 'nf4', blockSize: 16, doubleQuantization: false, exclude: [] },
    });
  });

  it('is evaluated over it, or over the base as the command line says', async () => {
    const { loss } = await runJson(home, 'eval', ...adapted, '--data', 'held-out.jsonl');
    expect(loss).toBeCloseTo(heldOut, 5);
    const full = await evaluate(...adapted, '--quantization', 'none');
    expect(Math.abs(full - heldOut)).toBeGreaterThan(1e-3);
    expect(await evaluate(...adapted, '--quantization', settings)).toBeCloseTo(heldOut, 5);
    expect(await evaluate(...adapted, '--quantization', 'fp4')).not.toBeCloseTo(heldOut, 3);
    expect(await evaluate(...base, '--quantization', 'int8')).toBeCloseTo(await evaluate(...base), 2);
    expect(await evaluate(...base, '--quantization', 'int8')).not.toBe(await evaluate(...base));
    expect(await evaluate(...base, '--quantization', 'nf4')).not.toBeCloseTo(await evaluate(...base), 3);
    expect(await failure('eval', ...base, '--data', 'data.jsonl', '--quantization', 'int3')).toMatchObject({
      error: { code: 'CONFIG_INVALID', message: expect.stringContaining('expected nf4, fp4') },
    });
  });

  it('continues prompts over it, alone and from a file', async () => {
    const alone = await runJson(home, 'generate', ...adapted, '--prompt', '3 + 3 = ', '--max-tokens', '12');
    await writeFile(join(home, 'prompts.jsonl'), JSON.stringify({ prompt: '3 + 3 = ', adapter: 'one' }));
    const named = [...base, '--adapter', 'one=run/adapter', '--prompts', 'prompts.jsonl'];
    const { tokens } = await runJson(home, 'generate', ...named, '--max-tokens', '12');
    expect(tokens).toEqual(alone.tokens);
  });

  it('merges into the base in full precision', async () => {
    expect(await runJson(home, 'merge', ...adapted, '--output', 'merged')).toEqual({ model: join(home, 'merged') });
    expect(await evaluate('--model', 'merged')).toBeCloseTo(await evaluate(...adapted, '--quantization', 'none'), 5);
  });

  it('merges into codes where that is asked for and allowed, and says what it changed', async () => {
    // The adapter says the blocks' size.
    const codes = [...adapted, '--quantization', 'nf4'];
    expect(await failure('merge', ...codes, '--output', 'refused')).toMatchObject({
      error: { code: 'CAPABILITY_MISSING', hint: expect.stringContaining('full-precision') },
    });
    expect(await failure('merge', ...adapted, '--allow-lossy', '--output', 'refused')).toMatchObject({
      error: { code: 'CONFIG_INVALID' },
    });
    const lossy = ['merge', ...codes, '--allow-lossy', '--text', '3 + 3 = 6.'];
    const { logitChange } = await runJson(home, ...lossy, '--output', 'rounded');
    const { largest, mean, logits } = logitChange as Record<'largest' | 'mean' | 'logits', number>;
    expect(mean).toBeGreaterThan(0);
    expect(largest).toBeGreaterThan(mean);
    expect(mean).toBeLessThan(logits);
    // What is written are values of codes: they are the same again when they are quantised again.
    const again = await evaluate('--model', 'rounded', '--quantization', settings);
    expect(again).toBeCloseTo(await evaluate('--model', 'rounded'), 6);
  });

  it('merges into codes that are loaded as they are, by transformers too', async () => {
    const lossy = [...adapted, '--quantization', '{type: nf4, blockSize: 32}', '--allow-lossy', '--text', '3 + 3 = 6.'];
    const { stdout } = await runCli(home, 'merge', ...lossy, '--output', 'codes');
    expect(stdout).toMatch(/logits moved by \d\.\d+ on average and \d+\.\d+ at most; their magnitude is \d/);
    const { quantization_config: said } = JSON.parse(await readFile(join(home, 'codes/config.json'), 'utf8'));
    expect(said).toMatchObject({ quant_method: 'bitsandbytes', load_in_4bit: true, bnb_4bit_quant_type: 'nf4' });
    const codes = ['--model', 'codes'];
    expect(await evaluate(...codes)).toBeCloseTo(await evaluate(...codes, '--quantization', 'none'), 5);
    // A method that wants the base quantised takes it as it is, unless the recipe says otherwise.
    expect(await settled('codes', 'qlora')).toBeUndefined();
    expect(await settled('codes', 'qlora', { quantization: 'none' })).toBe('none');
    expect(await settled('model', 'qlora', { quantization: 'none' })).toBe('none');
    expect(await settled('model', 'qlora')).toEqual(quantizationSchema.parse({}));
    expect(await settled('model', 'lora')).toBeUndefined();
    await expect(settled('codes', 'full')).rejects.toThrow(/CAPABILITY_MISSING at nf4.*quantization: none/);
    expect(await settled('codes', 'full', { quantization: 'none' })).toBe('none');
    // A checkpoint alone is quantised likewise.
    await runCli(home, 'merge', ...base, '--quantization', 'nf4', '--output', 'quantised');
    expect(await evaluate('--model', 'quantised')).toBeCloseTo(await evaluate(...base, '--quantization', 'nf4'), 5);
    expect(await runJson(home, 'merge', ...codes, '--output', 'values')).toBeDefined();
    expect(JSON.parse(await readFile(join(home, 'values/config.json'), 'utf8'))).not.toHaveProperty(
      'quantization_config',
    );
    expect(await evaluate('--model', 'values')).toBeCloseTo(await evaluate(...codes), 5);
  });
});
