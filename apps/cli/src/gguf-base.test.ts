import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, runJson } from './fixtures/run-cli.js';

/** Every type of tensor, a byte-level tokenizer and a chat template: parity/record_gguf.py. */
const file = fileURLToPath(new URL('../../../parity/fixtures/gguf/llama.gguf', import.meta.url));
const base = ['--model', file];
const adapted = [...base, '--adapter', 'run/adapter'];
const data = ['--data', 'data.jsonl'];

let home: string;
let result: Record<string, unknown>;
const lossOf = async (...flags: string[]): Promise<number> =>
  (await runJson(home, 'eval', ...flags, ...data)).loss as number;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-gguf-'));
  const rows = ['the cat sat on the mat', 'the dog ran', 'they both slept'].map((text) => JSON.stringify({ text }));
  await writeFile(join(home, 'data.jsonl'), rows.join('\n'));
  result = await runJson(
    ...([home, 'train', ...base, ...data, '--validation', 'data.jsonl', '--method', 'lora'] as const),
    ...['--steps', '8', '--output', 'run', '--set', 'trainer.learningRate=0.02', '--set', 'trainer.batchSize=3'],
  );
}, 60_000);
afterAll(() => rm(home, { recursive: true, force: true }));

describe('a GGUF file', () => {
  it('is a base like a folder: trained over, evaluated, and merged into a folder with its tokenizer', async () => {
    const [before, after] = [result.before, result.after].map((each) => (each as { loss: number }).loss);
    expect(after).toBeLessThan(before as number);
    expect(await lossOf(...adapted)).toBeCloseTo(after as number, 5);
    await runJson(home, 'merge', ...adapted, '--output', 'merged');
    expect(await lossOf('--model', 'merged')).toBeCloseTo(after as number, 5);
    expect(JSON.parse(await readFile(join(home, 'merged/config.json'), 'utf8'))).toMatchObject({
      ...{ model_type: 'llama', architectures: ['LlamaForCausalLM'], head_dim: 16, tie_word_embeddings: true },
    });
    const tokenizer = JSON.parse(await readFile(join(home, 'merged/tokenizer_config.json'), 'utf8'));
    expect(tokenizer).toMatchObject({ eos_token: '<|im_end|>', chat_template: expect.stringContaining('im_start') });
  });

  it('continues a chat by its own template, and is planned', async () => {
    const { tokens } = await runJson(home, 'generate', ...base, '--chat', '--prompt', 'the cat', '--max-tokens', '4');
    expect((tokens as number[]).length).toBeGreaterThan(0);
    const plan = await runJson(home, 'plan', ...base, ...data, '--method', 'lora', '--steps', '1');
    // In Q4_0, Q4_1 and Q8_0.
    const bytes = ((64 * 4.5 + 32 * 5 + 64 * 8.5) * 256) / 8;
    const saving = { values: 160 * 256, checkpointBytes: bytes, keptBytes: bytes };
    expect(plan).toMatchObject({ family: 'llama', saving });
  });

  it('is told apart from a file that is none', async () => {
    await writeFile(join(home, 'broken.gguf'), 'nothing');
    const { code, stderr } = await runCli(home, 'eval', '--model', 'broken.gguf', ...data);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/FILE_INVALID at .*broken\.gguf: it is no GGUF file/);
  });
});
