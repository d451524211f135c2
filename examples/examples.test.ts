/** Runs every example as a user would, on the built packages, and looks at what it prints. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const folder = fileURLToPath(new URL('.', import.meta.url));
const parts = ['open-example.ts', 'small-encoder.ts', 'small-model.ts', 'small-t5.ts'];

/** By example: what its output must show. */
const shows: Record<string, (output: string) => void> = {
  'train-lora.ts'(output) {
    const losses = numbers(output, /loss (\S+)/g);
    expect(losses).toHaveLength(40);
    expect(losses.at(-1)).toBeLessThan(0.6 * (losses[0] as number));
  },
  'lora-family.ts'(output) {
    const rows = [...output.matchAll(/^(\S+): loss (\S+) to (\S+), (\d+) trained, (\d+) in the file$/gm)];
    expect(rows.map(([, name]) => name)).toEqual(['lora', 'dora', 'pissa', 'olora', 'lora+', 'lora-fa', 'adalora']);
    for (const [, name, first, last] of rows) expect(Number(last), name).toBeLessThan(0.9 * Number(first));
    const of = (name: string): number[] => (rows.find((row) => row[1] === name) as string[]).slice(4).map(Number);
    expect(of('pissa')[1]).toBe(2 * (of('lora')[1] as number));
    expect(of('lora-fa')[0]).toBeLessThan(of('lora')[0] as number);
    const ranks = (output.split('\nranks ')[1] ?? '').trim().split(' ').map(Number);
    expect(ranks.reduce((sum, rank) => sum + rank)).toBe(4 * ranks.length);
    expect(new Set(ranks).size).toBeGreaterThan(1);
  },
  'train-qlora.ts'(output) {
    const [bits, whole] = numbers(output, /(\S+) bits a parameter/g) as [number, number];
    expect(bits).toBeLessThan(0.17 * whole);
    const losses = numbers(output, /loss (\S+)/g);
    expect(losses.at(-1)).toBeLessThan(0.7 * (losses[0] as number));
    expect(output).toContain('the codes are as they were');
  },
  'train-dpo.ts'(output) {
    const [losses, margins] = [numbers(output, /loss (\S+)/g), numbers(output, /margin (\S+)/g)];
    expect(losses[0]).toBeCloseTo(Math.LN2, 4);
    expect(losses.at(-1)).toBeLessThan(0.5 * (losses[0] as number));
    expect([margins[0], output.trimEnd().slice(-10)]).toEqual([0, 'accuracy 1']);
  },
  'train-ia3.ts'(output) {
    expect(output).toMatch(/^384 of \d+ numbers train\n/);
    const losses = numbers(output, /loss (\S+)/g);
    expect(losses.at(-1)).toBeLessThan(0.85 * (losses[0] as number));
    expect(output.match(/ia3_l/g)).toHaveLength(6);
  },
  'train-prompts.ts'(output) {
    const losses = [...output.matchAll(/loss (\S+) → (\S+),/g)].map(([, first, last]) => Number(last) / Number(first));
    expect(losses).toHaveLength(4);
    expect(Math.max(...losses)).toBeLessThan(0.95);
    expect(output.match(/prompt_embeddings \[4, 128\]/g)).toHaveLength(2);
    expect(output.match(/prompt_embeddings \[4, 64\]/g)).toHaveLength(2);
  },
  'train-some-weights.ts'(output) {
    const losses = [...output.matchAll(/loss (\S+) → (\S+)/g)].map(([, first, last]) => Number(last) / Number(first));
    expect(losses).toHaveLength(6);
    expect(Math.max(...losses)).toBeLessThan(0.9);
    // Four bytes a number, eight with its position, and a header.
    const saved = [...output.matchAll(/(\d+) numbers train.*in (\d+) bytes/g)];
    expect(saved).toHaveLength(4);
    for (const [index, [, count, bytes]] of saved.entries()) {
      const size = (index < 2 ? 4 : 8) * Number(count);
      expect(Number(bytes)).toBeGreaterThan(size);
      expect(Number(bytes)).toBeLessThan(size + 6144);
    }
    expect(output.match(/step \d+: [a-z]+/g)).toEqual([
      'step 0: top',
      'step 10: layer',
      'step 20: layer',
      'step 30: embeddings',
      'step 0: fisher',
      'step 0: train',
      'step 0: gates',
      'step 20: fixed',
      'step 0: priming',
      'step 2: learners',
    ]);
  },
  'train-adapters.ts'(output) {
    const [before, after] = [numbers(output, /loss (\S+) to/g), numbers(output, / to (\S+)/g)];
    expect(before).toHaveLength(4);
    for (const [index, loss] of after.entries()) expect(loss).toBeLessThan(0.85 * (before[index] as number));
    expect(numbers(output, /: (\d+) numbers/g)).toEqual([8512, 4256, 4256, 1024]);
  },
  'classify.ts'(output) {
    expect(numbers(output, /accuracy (\S+)/g).at(-1)).toBeGreaterThan(0.9);
    expect(output).toMatch(/\nquestion \{ question: 0\.\d+, statement: .*\nstatement \{/);
  },
  'label-words.ts'(output) {
    expect(numbers(output, /f1 of spans (\S+)/g).at(-1)).toBeGreaterThan(0.8);
    expect(output).toMatch(/PLACE: Cape Town \(\d\.\d\d\)\n.*\n {2}PLACE: Oslo/);
  },
  'find-answers.ts'(output) {
    expect(numbers(output, /f1 (\S+)/g).at(-1)).toBeGreaterThan(0.8);
    expect(output).toMatch(/Eve \(\d\.\d\d\), character 0 of the passage\nCairo \(\d\.\d\d\), character 10 /);
  },
  'embed-texts.ts'(output) {
    expect(numbers(output, /found at once (\S+)/g).at(-1)).toBeGreaterThan(0.6);
    const [whale = 0, ...others] = numbers(output, /^(-?\d\.\d\d) /gm);
    expect(others).toHaveLength(2);
    for (const other of others) expect(whale).toBeGreaterThan(other);
  },
  'train-t5.ts'(output) {
    expect(numbers(output, /loss (\S+)/g).at(-1)).toBeLessThan(0.3);
    expect(output).toContain('not hot: cold\n');
    expect(output).toMatch(/exactMatch: 1,/);
  },
  'own-objective.ts'(output) {
    const [losses, uniform] = [numbers(output, /loss (\S+)/g), numbers(output, /uniform (\S+)/g)];
    expect(losses.at(-1)).toBeLessThan(0.7 * (losses[0] as number));
    expect(uniform.every((value) => value > Math.log(96))).toBe(true);
  },
  'own-optimizer.ts'(output) {
    const losses = numbers(output, /loss (\S+)/g);
    expect(losses.at(-1)).toBeLessThan(0.8 * (losses[0] as number));
  },
  'own-family.ts'(output) {
    const [best] = numbers(output, /at best {2}(\S+)/g);
    expect(numbers(output, /loss (\S+)/g).at(-1)).toBeCloseTo(best as number, 2);
  },
  'own-metric.ts'(output) {
    const rates = numbers(output, /errors (\S+)/g);
    expect(Math.min(...rates)).toBeLessThan(rates[0] as number);
    expect(output).toMatch(/ended at step \d+: earlyStopping/);
  },
  'merge-and-generate.ts'(output) {
    const [apart, merged] = [...output.matchAll(/: +(".*")/g)].map(([, text]) => JSON.parse(text as string) as string);
    expect(apart).not.toBe('');
    expect(merged).toBe(apart);
  },
  'adapters-together.ts'(output) {
    const said = Object.fromEntries([...output.matchAll(/(\w+): "(.*)"/g)].map(([, name, text]) => [name, text]));
    expect(said.plain).toMatch(/^ Rome/);
    expect(said.loud).toMatch(/^ ROME/);
    expect(new Set([said.base, said.plain, said.loud])).toHaveProperty('size', 3);
    expect(said).toHaveProperty('both');
  },
  'peft-adapter.ts'(output) {
    expect(output).toContain('rank: 4');
    expect(output.match(/lora_[AB]\.weight/g)).toHaveLength(8);
  },
  'save-memory.ts'(output) {
    expect(numbers(output, /8×1 (\S+)/g)).toHaveLength(5);
    expect(numbers(output, /difference (\S+)/g)[0]).toBeLessThan(1e-5);
  },
  'resume.ts'(output) {
    expect(output).toMatch(/aborted at step 7,.*\nfinished at step 12\nthe same bits/);
  },
  'two-backends.ts'(output) {
    expect(output).toMatch(/onnx-cpu .* w 2\.99\d+ -0\.99\d+\ntfjs-cpu .* w 2\.99\d+ -0\.99\d+/);
  },
};

function numbers(output: string, pattern: RegExp): number[] {
  return [...output.matchAll(pattern)].map(([, number]) => Number(number));
}

describe('examples', () => {
  let temporary: string;
  beforeAll(() => {
    temporary = mkdtempSync(join(tmpdir(), 'tunesmith-examples-'));
  });
  afterAll(() => rmSync(temporary, { recursive: true, force: true }));

  it('need under 60 lines for a third party’s method', () => {
    const source = readFileSync(join(folder, 'third-party-plugin/src/vera.ts'), 'utf8');
    expect(source.trimEnd().split('\n').length).toBeLessThan(60);
  });
  it('are all tried', () => {
    const files = readdirSync(folder).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
    expect(Object.keys(shows).sort()).toEqual(files.filter((name) => !parts.includes(name)).sort());
  });

  it.each(Object.entries(shows))(
    '%s',
    async (name, check) => {
      const env = { ...process.env, TMPDIR: temporary };
      const command = ['--import', 'tsx', join(folder, name)];
      const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: folder, env });
      check(stdout);
    },
    180_000,
  );
});
