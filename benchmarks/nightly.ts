/**
 * `npm run bench:nightly -- [--suite file] [--results folder] [--baseline folder] [--output folder] [--minutes n] …`: a piece
 * of a suite, the report of all there is so far, and what got worse than a baseline. The nightly workflow runs this; so does
 * anybody who makes the table by hand, piece after piece. It ends with 1 where something is worse.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: join(root, 'benchmarks/suites/first-table.yaml') },
    results: { type: 'string', default: 'bench-results' },
    baseline: { type: 'string' },
    output: { type: 'string', default: 'bench-report' },
    minutes: { type: 'string', default: '85' },
    concurrency: { type: 'string', default: '2' },
    shard: { type: 'string' },
    device: { type: 'string' },
  },
});
const { suite, results, baseline, output, minutes, concurrency, shard, device } = values;

/** Runs the built command, shows what it says, and gives its exit code and output. */
function tunesmith(...args: readonly string[]): { readonly code: number; readonly text: string } {
  const command = [join(root, 'apps/cli/dist/main.js'), 'bench', ...args];
  const { status, stdout } = spawnSync(process.execPath, command, {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  process.stdout.write(stdout);
  return { code: status ?? 1, text: stdout };
}

/** On the page of the workflow's run, where there is one. */
function summarise(text: string): void {
  const { GITHUB_STEP_SUMMARY: page } = process.env;
  if (page) appendFileSync(page, `${text}\n\n`);
}

const optional = Object.entries({ shard, device }).flatMap(([name, value]) => (value ? [`--${name}`, value] : []));
const ran = tunesmith(
  'run',
  suite,
  ...['--results', results, '--minutes', minutes, '--concurrency', concurrency],
  ...optional,
);
const reported = tunesmith('report', suite, '--results', results, '--output', output);
if (reported.code === 0) summarise(readFileSync(join(output, 'report.md'), 'utf8'));
let compared = { code: 0, text: '' };
if (baseline !== undefined && existsSync(baseline)) {
  compared = tunesmith('compare', baseline, results);
  summarise(`## Since the last night\n\n\`\`\`\n${compared.text}\`\`\``);
}
process.exitCode = ran.code || reported.code || compared.code;
