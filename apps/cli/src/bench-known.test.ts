import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from './fixtures/run-cli.js';
import { writeTinyModel } from './fixtures/tiny-model.js';

/**
 * Methods of which it is known what they come to: one learns next to nothing, one says the same of every token, one takes its
 * time. (A gradient of nothing at all would be refused.)
 */
const plugin = `
  import { defineMethod, tf, uniform, zeros } from '@tunesmith/core';
  import { z } from 'zod';
  const method = (name, patchModel) => defineMethod({
    name, apiVersion: 1, summary: 'Of known outcome.', capabilities: { identityAtInit: false },
    config: z.strictObject({}), defaults: { learningRate: 0.5 }, create: () => ({ patchModel }),
  });
  const include = ['lm_head'];
  const shift = ({ outFeatures, parameter }) => parameter('shift', { shape: [outFeatures], init: zeros });
  export const stuck = method('stuck', (patcher) => patcher.wrap('linear', { include }, (site) => {
    const handle = shift(site);
    return (x, next, t) => tf.add(next(x), tf.mul(t.value(handle), tf.scalar(1e-7)));
  }));
  export const same = method('same', (patcher) => patcher.wrap('linear', { include }, (site) => {
    const handle = shift(site);
    return (x, next, t) => tf.mul(tf.add(next(x), t.value(handle)), tf.scalar(1e-7));
  }));
  const learns = (work) => (patcher) => {
    const ballast = patcher.buffer('ballast', { shape: [work, work], init: uniform(0.01) });
    patcher.wrap('linear', { include }, (site) => {
      const handle = shift(site);
      return (x, next, t) => {
        let product = t.value(ballast);
        for (let index = 0; index < 8; index++) product = tf.matMul(product, t.value(ballast));
        return tf.add(tf.add(next(x), t.value(handle)), tf.mul(tf.mean(product), tf.scalar(1e-20)));
      };
    });
  };
  export const quick = method('quick', learns(4));
  export const slow = method('slow', learns(384));
`;

const suite = {
  name: 'known',
  models: { tiny: { path: 'model' } },
  tasks: [
    {
      ...{ name: 'sums', licence: 'CC0', train: 'rows.jsonl', validation: 'rows.jsonl', test: 'rows.jsonl' },
      metric: { name: 'loss', higherIsBetter: false, ceiling: 0 },
    },
  ],
  methods: { stuck: {}, same: {}, quick: {}, slow: {} },
  budgets: { short: { steps: 8, batchSize: 4, evaluations: 1, threads: 1 } },
  tuning: { trials: 1 },
  seeds: [1, 2],
  plugins: ['./plugin.ts'],
  prices: { cpu: { perHour: 0.1 } },
};

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-known-'));
  await writeTinyModel(join(home, 'model'));
  const row = (ask: string) =>
    `${JSON.stringify({
      messages: [
        { role: 'user', content: ask },
        { role: 'assistant', content: 'yes' },
      ],
    })}\n`;
  await writeFile(join(home, 'rows.jsonl'), ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map(row).join(''));
  await writeFile(join(home, 'plugin.ts'), plugin);
  await writeFile(join(home, 'suite.json'), JSON.stringify(suite));
  await symlink(fileURLToPath(new URL('../../../node_modules', import.meta.url)), join(home, 'node_modules'));
  const { code, stderr } = await runCli(home, 'bench', 'run', 'suite.json');
  expect(code, stderr).toBe(0);
}, 600_000);
afterAll(() => rm(home, { recursive: true, force: true }));

interface Row {
  readonly method: string;
  readonly values: Readonly<Record<string, { readonly mean: number }>>;
}

describe('a bench of known outcome', () => {
  it('ranks each where it must be', async () => {
    const { code, stdout, stderr } = await runCli(home, 'bench', 'report', 'suite.json', '--json');
    expect(code, stderr).toBe(0);
    const [board] = JSON.parse(stdout).boards as { methods: Row[] }[];
    const rows = new Map((board?.methods ?? []).map(({ method, values }) => [method, values]));
    const of = (method: string, measure: string): number => rows.get(method)?.[measure]?.mean ?? Number.NaN;
    // 96 tokens, all as likely: ln 96, whatever is trained.
    expect(of('same', 'quality')).toBeCloseTo(Math.log(96), 5);
    expect(of('quick', 'quality')).toBeLessThan(of('same', 'quality') - 0.1);
    expect(of('same', 'quality')).toBeLessThan(of('stuck', 'quality'));
    expect(of('slow', 'quality')).toBeCloseTo(of('quick', 'quality'), 3);
    expect(of('slow', 'secondsPerStep')).toBeGreaterThan(2 * of('quick', 'secondsPerStep'));
    expect(of('slow', 'money')).toBeGreaterThan(2 * of('quick', 'money'));
    const results = JSON.parse(stdout).boards[0].methods as { method: string; untrained: number }[];
    expect(of('stuck', 'quality')).toBeCloseTo(
      results.find(({ method }) => method === 'stuck')?.untrained as number,
      6,
    );
  });

  it('writes a page, a table and pictures', async () => {
    const [html, table, png] = await Promise.all([
      readFile(join(home, 'bench-report/report.html'), 'utf8'),
      readFile(join(home, 'bench-report/report.md'), 'utf8'),
      readFile(join(home, 'bench-report/pareto-sums-tiny-short.png')),
    ]);
    expect(html).toContain('<h2>sums: tiny, short</h2>');
    expect(table.match(/^\| (quick|slow|stuck|same)/gm)).toHaveLength(4);
    expect(png.subarray(1, 4).toString()).toBe('PNG');
  });

  it('advises what learnt, and says how sure that is', async () => {
    const { stdout } = await runCli(home, 'bench', 'advise', '--goal', 'sums', '--memory', '50GB', '--json');
    const advice = JSON.parse(stdout);
    expect(['quick', 'slow']).toContain(advice.method);
    expect(advice.confidence).toBeGreaterThan(0);
    const { code, stderr } = await runCli(home, 'bench', 'advise', '--goal', 'sum');
    expect(code).toBe(2);
    expect(stderr).toContain('Did you mean sums?');
    const tight = await runCli(home, 'bench', 'advise', '--memory', '1MB');
    expect(tight.stdout).toContain('no method was measured to stay within that');
  });

  it('finds nothing worse than itself, and ends with 1 where something is', async () => {
    const same = await runCli(home, 'bench', 'compare', 'bench-results', 'bench-results');
    expect(same.code, same.stdout + same.stderr).toBe(0);
    const slower = await worsened();
    const { code, stdout } = await runCli(home, 'bench', 'compare', 'bench-results', slower, '--measures', 'quality');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^worse {2}tiny\/sums\/quick\/short, loss: /m);
    expect(stdout.match(/^worse/gm)).toHaveLength(1);
  });

  /** The results, with a loss of `quick` that is higher by 1. */
  async function worsened(): Promise<string> {
    await cp(join(home, 'bench-results/trials'), join(home, 'worse/trials'), { recursive: true });
    for (const name of await readdir(join(home, 'worse/trials'))) {
      const path = join(home, 'worse/trials', name);
      const result = JSON.parse(await readFile(path, 'utf8'));
      if (result.trial.cell.method !== 'quick') continue;
      result.trial.outcome.measurement.quality.test.loss += 1;
      await writeFile(path, JSON.stringify(result));
    }
    return 'worse';
  }
});
