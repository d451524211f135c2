/**
 * `npm run bench:shared-prompts`: what it saves to compute the prompt of a pair once, with LoRA r = 8 on q and v, fp32, two threads, a pair a
 * step. Each case runs in a process of its own; with and without take turns, and the ratio is the median of those of each turn. A shape of
 * `step-options.ts` may be named, SmolLM2-135M's if none is; with `--quick` each case is measured once.
 */
import { median } from './median.js';
import { runCase, type StepResult } from './run-case.js';
import { type StepOptions, shapes } from './step-options.js';

const quick = process.argv.includes('--quick');
const turns = quick ? 1 : 3;
const [shape = 'smollm2-135m'] = process.argv.slice(2).filter((each) => each in shapes) as StepOptions['shape'][];
const cases = (['dpo', 'orpo'] as const).flatMap((objective) =>
  [448, 128].map((length) => ({ shape, objective, length, answer: 64, steps: 3 })),
);

const header = ['objective', 'prompt + answers', 's/step apart', 'shared', 'ratio', 'peak GB apart', 'shared', 'ratio'];
process.stdout.write(`| ${header.join(' | ')} |\n|${' --- |'.repeat(header.length)}\n`);
for (const given of cases) {
  const apart: StepResult[] = [];
  const shared: StepResult[] = [];
  for (let turn = 0; turn < turns; turn++) {
    apart.push(await runCase({ ...given, sharedPrompt: false }));
    shared.push(await runCase({ ...given, sharedPrompt: true }));
  }
  const compare = (of: (result: StepResult) => number): [number, number, number] => [
    median(apart.map(of)),
    median(shared.map(of)),
    median(shared.map((result, turn) => of(result) / of(apart[turn] as StepResult))),
  ];
  const cells = [
    given.objective,
    `${given.length - given.answer} + ${given.answer}`,
    ...compare(({ secondsPerStep }) => secondsPerStep).map((each) => each.toFixed(2)),
    ...compare(({ peakBytes }) => peakBytes / 1e9).map((each) => each.toFixed(2)),
  ];
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}
