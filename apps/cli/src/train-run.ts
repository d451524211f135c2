import type { LoadedRecipe, Objectives, Recipe, RunResult } from '@tunesmith/runtime';
import { headOf, trainInProcess } from '@tunesmith/runtime';
import { cacheFolder, hubSettings, pluginRoots } from './engine.js';
import { formatBytes, formatCount, formatDuration, formatLoss, formatPath } from './format.js';
import { createProgress } from './progress.js';
import type { Terminal } from './terminal.js';

/** Trains a run folder in a child process, shows it, and prints what came of it. */
export async function trainRun(
  folder: string,
  recipe: Recipe,
  objectives: Objectives,
  terminal: Terminal,
): Promise<void> {
  const started = performance.now();
  const progress = createProgress(terminal);
  const stop = new AbortController();
  const kill = new AbortController();
  let asked: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (asked !== undefined) {
      kill.abort();
      return;
    }
    asked = signal;
    stop.abort();
    if (!terminal.json) terminal.note('stopping after this step, with a checkpoint (once more to stop at once)');
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    const result = await trainInProcess(
      { folder, roots: pluginRoots(), hub: hubSettings(), cacheFolder: cacheFolder() },
      {
        entry: new URL('./training-child.js', import.meta.url),
        onEvent: progress.event,
        onPhase: progress.phase,
        onWarning: progress.warning,
        stop: stop.signal,
        kill: kill.signal,
      },
    );
    progress.end();
    if (terminal.json) terminal.printJson({ type: 'result', ...result });
    else printResult(result, { recipe, objectives }, (performance.now() - started) / 1000, terminal);
    if (result.reason === 'aborted') process.exitCode = asked === 'SIGTERM' ? 143 : 130;
  } finally {
    progress.end();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

type Named = Pick<LoadedRecipe, 'recipe' | 'objectives'>;

function printResult(result: RunResult, named: Named, seconds: number, terminal: Terminal): void {
  const { run, reason, from, step, steps, before, after, firstStep, lastStep, savedStep, adapters, model } = result;
  const bold = (text: string): string => terminal.style('bold', text);
  const line = (name: string, text: string): void => terminal.print(`  ${`${name} `.padEnd(16)}${text}`);
  const folder = formatPath(run);
  if (reason === 'aborted') {
    terminal.print(`Stopped after step ${formatCount(step)} of ${formatCount(steps)}; a checkpoint is saved.`);
    printNext([`tunesmith resume ${folder}`], terminal);
    return;
  }
  const early = reason === 'earlyStopping' ? `, stopped early: step ${savedStep} was best` : '';
  const did = from < step ? `Trained ${formatCount(step - from)} steps` : 'Nothing was left to train';
  const whole = from > 0 ? ` (${formatCount(step)} in all)` : '';
  const cost = `in ${formatDuration(seconds)}, ${formatBytes(result.peakBytes)} at peak`;
  terminal.print(`${terminal.style('green', '✓')} ${did}${whole} ${cost}${early}.`);
  if (before !== null && after !== null) {
    line(
      'held-out loss',
      `${formatLoss(before.loss)} → ${bold(formatLoss(after.loss))} (before training → step ${after.step})`,
    );
    for (const [name, value] of Object.entries(after.metrics)) {
      line(name, `${formatLoss(before.metrics[name] ?? Number.NaN)} → ${bold(formatLoss(value))}`);
    }
  } else if (firstStep !== null && lastStep !== null) {
    line('training loss', `${formatLoss(firstStep.loss)} → ${bold(formatLoss(lastStep.loss))} (first step → last)`);
  }
  for (const adapter of adapters) line('adapter', bold(formatPath(adapter)));
  if (model !== null) line('model', bold(formatPath(model)));
  line('metrics', `${folder}/metrics.jsonl`);
  printNext(nextCommands(result, named), terminal);
}

function nextCommands({ adapters, mergeable, model, run }: RunResult, { recipe, objectives }: Named): string[] {
  const base = recipe.model.name ?? formatPath(recipe.model.path as string);
  const from =
    model === null
      ? `--model ${base} ${adapters.map((path) => `--adapter ${formatPath(path)}`).join(' ')}`
      : `--model ${formatPath(model)}`;
  const use = {
    ...{ 'causal-lm': 'generate --prompt "…"', 'seq2seq-lm': 'generate --prompt "…"' },
    ...{
      'sequence-classification': 'classify --text "…"',
      'token-classification': 'classify --text "…"',
      'question-answering': 'answer --question "…" --context "…"',
      'masked-lm': 'eval --data "…"',
      embedding: 'embed --text "…"',
    },
  };
  const [command, ...rest] = use[headOf(recipe.objective, objectives).task].split(' ');
  return [
    `tunesmith ${command} ${from} ${rest.join(' ')}`,
    ...(mergeable ? [`tunesmith merge ${from} --output ${formatPath(run)}/merged`] : []),
  ];
}

function printNext(commands: readonly string[], terminal: Terminal): void {
  terminal.print();
  terminal.print(terminal.style('dim', 'Next:'));
  // Under npx or an npm script the command is the project's own, not on the PATH.
  const prefix = process.env.npm_execpath === undefined ? '' : 'npx ';
  for (const command of commands) terminal.print(`  ${prefix}${command}`);
}
