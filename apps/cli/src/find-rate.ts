import { defaultRateRange, type Engine, type FoundRate, findLearningRate, type Recipe } from '@tunesmith/runtime';
import { formatLoss, formatRate } from './format.js';
import { type Terminal, warn } from './terminal.js';

/** Lines of the curve that is printed. */
const lines = 20;
const barWidth = 40;

/** Tries learning rates, draws the loss over them, and names the one to take. */
export async function findRate(
  recipe: Recipe,
  engine: Engine,
  asked: { readonly from?: number; readonly to?: number; readonly steps?: number | undefined },
  terminal: Terminal,
): Promise<void> {
  const range = {
    from: asked.from ?? defaultRateRange.from,
    to: asked.to ?? defaultRateRange.to,
    steps: asked.steps ?? defaultRateRange.steps,
  };
  let tried = 0;
  const found = await findLearningRate(recipe, engine, {
    range,
    onPhase: terminal.status,
    onWarning: (warning) => warn(terminal, warning),
    onPoint: ({ learningRate, loss }) =>
      terminal.status(`${++tried}/${range.steps}  lr ${formatRate(learningRate)}  loss ${formatLoss(loss)}`),
  });
  terminal.status('');
  if (terminal.json) terminal.printJson(found);
  else printCurve(found, terminal);
}

function printCurve({ points, smoothed, suggested, lowest, turns, range }: FoundRate, terminal: Terminal): void {
  const [low, high] = [Math.min(...smoothed), Math.max(...smoothed)];
  const count = Math.min(lines, points.length);
  const shown = Array.from({ length: count }, (_, line) => Math.round((line * (points.length - 1)) / (count - 1)));
  const nearest = shown.reduce((best, at) => (distance(at) < distance(best) ? at : best));
  function distance(at: number): number {
    return Math.abs(Math.log((points[at]?.learningRate ?? 1) / (suggested ?? 1)));
  }
  terminal.print(terminal.style('bold', 'rate      loss'));
  for (const at of shown) {
    const { learningRate } = points[at] as FoundRate['points'][number];
    const loss = smoothed[at] as number;
    const bar = '▇'.repeat(Math.round((barWidth * (loss - low)) / Math.max(high - low, 1e-12)));
    const mark = suggested !== null && at === nearest ? ` ${terminal.style('green', '◀')}` : '';
    terminal.print(`${formatRate(learningRate).padEnd(9)} ${formatLoss(loss).padStart(6)} ${bar}${mark}`);
  }
  terminal.print();
  const wider = `--find-learning-rate ${range.from}:${formatRate(range.to * 100)}`;
  if (suggested === null) {
    terminal.print(`The loss falls nowhere up to ${formatRate(range.to)}; higher rates: ${wider}`);
    return;
  }
  terminal.print(
    `suggested learning rate: ${terminal.style('bold', formatRate(suggested))}, where the loss falls fastest`,
  );
  if (turns) terminal.print(`  it is lowest at ${formatRate(lowest)}, and rises above`);
  else terminal.print(`  it still falls at ${formatRate(range.to)}: a higher rate may be better (${wider})`);
  terminal.print(`  to train with it: --set trainer.learningRate=${formatRate(suggested)}`);
}
