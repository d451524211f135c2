import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, runJson } from './fixtures/run-cli.js';
import { writeTinyData, writeTinyModel } from './fixtures/tiny-model.js';

const settings = '{type: nf4, blockSize: 16, doubleQuantization: false}';
const base = ['--model', 'model'];
const adapted = [...base, '--adapter', 'run/adapter'];

let home: string;
let heldOut: number;
const evaluate = async (...flags: string[]): Promise<number> =>
  (await runJson(home, 'eval', ...flags, '--data', 'held-out.jsonl')).loss as number;
const failure = async (...args: string[]): Promise<unknown> => {
  const { stdout } = await runCli(home, ...args, '--json');
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) as string);
};

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
    expect(await evaluate(...adapted)).toBeCloseTo(heldOut, 5);
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
    const codes = [...adapted, '--quantization', settings];
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
    const { stdout } = await runCli(home, ...lossy, '--output', 'told');
    expect(stdout).toMatch(/logits moved by \d\.\d+ on average and \d+\.\d+ at most; their magnitude is \d/);
  });
});
